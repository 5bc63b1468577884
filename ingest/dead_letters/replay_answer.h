// SPDX-License-Identifier: MIT
#ifndef INGEST_DEAD_LETTERS_REPLAY_ANSWER_H
#define INGEST_DEAD_LETTERS_REPLAY_ANSWER_H

#include <hiredis/hiredis.h>

#include "shared/redis/result.h"

struct ingest_request;

// Why a dead letter is not replayed a second time.
extern const char replay_already[];

// The callback of the call that replays one dead letter, with its request as the argument: 202 with the message's id
// (that of the reply, where it brings one, else request->message_id), or why not.
void replay_answer_on_replayed(void *argument, enum redis_result result, const redisReply *reply);

#endif
