// SPDX-License-Identifier: MIT
#ifndef PERSISTER_REKEY_PROGRAMS_H
#define PERSISTER_REKEY_PROGRAMS_H

#include "shared/base/mem.h"
#include "shared/redis/target.h"
#include "shared/settings/settings.h"

// Looks in Redis whether a program of an older release lives, which would go on storing, or handing on, by its own
// rules (shared/redis/heartbeat.h). Takes as long as Redis, or the time-out of its setting; where there seems to be
// one, HEARTBEAT_ALIVE_MS more at most, until it is known not to have died. Returns NULL: none does; else one line,
// owned by the caller: which, or why nobody knows.
char *rekey_find_older_programs(const struct settings *settings, struct redis_target *target) MUST_CHECK;

#endif
