// SPDX-License-Identifier: MIT
#ifndef PERSISTER_ERASER_H
#define PERSISTER_ERASER_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "persister/token_canceller.h"
#include "shared/postgres/link.h"
#include "shared/redis/counters.h"
#include "shared/redis/link.h"

// Deletes conversations that are to be erased, page by page: each page's tokens are ended first, so that none is left
// should this process die. What is to be done, and how far it has come, is in Postgres (erased_conversations,
// sql/erase.sql): any persister goes on with it, and two at once do each other no harm.

struct eraser;

struct eraser_options {
    struct pg_link *database; // with sql/erase.sql in its set-up
    struct redis_link *redis; // for the hint that one is erased
    struct token_canceller *canceller;
    struct counters *counters;
    int64_t feed_max_length;
    unsigned slot;                   // of `totals`
    void (*on_idle)(void *argument); // a page was under way, and none is
    void *argument;
};

// All of options outlive the eraser, but for the links.
struct eraser *eraser_create(uv_loop_t *loop, const struct eraser_options *options);
// There is something to erase: it looks at once.
void eraser_kick(struct eraser *eraser);
// No further page.
void eraser_stop(struct eraser *eraser);
bool eraser_is_idle(const struct eraser *eraser);
// The links and the canceller must have been destroyed before. Frees itself once its timer has closed.
void eraser_destroy(struct eraser *eraser);

#endif
