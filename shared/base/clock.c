// SPDX-License-Identifier: MIT
#include "shared/base/clock.h"

#include <time.h>

static int64_t read_us(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now); // can't fail for the clocks below
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_unix_ms(void) {
    return read_us(CLOCK_REALTIME) / 1000;
}

int64_t clock_boot_ms(void) {
    return read_us(CLOCK_BOOTTIME) / 1000;
}

int64_t clock_monotonic_us(void) {
    return read_us(CLOCK_MONOTONIC);
}
