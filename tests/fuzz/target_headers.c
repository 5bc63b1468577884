// SPDX-License-Identifier: MIT
// The values of headers and parameters that are parsed by hand: Idempotency-Key, Retry-After, Accept, Content-Type,
// X-Forwarded-For, Origin and Host and their lists, cursors, times, Redis URLs, URLs that are signed. Input: the value,
// for each of them.

#include <string.h>
#include <strings.h>

#include "dispatcher/provider/outcome.h"
#include "ingest/accept/idempotency.h"
#include "ingest/access/origin_rules.h"
#include "ingest/dead_letters/filter.h"
#include "ingest/read/cursor.h"
#include "ingest/read/paging.h"
#include "ingest/request/client_address.h"
#include "shared/base/rfc3339.h"
#include "shared/http/media_type.h"
#include "shared/provider/signed_url.h"
#include "shared/redis/url.h"
#include "tests/fuzz/targets.h"

#define LONGEST_MS (366LL * 24 * 3600 * 1000)

static void look_at_key(const char *value) {
    if (!idempotency_key_is_valid(value)) {
        return;
    }
    FUZZ_ASSERT(strlen(value) >= 1 && strlen(value) <= 255);
    char key[IDEMPOTENCY_KEY_SIZE];
    idempotency_key_of_client("sms-mms:0", "/api/messages/sms", "+15550000000", value, key);
    FUZZ_ASSERT(strlen(key) == strlen("idem:{sms-mms:0}:") + 32);
}

static void look_at_wait(const char *value) {
    int64_t wait_ms = outcome_retry_after_ms(value, 1730469600000);
    FUZZ_ASSERT(wait_ms >= -1 && wait_ms <= LONGEST_MS);
}

static void look_at_types(const char *value) {
    (void)media_type_is_json(value);
    int quality = media_type_quality(value, "application", "json");
    FUZZ_ASSERT(quality >= 0 && quality <= 1000);
}

// None of the URLs that Twilio may have signed is a longer one than all escapes make it.
static void look_at_signed_url(const char *value) {
    char *forms[SIGNED_URL_FORMS];
    signed_url_forms(value, forms);
    FUZZ_ASSERT(forms[0] != NULL);
    for (size_t i = 0; i < SIGNED_URL_FORMS; i++) {
        FUZZ_ASSERT(forms[i] == NULL || strlen(forms[i]) <= 3 * strlen(value) + sizeof ":443/=");
    }
    signed_url_free(forms);
}

static void look_at_addresses(const char *value) {
    char client[CLIENT_ADDRESS_SIZE], key[CLIENT_LIMIT_KEY_SIZE];
    struct client_address_rules *rules = client_address_rules_parse(value);
    client_address_rules_free(rules);
    rules = client_address_rules_parse("127.0.0.0/8,::1");
    client_address_find(rules, "127.0.0.1", value, NULL, client);
    FUZZ_ASSERT(strlen(client) > 0);
    client_address_limit_key(client, key);
    client_address_find(rules, "127.0.0.1", NULL, value, client);
    FUZZ_ASSERT(strlen(client) > 0);
    client_address_rules_free(rules);
}

// What an origin may look like that is taken for https://app.example.com, and a host that is known without a list.
static void look_at_origin(char *value) {
    static char listed[] = "https://app.example.com", none[] = "";
    const struct settings ours = {.cors_allowed_origins = listed, .allowed_hosts = none, .webhook_public_url = none};
    const struct settings theirs = {.cors_allowed_origins = value, .allowed_hosts = value, .webhook_public_url = value};
    const char *setting, *reason;
    struct http_host host;
    struct origin_rules *rules = origin_rules_create(&ours, &setting, &reason);
    FUZZ_ASSERT(!origin_rules_lists(rules, value) || strncasecmp(value, listed, sizeof listed - 1) == 0);
    if (http_host_parse(value, strlen(value), &host)) {
        (void)origin_is_of(value, &host, false);
        FUZZ_ASSERT(!origin_rules_know(rules, &host) || host.is_address || strchr(host.name, '.') == NULL ||
                    strcmp(host.name, "localhost.") == 0);
    }
    origin_rules_free(rules);
    rules = origin_rules_create(&theirs, &setting, &reason);
    if (rules != NULL) {
        origin_rules_free(rules);
    }
}

static void look_at_cursor(const char *value) {
    for (int kind = CURSOR_CONVERSATION; kind <= CURSOR_DEAD_LETTER; kind++) {
        struct cursor cursor, again;
        struct paging paging;
        struct paging_error error;
        char text[CURSOR_SIZE];
        if (cursor_parse((enum cursor_kind)kind, value, &cursor) == 0) {
            cursor_format((enum cursor_kind)kind, &cursor, text);
            FUZZ_ASSERT(cursor_parse((enum cursor_kind)kind, text, &again) == 0);
            FUZZ_ASSERT(again.page == cursor.page && again.time_us == cursor.time_us);
        }
        if (paging_parse(value, value, NULL, (enum cursor_kind)kind, &paging, &error) == 0) {
            FUZZ_ASSERT(paging.page >= 1 && paging.page_size >= 1 && paging.page_size <= 50);
            FUZZ_ASSERT(paging_offset(&paging) >= 0);
        }
    }
}

static void look_at_time(const char *value) {
    int64_t unix_ms, again;
    if (rfc3339_parse(value, &unix_ms) == 0) {
        char text[RFC3339_SIZE];
        rfc3339_format(unix_ms, text);
        FUZZ_ASSERT(rfc3339_parse(text, &again) == 0 && again == unix_ms);
    }
    struct dead_letter_filter filter;
    dead_letter_filter_init(&filter);
    for (const char *const *name = dead_letter_filter_names; *name != NULL; name++) {
        (void)!dead_letter_filter_set(&filter, *name, value);
    }
}

static void look_at_url(const char *value) {
    struct redis_url url;
    if (redis_url_parse(value, &url) == NULL) {
        FUZZ_ASSERT(url.count > 0 && (url.count == 1 || url.master != NULL));
        for (size_t i = 0; i < url.count; i++) {
            FUZZ_ASSERT(url.hosts[i].host != NULL && url.hosts[i].port > 0);
        }
        redis_url_free(&url);
    }
}

void fuzz_headers(const uint8_t *data, size_t size) {
    char *value = malloc(size + 1);
    memcpy(value, data, size);
    value[size] = '\0';
    look_at_key(value);
    look_at_wait(value);
    look_at_types(value);
    look_at_addresses(value);
    look_at_origin(value);
    look_at_cursor(value);
    look_at_time(value);
    look_at_url(value);
    look_at_signed_url(value);
    free(value);
}
