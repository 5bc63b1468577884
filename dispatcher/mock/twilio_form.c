// SPDX-License-Identifier: MIT
#include "dispatcher/mock/twilio_form.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/base64.h"
#include "shared/base/form.h"
#include "shared/base/mem.h"

static void mock_form_encode(struct buf *out, const char *text) {
    for (; *text != '\0'; text++) {
        unsigned byte = (unsigned char)*text;
        if (byte == ' ') {
            buf_putc(out, '+');
        } else if (isascii((int)byte) && (isalnum((int)byte) || strchr("*-._", (int)byte) != NULL)) {
            buf_putc(out, (char)byte);
        } else {
            buf_printf(out, "%%%02X", byte);
        }
    }
}

void mock_form_add(struct buf *form, const char *name, const char *value) {
    if (form->length > 0) {
        buf_putc(form, '&');
    }
    mock_form_encode(form, name);
    buf_putc(form, '=');
    mock_form_encode(form, value);
}

static int mock_form_by_name(const void *left, const void *right) {
    const struct form_field *one = left, *other = right;
    return strcmp(one->name, other->name);
}

char *mock_form_signature(const char *secret, const char *url, const struct buf *form) {
    struct form parsed;
    struct buf text = {0}, signature = {0};
    unsigned char digest[SHA_DIGEST_LENGTH];
    (void)!form_parse(form->data, form->length, &parsed);
    qsort(parsed.fields, parsed.count, sizeof *parsed.fields, mock_form_by_name);
    buf_puts(&text, url);
    for (size_t i = 0; i < parsed.count; i++) {
        buf_puts(&text, parsed.fields[i].name);
        buf_puts(&text, parsed.fields[i].value);
    }
    if (HMAC(EVP_sha1(), secret, (int)strlen(secret), (const unsigned char *)text.data, text.length, digest, NULL) ==
        NULL) {
        mem_exhausted();
    }
    base64_encode(digest, sizeof digest, &signature);
    form_free(&parsed);
    buf_free(&text);
    return signature.data;
}
