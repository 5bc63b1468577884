// SPDX-License-Identifier: MIT
//
// In place of shared/base/clock.c and backoff.c: while a run is played, time is the world's and chance is the seed's.
#include "shared/base/clock.h"

#include <time.h>

#include "shared/base/backoff.h"
#include "tests/protocol/process_private.h"

static struct world *followed;

static int64_t machine_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void clock_follow(struct world *world) {
    followed = world;
}

const struct world *clock_world(void) {
    return followed;
}

int64_t clock_boot_ms(void) {
    return followed != NULL ? followed->boot_ms : machine_us() / 1000;
}

int64_t clock_monotonic_us(void) {
    return followed != NULL ? followed->boot_ms * 1000 : machine_us();
}

int64_t clock_unix_ms(void) {
    return followed != NULL ? world_host_ms(followed) : (int64_t)time(NULL) * 1000;
}

int64_t backoff_full_jitter_ms(unsigned attempt, int64_t base_ms, int64_t cap_ms) {
    int64_t limit = base_ms;
    for (; attempt > 0 && limit < cap_ms; attempt--) {
        limit *= 2;
    }
    limit = limit < cap_ms ? limit : cap_ms;
    return followed == NULL || limit <= 1 ? 1 : random_within(&followed->random, 1, (int)limit);
}
