// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_FCALL_H
#define DISPATCHER_FCALL_H

#include <stddef.h>
#include <stdint.h>

#include "shared/base/mem.h"
#include "shared/redis/library.h"
#include "shared/redis/link.h"

// One call of a function of redis/messaging.lua: keys and arguments are added in order, then it is sent. A call that
// met a Redis without the library (nothing was written) repeats itself, for the link loads the library again.

struct fcall;

// keys: how many of the arguments that are added first are keys.
struct fcall *fcall_new(enum library_function function, unsigned keys);
void fcall_text(struct fcall *fcall, const char *text);
void fcall_bytes(struct fcall *fcall, const char *bytes, size_t length);
void fcall_int(struct fcall *fcall, int64_t number);
// Takes ownership of fcall. Returns 0, and done is called exactly once; or -1 when the link isn't up: nothing was sent
// and done won't be called.
int fcall_send(struct fcall *fcall, struct redis_link *link, redis_link_reply done, void *argument) MUST_CHECK;

#endif
