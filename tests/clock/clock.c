// SPDX-License-Identifier: MIT
// clock.so: a program into which it is preloaded has another time of day than the machine: later by as many ms as the
// mapped file CLOCK_SHIFT says, an int64_t. What only counts on (CLOCK_MONOTONIC) stays as it is.

#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static _Atomic int64_t *shift_ms; // NULL: none

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("CLOCK_SHIFT");
    int fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd >= 0) {
        void *mapped = mmap(NULL, sizeof *shift_ms, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        shift_ms = mapped != MAP_FAILED ? mapped : NULL;
        close(fd);
    }
}

// The machine's time, not shifted; -1 with errno set as clock_gettime has it.
static int ask(clockid_t clock, struct timespec *time) {
    static int (*real)(clockid_t, struct timespec *);
    if (real == NULL) {
        *(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
    }
    return real(clock, time);
}

static void shift(struct timespec *time) {
    int64_t by_ms = shift_ms != NULL ? atomic_load(shift_ms) : 0;
    int64_t ns = time->tv_nsec + by_ms % 1000 * 1000000;
    time->tv_sec += by_ms / 1000 + (ns >= 1000000000) - (ns < 0);
    time->tv_nsec = ns - ((ns >= 1000000000) - (ns < 0)) * 1000000000LL;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    int result = ask(clock, time);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        shift(time);
    }
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec time;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &time) != 0) {
        return -1;
    }
    now->tv_sec = time.tv_sec;
    now->tv_usec = time.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *out) {
    struct timespec now = {0};
    clock_gettime(CLOCK_REALTIME, &now);
    if (out != NULL) {
        *out = now.tv_sec;
    }
    return now.tv_sec;
}
