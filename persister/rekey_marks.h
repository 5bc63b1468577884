// SPDX-License-Identifier: MIT
#ifndef PERSISTER_REKEY_MARKS_H
#define PERSISTER_REKEY_MARKS_H

#include "shared/base/mem.h"
#include "shared/redis/target.h"
#include "shared/settings/settings.h"

// Makes every set of who has opted out (redis/messaging.lua, optouts) be filled once more: its mark names no region any
// more. A persister of another region may have told Redis of a pair by its former identity alone. Nothing is called of
// a partition until a persister has filled its set; what it knows stays in it, so that ingest goes on refusing.
//
// Takes as long as Redis. Returns NULL; else one line, owned by the caller, that says why it isn't done.
char *rekey_forget_marks(const struct settings *settings, struct redis_target *target) MUST_CHECK;

#endif
