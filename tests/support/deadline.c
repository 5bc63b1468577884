// SPDX-License-Identifier: MIT
#include "tests/support/deadline.h"

#include <poll.h>
#include <stdlib.h>

#include "shared/base/clock.h"

#define PAUSE_MS 10
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

int64_t deadline_in(int ms) {
    return clock_monotonic_us() / 1000 + deadline_scaled(ms);
}

bool deadline_pause(int64_t deadline) {
    if (clock_monotonic_us() / 1000 >= deadline) {
        return false;
    }
    poll(NULL, 0, PAUSE_MS);
    return true;
}
