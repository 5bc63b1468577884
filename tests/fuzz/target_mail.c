// SPDX-License-Identifier: MIT
// A mail: its header, its encoded words, its parts. Input: the mail.

#include <string.h>

#include "shared/base/mem.h"
#include "shared/base/unicode.h"
#include "shared/mime/header.h"
#include "shared/mime/mail.h"
#include "shared/mime/word.h"
#include "tests/fuzz/targets.h"

static void assert_utf8(const char *text, size_t length) {
    FUZZ_ASSERT(unicode_is_utf8(text, length));
    FUZZ_ASSERT(memchr(text, '\0', length) == NULL);
}

static void look_at_field(struct span mail, const char *name) {
    struct buf value = {0}, decoded = {0};
    bool found = header_get(mail, name, &value);
    FUZZ_ASSERT(found || value.length == 0);
    FUZZ_ASSERT(value.length <= mail.length);
    word_decode(&decoded, (struct span){value.data, value.length});
    assert_utf8(decoded.data, decoded.length);
    char *id = header_message_id((struct span){value.data, value.length});
    FUZZ_ASSERT(id == NULL || *id != '\0' || value.length > 0);
    free(id);
    buf_free(&value);
    buf_free(&decoded);
}

void fuzz_mail(const uint8_t *data, size_t size) {
    char *copy = malloc(size > 0 ? size : 1); // so that nothing is read beyond it
    memcpy(copy, data, size);
    struct span mail = {copy, size};
    struct mail read;
    FUZZ_ASSERT(header_length(mail) <= size);
    look_at_field(mail, "Message-ID");
    look_at_field(mail, "Subject");
    mail_read(mail, &read);
    FUZZ_ASSERT(read.count <= MAIL_ATTACHMENTS_MOST);
    for (size_t i = 0; i < read.count; i++) {
        assert_utf8(read.attachments[i], strlen(read.attachments[i]));
        FUZZ_ASSERT(*read.attachments[i] != '\0');
    }
    if (read.text.data != NULL) {
        assert_utf8(read.text.data, read.text.length);
    }
    if (read.html.data != NULL) {
        assert_utf8(read.html.data, read.html.length);
    }
    mail_free(&read);
    free(copy);
}
