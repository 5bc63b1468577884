// SPDX-License-Identifier: MIT
#include "tests/chaos/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "shared/clock.h"

static int64_t number(const char *name, int64_t fallback, int64_t least, int64_t most) {
    const char *text = getenv(name);
    if (text == NULL || *text == '\0') {
        return fallback;
    }
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || *end != '\0' || value < least || value > most) {
        fprintf(stderr, "chaos: %s is '%s', but must be a number from %lld to %lld\n", name, text, (long long)least,
                (long long)most);
        exit(2);
    }
    return value;
}

struct options options_read(void) {
    return (struct options){
        .seconds = (int)number("CHAOS_SECONDS", 60, 5, 86400),
        .rate = (int)number("CHAOS_RATE", 320, 1, 100000),
        .seed = (uint64_t)number("CHAOS_SEED", clock_unix_ms() % 1000000, 0, INT64_MAX),
        .copies = (int)number("CHAOS_COPIES", 1, 1, 2),
        .plant = (int)number("CHAOS_PLANT", 0, 0, 1),
    };
}
