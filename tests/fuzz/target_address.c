// SPDX-License-Identifier: MIT
// An address as a client gives it → what is shown of it, and what it is compared by. Input: 's' for a phone, 'r' and a
// region's two letters for one that is completed, anything else for an email, then the address.

#include <stdbool.h>
#include <string.h>

#include "shared/message/address.h"
#include "tests/fuzz/targets.h"

static void assert_phone(const char *normalized) {
    size_t digits = strspn(normalized + (*normalized == '+'), "0123456789");
    FUZZ_ASSERT(digits >= 3 && digits <= 15);
    FUZZ_ASSERT(normalized[(*normalized == '+') + digits] == '\0');
}

static void assert_email(const char *normalized) {
    const char *at = strchr(normalized, '@');
    FUZZ_ASSERT(at != NULL && at != normalized && at[1] != '\0' && strchr(at + 1, '@') == NULL);
    FUZZ_ASSERT(strpbrk(normalized, " \t\r\n<>") == NULL);
}

// A phone's identity is its own.
static void assert_stays(enum channel channel, const char *normalized, const struct phone_region *region) {
    char *shown, *again, reason[ADDRESS_REASON_SIZE];
    if (channel == CHANNEL_SMS) {
        FUZZ_ASSERT(address_parse(channel, normalized, region, &shown, &again, reason) == NULL);
        FUZZ_ASSERT(strcmp(again, normalized) == 0);
        free(shown);
        free(again);
    }
}

static void assert_address(enum channel channel, const char *text, const struct phone_region *region) {
    char *shown, *normalized, reason[ADDRESS_REASON_SIZE];
    if (address_parse(channel, text, region, &shown, &normalized, reason) != NULL) {
        return;
    }
    FUZZ_ASSERT(strlen(shown) > 0 && strlen(shown) <= ADDRESS_MAX_BYTES);
    if (channel == CHANNEL_SMS) {
        assert_phone(normalized);
    } else {
        assert_email(normalized);
    }
    char *key = conversation_key(channel, normalized, "+1");
    char *same = conversation_key(channel, "+1", normalized);
    FUZZ_ASSERT(strcmp(key, same) == 0);
    free(key);
    free(same);
    assert_stays(channel, normalized, region);
    free(shown);
    free(normalized);
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
