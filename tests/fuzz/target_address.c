// SPDX-License-Identifier: MIT
// An address as a client or a provider gives it → what is shown of it, and what it is compared by. Input: 's' for a
// phone, 'r' and a region's two letters for one that is completed, anything else for an email, then the address.

#include <stdbool.h>
#include <string.h>

#include "shared/base/unicode.h"
#include "shared/message/address.h"
#include "tests/fuzz/targets.h"

#define IDENTITY_MAX 640

static void assert_identity(const char *normalized) {
    size_t length = strlen(normalized);
    FUZZ_ASSERT(length > 0 && length <= IDENTITY_MAX);
    FUZZ_ASSERT(unicode_is_utf8(normalized, length));
    FUZZ_ASSERT(strpbrk(normalized, "<>\t\r\n") == NULL);
    char *key = conversation_key(CHANNEL_EMAIL, normalized, "+1");
    char *same = conversation_key(CHANNEL_EMAIL, "+1", normalized);
    FUZZ_ASSERT(strcmp(key, same) == 0 && strstr(strstr(key, "<->") + 1, "<->") == NULL);
    free(key);
    free(same);
}

// What is shown of an address, and its identity, have that identity.
static void assert_stays(enum channel channel, const char *text, const char *normalized,
                         const struct phone_region *region) {
    struct address_list again;
    FUZZ_ASSERT(address_keep(channel, text, region, &again) == NULL);
    FUZZ_ASSERT(again.count == 1 && strcmp(again.addresses->normalized, normalized) == 0);
    address_list_free(&again);
}

static void assert_parsed(enum channel channel, enum address_side side, const char *text,
                          const struct phone_region *region) {
    struct address address, again;
    char reason[ADDRESS_REASON_SIZE];
    const char *error = address_parse(channel, side, text, region, &address, reason);
    if (error != NULL) {
        FUZZ_ASSERT(strlen(error) < ADDRESS_REASON_SIZE);
        return;
    }
    FUZZ_ASSERT(strlen(address.shown) > 0 && strlen(address.shown) <= ADDRESS_MAX_BYTES);
    assert_identity(address.normalized);
    FUZZ_ASSERT(address_parse(channel, side, address.shown, region, &again, reason) == NULL);
    FUZZ_ASSERT(strcmp(again.normalized, address.normalized) == 0);
    address_free(&again);
    assert_stays(channel, text, address.normalized, region); // the same person, whether they write or are written to
    assert_stays(channel, address.normalized, address.normalized, region);
    address_free(&address);
}

static void assert_kept(enum channel channel, const char *text, const struct phone_region *region) {
    struct address_list list;
    if (address_keep(channel, text, region, &list) != NULL) {
        return;
    }
    FUZZ_ASSERT(list.count > 0 && strlen(list.shown) > 0 && strlen(list.shown) <= ADDRESS_KEPT_MAX_BYTES);
    for (size_t i = 0; i < list.count; i++) {
        assert_identity(list.addresses[i].normalized);
        assert_stays(channel, list.addresses[i].normalized, list.addresses[i].normalized, region);
        assert_stays(channel, list.addresses[i].shown, list.addresses[i].normalized, region);
    }
    address_list_free(&list);
}

static void assert_address(enum channel channel, const char *text, const struct phone_region *region) {
    assert_parsed(channel, ADDRESS_FROM, text, region);
    assert_parsed(channel, ADDRESS_TO, text, region);
    assert_kept(channel, text, region);
}

void fuzz_address(const uint8_t *data, size_t size) {
    if (size == 0) {
        return;
    }
    char *text = malloc(size);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    bool completed = data[0] == 'r' && size > 2;
    char code[] = {completed ? text[0] : '\0', completed ? text[1] : '\0', '\0'};
    assert_address(completed || data[0] == 's' ? CHANNEL_SMS : CHANNEL_EMAIL, text + (completed ? 2 : 0),
                   phone_region_find(code));
    free(text);
}

// The same from within a Markdown link: the input's first line is its text, the rest its target.
void fuzz_link(const uint8_t *data, size_t size) {
    const uint8_t *end = memchr(data, '\n', size);
    size_t text = end != NULL ? (size_t)(end - data) : size;
    size_t target = end != NULL ? size - text - 1 : 0;
    char *link = malloc(size + sizeof "[](mailto:)");
    sprintf(link, "[%.*s](mailto:%.*s)", (int)text, (const char *)data, (int)target,
            end != NULL ? (const char *)end + 1 : "");
    assert_address(CHANNEL_EMAIL, link, NULL);
    free(link);
}
