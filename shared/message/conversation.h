// SPDX-License-Identifier: MIT
#ifndef SHARED_MESSAGE_CONVERSATION_H
#define SHARED_MESSAGE_CONVERSATION_H

#include "shared/message/message.h"

// What Redis knows a conversation by, from one of our addresses to one of theirs: 16 hexadecimal digits, the first 8
// bytes of the SHA-256 of channel, our identity and theirs, each but the last with a NUL behind it. Sends that share
// one are called one after the other (redis/messaging.lua, "Turns"), so two that met by chance would cost order
// nothing.

#define CONVERSATION_SIZE sizeof "0123456789abcdef"

// message: a send, with its identities (sender, recipient).
void conversation_name(const struct message *message, char out[CONVERSATION_SIZE]);

#endif
