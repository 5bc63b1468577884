// SPDX-License-Identifier: MIT
#ifndef INGEST_ACCESS_DOORS_H
#define INGEST_ACCESS_DOORS_H

#include <stddef.h>

#include "shared/base/mem.h"
#include "shared/settings/settings.h"

// Whom nothing keeps out: without keys anybody may use /api, without a secret anybody may post a provider's webhooks.

// Says at the start which doors stand open: of a port that other machines reach, as an error. keys: how many there are.
void doors_tell(const struct settings *settings, size_t keys);
// What is read again while the program runs opens none: a file that was cut short, or a variable that was lost, must
// not do it. NULL, or one line, owned by the caller, about what `next` would open.
char *doors_refusal(const struct settings *now, const struct settings *next) MUST_CHECK;

#endif
