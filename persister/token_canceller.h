// SPDX-License-Identifier: MIT
#ifndef PERSISTER_TOKEN_CANCELLER_H
#define PERSISTER_TOKEN_CANCELLER_H

#include <stdbool.h>
#include <uv.h>

#include "shared/redis/link.h"

// Ends tokens of messages that are erased, wherever they wait (redis/messaging.lua, cancel). Each is asked for in every
// partition of its provider, for which one it is in depends on STREAM_PARTITIONS. What is in `outbound` is left to its
// dispatcher, which ends it before its call (admit).

struct token_canceller;

// link must outlive it. on_idle: nothing is under way any more.
struct token_canceller *token_canceller_create(uv_loop_t *loop, struct redis_link *link,
                                               void (*on_idle)(void *argument), void *argument);
// tokens: a line each, "<provider> <message id>"; not kept. done is called once: with `ended` each of them has ended or
// waits nowhere; without, the canceller is being destroyed. What is lost goes out once more, for as long as it takes.
void token_canceller_take(struct token_canceller *canceller, const char *tokens,
                          void (*done)(void *argument, bool ended), void *argument);
// The link is up: what could not be asked for is asked for once more.
void token_canceller_on_up(struct token_canceller *canceller);
bool token_canceller_is_idle(const struct token_canceller *canceller);
// The link must have been destroyed before. Frees itself once its timer has closed.
void token_canceller_destroy(struct token_canceller *canceller);

#endif
