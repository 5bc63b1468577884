// SPDX-License-Identifier: MIT
#ifndef TESTS_PROTOCOL_REPLAY_H
#define TESTS_PROTOCOL_REPLAY_H

#include "tests/protocol/world.h"

// The library's replay of a message under a generation; NULL when the reply was lost. Free with freeReplyObject.
// asks_pair: not where its recipient has opted out; else it fails before its call.
redisReply *replay(struct world *world, struct link *link, int message, int generation, bool asks_pair);

#endif
