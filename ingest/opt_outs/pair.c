// SPDX-License-Identifier: MIT
#include "ingest/opt_outs/pair.h"

#include <string.h>

#include "shared/base/unicode.h"

int pair_channel(const char *text, enum channel *out) {
    for (int channel = CHANNEL_SMS; channel <= CHANNEL_EMAIL; channel++) {
        if (strcmp(text, channel_name((enum channel)channel)) == 0) {
            *out = (enum channel)channel;
            return 0;
        }
    }
    return -1;
}

static char *identity_of_send(enum channel channel, enum address_side side, const char *text,
                              const struct phone_region *region, struct pair_error *error) {
    struct address address;
    error->reason = address_parse(channel, side, text, region, &address, error->text);
    if (error->reason != NULL) {
        return NULL;
    }
    char *identity = xstrdup(address.normalized);
    address_free(&address);
    return identity;
}

char *pair_identity(enum channel channel, enum address_side side, const char *text, bool sends,
                    const struct phone_region *region, struct pair_error *error) {
    struct address_list list;
    error->field = side == ADDRESS_FROM ? "our_address" : "their_address";
    if (!unicode_is_utf8(text, strlen(text))) {
        error->reason = "must be UTF-8"; // Postgres would refuse it
        return NULL;
    }
    if (sends) {
        return identity_of_send(channel, side, text, region, error);
    }
    error->reason = address_keep(channel, text, region, &list);
    if (error->reason != NULL) {
        return NULL;
    }
    char *identity = xstrdup(list.addresses->normalized);
    address_list_free(&list);
    return identity;
}

char *pair_of_query(const char *value) {
    bool lost_plus = value[0] == ' ' && value[1] >= '0' && value[1] <= '9';
    return lost_plus ? xasprintf("+%s", value + 1) : xstrdup(value);
}
