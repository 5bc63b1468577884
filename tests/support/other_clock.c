// SPDX-License-Identifier: MIT
#include "tests/support/other_clock.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "shared/base/mem.h"
#include "tests/support/stack.h"

struct other_clock {
    int file;
    char *environment[4];
};

void other_clock_set(struct other_clock *clock, int64_t shift_ms) {
    ck_assert_int_eq(pwrite(clock->file, &shift_ms, sizeof shift_ms, 0), sizeof shift_ms);
}

struct other_clock *other_clock_create(struct stack *stack, const char *name) {
    struct other_clock *clock = xcalloc(1, sizeof *clock);
    char *path = xasprintf("%s/%s", stack_folder(stack), name);
    clock->file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    other_clock_set(clock, 0);
    clock->environment[0] = xasprintf("LD_PRELOAD=%s/tests/clock.so", getenv("BUILD_DIR"));
    clock->environment[1] = xasprintf("CLOCK_SHIFT=%s", path);
    const char *options = getenv("ASAN_OPTIONS"); // a sanitizer wants to be the first of what is loaded, and needn't
    clock->environment[2] = xasprintf("ASAN_OPTIONS=%s%sverify_asan_link_order=0", options != NULL ? options : "",
                                      options != NULL ? ":" : "");
    free(path);
    return clock;
}

const char *const *other_clock_environment(const struct other_clock *clock) {
    return (const char *const *)clock->environment;
}

void other_clock_of_redis(struct other_clock *clock, struct stack *stack) {
    stack_redis_environment(stack, other_clock_environment(clock));
    stack_kill(stack, "redis");
    stack_start(stack, "redis");
}

void other_clock_destroy(struct other_clock *clock) {
    close(clock->file);
    free(clock->environment[0]);
    free(clock->environment[1]);
    free(clock->environment[2]);
    free(clock);
}
