// SPDX-License-Identifier: MIT
#ifndef TESTS_PROTOCOL_REPLAY_H
#define TESTS_PROTOCOL_REPLAY_H

#include "tests/protocol/world.h"

// The library's replay of a message under a generation; NULL when the reply was lost. Free with freeReplyObject.
redisReply *replay(struct world *world, struct link *link, int message, int generation);

#endif
