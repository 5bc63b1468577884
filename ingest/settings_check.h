// SPDX-License-Identifier: MIT
#ifndef INGEST_SETTINGS_CHECK_H
#define INGEST_SETTINGS_CHECK_H

#include "shared/base/mem.h"
#include "shared/settings/settings.h"

// What the table of settings can't see, at the start and when they are read again, but for the keys, whose file is read
// once: NULL, or one line that names the setting, owned by the caller.
char *settings_check(const struct settings *settings) MUST_CHECK;

#endif
