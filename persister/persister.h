// SPDX-License-Identifier: MIT
#ifndef PERSISTER_PERSISTER_H
#define PERSISTER_PERSISTER_H

#include <uv.h>

#include "shared/base/mem.h"
#include "shared/loop/reload.h"
#include "shared/redis/target.h"
#include "shared/settings/settings.h"

// The persister: what has happened (Redis, the `events` streams) becomes rows (Postgres).
//   streams ── consumers ──▶ queue ── writer ──▶ Postgres
//                  ▲                    │
//                  └──── committed ◀────┘
// Beside it, the janitor deletes old dead letters, and the replayer replays many of them where that is asked for.

struct persister;

// What SIGHUP takes (shared/loop/reload.h); argument is the persister.
extern const struct reload_plan persister_reload;

// What the table of settings can't see: NULL, or the one-line error (owned by the caller).
char *persister_check(const struct settings *settings) MUST_CHECK;
// Starts connecting and working; never fails. settings and target outlive it. on_finished is called once, after
// persister_drain or persister_hurry, when everything has been let go of; the loop then ends by itself.
struct persister *persister_create(uv_loop_t *loop, const struct settings *settings, struct redis_target *target,
                                   void (*on_finished)(void *), void *argument);
// Reads no more, records what was read, acknowledges it, then finishes. argument is the persister (process.h).
void persister_drain(void *argument);
// Finishes now: what was read and isn't recorded stays pending in its stream, for the persister that claims it.
void persister_hurry(void *argument);
// After the loop has ended.
void persister_free(struct persister *persister);

#endif
