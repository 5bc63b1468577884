// SPDX-License-Identifier: MIT
#include "shared/message/format.h"

#include <stdatomic.h>

#include "shared/base/clock.h"

static atomic_int agreed = STREAM_FORMAT_OLDEST;
static _Atomic int64_t looked_ms;
static atomic_int found; // by each look since the one that found another

void format_looked(int lowest, int written, int64_t now_ms) {
    static int64_t since_ms; // of that look, clock_boot_ms
    int64_t silent_ms = now_ms - atomic_load(&looked_ms);
    if (silent_ms > FORMAT_KEPT_MS) {
        atomic_store(&agreed, STREAM_FORMAT_OLDEST);
    }
    if (silent_ms > FORMAT_SETTLE_MS) {
        atomic_store(&found, 0);
    }
    atomic_store(&looked_ms, now_ms);
    if (lowest != atomic_load(&found)) {
        atomic_store(&found, lowest);
        since_ms = now_ms;
    }
    if (lowest < atomic_load(&agreed) || now_ms - since_ms >= FORMAT_SETTLE_MS) {
        atomic_store(&agreed, lowest);
    }
    if (written > atomic_load(&agreed) && written <= lowest) {
        atomic_store(&agreed, written);
    }
}

bool format_is_known(void) {
    return atomic_load(&looked_ms) != 0;
}

int format_agreed(int64_t now_ms) {
    int format = atomic_load(&agreed);
    if (format == STREAM_FORMAT_OLDEST || now_ms - atomic_load(&looked_ms) > FORMAT_KEPT_MS) {
        return STREAM_FORMAT_OLDEST;
    }
    return format;
}

bool format_is_coming(int format, int64_t now_ms) {
    int64_t looked = atomic_load(&looked_ms);
    return looked == 0 || (atomic_load(&found) >= format && now_ms - looked <= FORMAT_SETTLE_MS);
}

int format_to_write(void) {
    int format = format_agreed(clock_boot_ms());
    return format < STREAM_FORMAT ? format : STREAM_FORMAT;
}
