// SPDX-License-Identifier: MIT
#ifndef SHARED_BASE_CLOCK_H
#define SHARED_BASE_CLOCK_H

#include <stdint.h>

// Wall time in milliseconds since 1970: for what is shown and stored.
int64_t clock_unix_ms(void);
// Time that runs on while the machine sleeps (CLOCK_BOOTTIME), in milliseconds: for leases.
int64_t clock_boot_ms(void);
// Time that never jumps, in microseconds: for durations.
int64_t clock_monotonic_us(void);

#endif
