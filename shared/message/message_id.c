// SPDX-License-Identifier: MIT
#include "shared/message/message_id.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/buf.h"
#include "shared/base/crypto.h"

// Whether the identity was made without a region, or as one without would have been: one number with '+' is complete.
static bool is_regionless(const struct message *message, const char *shown) {
    bool without = message->region != NULL && *message->region == '\0';
    bool is_complete = *shown == '+' && shown[strspn(shown, "+0123456789 ()-.")] == '\0';
    return without || is_complete || message_channel(message->type) == CHANNEL_EMAIL;
}

static char *identity_without_region(const struct message *message, const char *shown, const char *normalized) {
    struct address_list list;
    if (is_regionless(message, shown) || address_keep(message_channel(message->type), shown, NULL, &list) != NULL) {
        return xstrdup(normalized);
    }
    char *identity = list.addresses->normalized;
    list.addresses->normalized = NULL;
    address_list_free(&list);
    return identity;
}

// What is made of these alone is one address.
static bool is_one(const struct message *message) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-_.@";
    return message->direction == MESSAGE_OUTBOUND || message->by_envelope ||
           message->to[strspn(message->to, plain)] == '\0';
}

// Which of a message's recipients counts: identities are as the message's region has made them.
static size_t find_recipient(const struct message *message, size_t count) {
    const struct phone_region *region = phone_region_find(message->region != NULL ? message->region : "");
    struct address_list list;
    size_t found = 0;
    if (address_keep(message_channel(message->type), message->to, region, &list) != NULL) {
        return 0;
    }
    for (size_t i = 0; list.count == count && i < count && found == 0; i++) {
        found = strcmp(list.addresses[i].normalized, message->recipient) == 0 ? i : 0;
    }
    address_list_free(&list);
    return found;
}

static void take_recipients(const struct message *message, struct message_pair *out) {
    struct address_list list;
    if (message->by_envelope) {
        out->to = xstrdup(message->recipient);
        out->recipient = xstrdup(message->recipient);
        return;
    }
    if (is_one(message) || address_keep(message_channel(message->type), message->to, NULL, &list) != NULL) {
        out->to = identity_without_region(message, message->to, message->recipient);
        out->recipient = xstrdup(out->to);
        return;
    }
    size_t which = list.count > 1 ? find_recipient(message, list.count) : 0;
    out->to = xstrdup(list.addresses[0].normalized);
    out->recipient = xstrdup(list.addresses[which].normalized);
    address_list_free(&list);
}

void message_pair_of(const struct message *message, struct message_pair *out) {
    out->from = identity_without_region(message, message->from, message->sender);
    take_recipients(message, out);
}

void message_pair_free(struct message_pair *pair) {
    free(pair->from);
    free(pair->to);
    free(pair->recipient);
    *pair = (struct message_pair){0};
}

bool message_has_several_recipients(const struct message *message) {
    struct address_list list;
    if (is_one(message) || address_keep(message_channel(message->type), message->to, NULL, &list) != NULL) {
        return false;
    }
    bool several = list.count > 1;
    address_list_free(&list);
    return several;
}

static uint8_t shard_byte(const struct message *message, const struct message_pair *pair) {
    uint8_t digest[SHA256_SIZE];
    char *key = conversation_key(message_channel(message->type), pair->from, pair->recipient);
    crypto_sha256(key, strlen(key), digest);
    free(key);
    return digest[0];
}

// Four texts joined by NULs, none of which holds one.
static struct uuid webhook_id(const struct message *message, const struct message_pair *pair) {
    const char *const texts[] = {provider_name(message_provider(message->type)), message->provider_message_id,
                                 pair->from};
    struct buf joined = {0};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        buf_append(&joined, texts[i], strlen(texts[i]) + 1);
    }
    buf_puts(&joined, pair->to);
    struct uuid id = uuid_v8_of(joined.data, joined.length);
    buf_free(&joined);
    return id;
}

struct uuid message_id_make(const struct message *message, const struct message_pair *pair) {
    struct uuid id = message->direction == MESSAGE_OUTBOUND ? uuid_v7() : webhook_id(message, pair);
    id.bytes[MESSAGE_ID_SHARD_BYTE] = shard_byte(message, pair);
    return id;
}

struct uuid message_id_former(const struct message *message) {
    return uuid_v8(provider_name(message_provider(message->type)), message->provider_message_id);
}
