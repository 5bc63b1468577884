// SPDX-License-Identifier: MIT
#include "ingest/dead_letters/filter.h"

#include <string.h>

#include "shared/message/message.h"

const char *const dead_letter_filter_names[] = {"provider", "reason", "since", NULL};

// The outcomes that end a message (dispatch), what is quarantined (persist), and webhooks that are no messages
// (webhook).
static const char *const classes[] = {
    "rejected",    "refused",      "server_error", "timeout", "interrupted", "connection_failed",
    "credentials", "rate_limited", "opted_out",    "expired", "lost",        "poison",
    "unread",
};

void dead_letter_filter_init(struct dead_letter_filter *filter) {
    *filter = (struct dead_letter_filter){.since = "-infinity"};
}

static const char *set_provider(struct dead_letter_filter *filter, const char *value) {
    enum provider provider;
    if (provider_parse(value, &provider) != 0) {
        return "must be sms-mms or email";
    }
    filter->provider = provider_name(provider);
    return NULL;
}

static const char *set_class(struct dead_letter_filter *filter, const char *value) {
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        if (strcmp(value, classes[i]) == 0) {
            filter->class = classes[i];
            return NULL;
        }
    }
    return "must be rejected, refused, server_error, timeout, interrupted, connection_failed, credentials, "
           "rate_limited, opted_out, expired, lost, poison or unread";
}

static const char *set_since(struct dead_letter_filter *filter, const char *value) {
    int64_t since_ms;
    if (rfc3339_parse(value, &since_ms) != 0) {
        return "must be an RFC 3339 date and time with its offset";
    }
    rfc3339_format(since_ms, filter->since);
    return NULL;
}

const char *dead_letter_filter_set(struct dead_letter_filter *filter, const char *name, const char *value) {
    static const char *(*const setters[])(struct dead_letter_filter *, const char *) = {set_provider, set_class,
                                                                                        set_since};
    for (size_t i = 0; dead_letter_filter_names[i] != NULL; i++) {
        if (strcmp(name, dead_letter_filter_names[i]) == 0) {
            return setters[i](filter, value);
        }
    }
    return "is no filter";
}
