// SPDX-License-Identifier: MIT
#include "tests/support/deadline.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "shared/base/clock.h"

#define PAUSE_MS 10
#define LATE_MS 5 // a pause is longer than it was to be by less than this, unless the machine is busy
#define VALGRIND_SCALE 10
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define BUILD_SCALE 3
#else
#define BUILD_SCALE 1
#endif

int deadline_scaled(int ms) {
    const char *valgrind = getenv("VALGRIND");
    if (valgrind != NULL && valgrind[0] == '1') {
        return ms * VALGRIND_SCALE;
    }
    return ms * BUILD_SCALE;
}

static atomic_llong lost_us; // by pauses that took longer than they were to

int64_t deadline_now(void) {
    return (clock_monotonic_us() - atomic_load(&lost_us)) / 1000;
}

int64_t deadline_in(int ms) {
    return deadline_now() + deadline_scaled(ms);
}

bool deadline_has_passed(int64_t deadline, int64_t paused_us, int pause_ms) {
    int64_t late_us = paused_us - (int64_t)pause_ms * 1000;
    if (late_us > LATE_MS * 1000) {
        atomic_fetch_add(&lost_us, late_us);
    }
    return deadline_now() >= deadline;
}

bool deadline_pause(int64_t deadline) {
    if (deadline_now() >= deadline) {
        return false;
    }
    int64_t begin_us = clock_monotonic_us();
    poll(NULL, 0, PAUSE_MS);
    (void)deadline_has_passed(deadline, clock_monotonic_us() - begin_us, PAUSE_MS);
    return true;
}
