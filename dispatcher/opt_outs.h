// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_OPT_OUTS_H
#define DISPATCHER_OPT_OUTS_H

#include <stdbool.h>

#include "dispatcher/env.h"
#include "shared/base/buf.h"
#include "shared/message/message.h"
#include "shared/redis/keys.h"

// Whether anybody has opted out of what a partition sends, and whether all who have are known (redis/messaging.lua,
// optouts). A look, one HGET, goes out before each read and claim, so that its answer comes first: where nobody has
// opted out, that is all that a message costs. Else each is asked for (admit).
//
// What is called was looked at, or admitted, no longer than OPT_OUTS_FRESH_MS before: who opted out earlier isn't
// called.

enum { OPT_OUTS_FRESH_MS = 500 };

struct opt_outs;

struct opt_outs *opt_outs_create(const struct dispatch_env *env, const struct partition_keys *keys);
// The link must be gone.
void opt_outs_destroy(struct opt_outs *opt_outs);

// Looks. done may be NULL. Returns 0, or -1 where the link isn't up; with OPT_OUT off nothing is asked, and done isn't
// called.
int opt_outs_look(struct opt_outs *opt_outs, redis_link_reply done, void *argument) MUST_CHECK;
// The connection is gone, and with it what was known; or Redis says that it isn't true any more.
void opt_outs_forget(struct opt_outs *opt_outs);

// The last look over this connection found all that have opted out; always with OPT_OUT off.
bool opt_outs_are_known(const struct opt_outs *opt_outs);
// So did one that is no older than OPT_OUTS_FRESH_MS.
bool opt_outs_are_fresh(const struct opt_outs *opt_outs);
// By the last look somebody has.
bool opt_outs_has_any(const struct opt_outs *opt_outs);
// Its provider says that a message's recipient has opted out: this partition knows, and by the event that records it
// the persister tells the others. With OPT_OUT off nothing is done.
void opt_outs_add(struct opt_outs *opt_outs, const struct message *message);
// By which Redis and PHONE_REGION they must be known, as admit takes it; "" with OPT_OUT off. Owned by the caller.
char *opt_outs_known_by(const struct opt_outs *opt_outs) MUST_CHECK;
// Appends a message's pair, as our PHONE_REGION identifies it: ingest may have accepted it by another, and its
// recipient have opted out since.
void opt_outs_pair(const struct opt_outs *opt_outs, const struct message *message, struct buf *out);

#endif
