// SPDX-License-Identifier: MIT
#ifndef SHARED_POSTGRES_RELOAD_H
#define SHARED_POSTGRES_RELOAD_H

#include "shared/loop/reload.h"

// Whether DATABASE_URL, read again, lets one in: by a connection of its own, for a moment, which logs nothing. It is
// tried up to three times, for a name may have several addresses, and within DATABASE_TIMEOUT_MS.
extern const struct reload_trial pg_reload_trial;
// The same of DATABASE_READ_URL, where it is set.
extern const struct reload_trial pg_reload_reads_trial;

#endif
