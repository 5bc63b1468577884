// SPDX-License-Identifier: MIT
#include "ingest/access/doors.h"

#include <stdbool.h>

#include "ingest/request/client_address.h"
#include "shared/base/log.h"
#include "shared/provider/provider.h"

static bool is_loopback(const char *address) {
    struct client_address_rules *loopback = client_address_rules_parse("127.0.0.0/8,::1");
    bool inside = client_address_is_in(loopback, address);
    client_address_rules_free(loopback);
    return inside;
}

static const char *const missing[PROVIDER_COUNT] = {"WEBHOOK_SMS_SECRET is not set",
                                                    "neither WEBHOOK_EMAIL_SECRET nor WEBHOOK_EMAIL_PUBLIC_KEY is set"};

void doors_tell(const struct settings *settings, size_t keys) {
    if (keys == 0) {
        bool near = is_loopback(settings->bind_address);
        log_event(
            near ? LOG_WARN : LOG_ERROR, "keys_off",
            "%s %s port %d may send, read and replay, and set the mock: neither API_KEYS nor API_KEYS_FILE is set",
            near ? "any process that reaches" : "ANY MACHINE that reaches", settings->bind_address,
            (int)settings->port);
        return;
    }
    log_info("keys_on", "%zu keys are good for /api", keys);
    for (unsigned i = 0; i < PROVIDER_COUNT; i++) {
        if (!provider_is_signed(settings, (enum provider)i)) {
            log_warn("webhooks_open", "webhooks of %s are believed without a signature: %s",
                     provider_name((enum provider)i), missing[i]);
        }
    }
}

static bool asks_for_keys(const struct settings *settings) {
    return settings->api_keys[0] != '\0' || settings->api_keys_file[0] != '\0';
}

char *doors_refusal(const struct settings *now, const struct settings *next) {
    if (asks_for_keys(now) && !asks_for_keys(next)) {
        return xstrdup("neither API_KEYS nor API_KEYS_FILE is set any more: without keys it can only be started");
    }
    for (unsigned i = 0; i < PROVIDER_COUNT; i++) {
        if (provider_is_signed(now, (enum provider)i) && !provider_is_signed(next, (enum provider)i)) {
            return xasprintf("%s any more: without a signature webhooks are believed from the next start on only",
                             missing[i]);
        }
    }
    return NULL;
}
