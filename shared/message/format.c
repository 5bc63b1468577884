// SPDX-License-Identifier: MIT
#include "shared/message/format.h"

#include <stdatomic.h>

#include "shared/base/clock.h"

static atomic_int agreed = STREAM_FORMAT_OLDEST;
static _Atomic int64_t looked_ms;

void format_looked(int lowest, int64_t now_ms) {
    static int found;        // by each look since then
    static int64_t since_ms; // clock_boot_ms
    if (now_ms - atomic_load(&looked_ms) > FORMAT_SETTLE_MS) {
        atomic_store(&agreed, STREAM_FORMAT_OLDEST);
        found = 0;
    }
    atomic_store(&looked_ms, now_ms);
    if (lowest != found) {
        found = lowest;
        since_ms = now_ms;
    }
    if (lowest < atomic_load(&agreed) || now_ms - since_ms >= FORMAT_SETTLE_MS) {
        atomic_store(&agreed, lowest);
    }
}

int format_agreed(int64_t now_ms) {
    int format = atomic_load(&agreed);
    if (format == STREAM_FORMAT_OLDEST || now_ms - atomic_load(&looked_ms) > FORMAT_SETTLE_MS) {
        return STREAM_FORMAT_OLDEST;
    }
    return format;
}

int format_to_write(void) {
    int format = format_agreed(clock_boot_ms());
    return format < STREAM_FORMAT ? format : STREAM_FORMAT;
}
