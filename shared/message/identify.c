// SPDX-License-Identifier: MIT
#include "shared/message/identify.h"

#include <stdlib.h>
#include <string.h>

bool message_is_identified(const struct message *message, const struct phone_region *region) {
    return message->region != NULL && strcmp(message->region, phone_region_code(region)) == 0;
}

// The identity of the one address that a text holds, owned by the caller; NULL where there are several or none.
static char *identity_of(enum channel channel, const char *text, const struct phone_region *region) {
    struct address_list list;
    if (address_keep(channel, text, region, &list) != NULL) {
        return NULL;
    }
    char *identity = list.count == 1 ? xstrdup(list.addresses->normalized) : NULL;
    address_list_free(&list);
    return identity;
}

static void identify_side(enum channel channel, const char *shown, const struct phone_region *region, char **identity) {
    char *made = identity_of(channel, shown, region);
    if (made == NULL) {
        made = identity_of(channel, *identity, region);
    }
    if (made != NULL) {
        free(*identity);
        *identity = made;
    }
}

char *identity_complete(enum channel channel, const char *identity, const struct phone_region *region) {
    char completed[PHONE_IDENTITY_SIZE], reason[PHONE_REASON_SIZE];
    size_t length = strlen(identity);
    bool is_digits = length > 0 && strspn(identity, "0123456789") == length;
    if (channel != CHANNEL_SMS || !is_digits || phone_parse(identity, length, region, completed, reason) != NULL) {
        return xstrdup(identity);
    }
    return xstrdup(completed);
}

void message_identify(struct message *message, const struct phone_region *region) {
    enum channel channel = message_channel(message->type);
    if (channel == CHANNEL_SMS || message->region == NULL) {
        identify_side(channel, message->from, region, &message->sender);
        identify_side(channel, message->to, region, &message->recipient);
    }
    free(message->region);
    message->region = xstrdup(phone_region_code(region));
}
