// SPDX-License-Identifier: MIT
#ifndef PERSISTER_OPT_OUT_TELLER_H
#define PERSISTER_OPT_OUT_TELLER_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "persister/batch.h"
#include "shared/redis/link.h"

// What Postgres has of a pair once a batch is committed goes into every partition of its provider, before the entries
// leave their streams: so Redis has it whatever became of the one who put it there first, and a webhook that came again
// when Redis had forgotten the first is no new word.

struct opt_out_teller;

// link must outlive it. on_idle: nothing is under way any more.
struct opt_out_teller *opt_out_teller_create(uv_loop_t *loop, struct redis_link *link, void (*on_idle)(void *argument),
                                             void *argument);
// told: an array of JSON, as sql/batch.sql gives it. Acknowledges the entries when every partition has what it says.
// Keeps neither.
void opt_out_teller_tell(struct opt_out_teller *teller, const char *told, const struct batch_entry *entries,
                         size_t count);
// The link is up: what could not be told is told once more.
void opt_out_teller_on_up(struct opt_out_teller *teller);
bool opt_out_teller_is_idle(const struct opt_out_teller *teller);
// The link must have been destroyed before. Frees itself once its timer has closed.
void opt_out_teller_destroy(struct opt_out_teller *teller);

#endif
