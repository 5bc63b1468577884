// SPDX-License-Identifier: MIT
#include "ingest/settings_check.h"

#include <stdlib.h>

#include "ingest/access/origin_rules.h"
#include "ingest/request/client_address.h"
#include "shared/postgres/url.h"
#include "shared/provider/event_key.h"
#include "shared/provider/public_url.h"

static char *settings_check_wrong(const char *setting, const char *reason) {
    return reason != NULL ? xasprintf("%s: %s", setting, reason) : NULL;
}

static char *settings_check_database(const struct settings *settings) {
    char *reason = pg_url_check(settings->database_url), *error = settings_check_wrong("DATABASE_URL", reason);
    free(reason);
    if (error == NULL && settings->database_read_url[0] != '\0') {
        reason = pg_url_check(settings->database_read_url);
        error = settings_check_wrong("DATABASE_READ_URL", reason);
        free(reason);
    }
    return error;
}

static char *settings_check_proxies(const struct settings *settings) {
    struct client_address_rules *rules = client_address_rules_parse(settings->trusted_proxies);
    if (rules == NULL) {
        return xstrdup("TRUSTED_PROXIES: must be addresses and CIDR blocks joined by commas");
    }
    client_address_rules_free(rules);
    return NULL;
}

static char *settings_check_numbers(const struct settings *settings) {
    if (settings->drain_notice_ms >= settings->drain_timeout_secs * 1000) {
        return xstrdup("DRAIN_NOTICE_MS: must be shorter than DRAIN_TIMEOUT_SECS");
    }
    if (settings->max_client_bytes < 8 * settings->max_body_bytes) { // one address's quarter, twice
        return xstrdup("MAX_CLIENT_BYTES: must be at least 8 times API_MAX_BODY_BYTES");
    }
    return NULL;
}

static char *settings_check_public_url(const struct settings *settings) {
    return settings_check_wrong("WEBHOOK_PUBLIC_URL", public_url_check(settings->webhook_public_url));
}

static char *settings_check_event_key(const struct settings *settings) {
    return settings_check_wrong("WEBHOOK_EMAIL_PUBLIC_KEY", event_key_refusal(settings->webhook_email_public_key));
}

static char *settings_check_origins(const struct settings *settings) {
    const char *setting, *reason;
    struct origin_rules *rules = origin_rules_create(settings, &setting, &reason);
    if (rules == NULL) {
        return settings_check_wrong(setting, reason);
    }
    origin_rules_free(rules);
    return NULL;
}

char *settings_check(const struct settings *settings) {
    static char *(*const checks[])(const struct settings *settings) = {
        settings_check_database,   settings_check_proxies,   settings_check_numbers,
        settings_check_public_url, settings_check_event_key, settings_check_origins,
    };
    char *error = NULL;
    for (size_t i = 0; error == NULL && i < sizeof checks / sizeof *checks; i++) {
        error = checks[i](settings);
    }
    return error;
}
