// SPDX-License-Identifier: MIT
#ifndef SHARED_REDIS_RELOAD_H
#define SHARED_REDIS_RELOAD_H

#include "shared/base/mem.h"
#include "shared/loop/reload.h"
#include "shared/redis/target.h"

// Whether REDIS_URL and its files, read again, let one in, by a link of its own that comes up as any other, or doesn't
// within three times REDIS_TIMEOUT_MS: a name may have several addresses, and there may be Sentinels to be asked.
extern const struct reload_trial redis_reload_trial;

// Has the target take them where the change names one of them. NULL, or one line, owned by the caller: all is as it
// was.
char *redis_reload_take(struct redis_target *target, const struct settings_change *change) MUST_CHECK;

#endif
