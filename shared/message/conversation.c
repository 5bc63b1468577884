// SPDX-License-Identifier: MIT
#include "shared/message/conversation.h"

#include <string.h>

#include "shared/base/crypto.h"
#include "shared/base/hex.h"
#include "shared/base/mem.h"
#include "shared/message/address.h"

enum { NAME_BYTES = 8, ROOM = 1024 };

static size_t put(char *out, size_t used, const char *text, size_t size) {
    size_t fits = size < ROOM - used ? size : ROOM - used; // identities are much shorter
    memcpy(out + used, text, fits);
    return used + fits;
}

void conversation_name(const struct message *message, char out[CONVERSATION_SIZE]) {
    const char *channel = channel_name(message_channel(message->type));
    char whole[ROOM];
    uint8_t digest[SHA256_SIZE];
    size_t used = put(whole, 0, channel, strlen(channel) + 1);
    used = put(whole, used, message->sender, strlen(message->sender) + 1);
    used = put(whole, used, message->recipient, strlen(message->recipient));
    crypto_sha256(whole, used, digest);
    hex_encode(digest, NAME_BYTES, out);
}
