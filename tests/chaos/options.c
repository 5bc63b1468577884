// SPDX-License-Identifier: MIT
#include "tests/chaos/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"

// A provider that is paused for two seconds at each hundredth call takes no more.
enum { USUAL_RATE = 320, HOSTILE_RATE = 60 };

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

// Whether the only value that there is beside none has been chosen.
static bool is_chosen(const char *name, const char *value) {
    const char *text = getenv(name);
    if (text == NULL || *text == '\0') {
        return false;
    }
    if (strcmp(text, value) != 0) {
        fprintf(stderr, "chaos: %s is '%s', but must be '%s' or unset\n", name, text, value);
        exit(2);
    }
    return true;
}

struct options options_read(void) {
    bool hostile = is_chosen("CHAOS_PROVIDER", "hostile");
    return (struct options){
        .seconds = (int)number("CHAOS_SECONDS", 60, 5, 86400),
        .rate = (int)number("CHAOS_RATE", hostile ? HOSTILE_RATE : USUAL_RATE, 1, 100000),
        .seed = (uint64_t)number("CHAOS_SEED", clock_unix_ms() % 1000000, 0, INT64_MAX),
        .copies = (int)number("CHAOS_COPIES", 1, 1, 2),
        .sentinel = is_chosen("CHAOS_REDIS", "sentinel"),
        .pooler = is_chosen("CHAOS_POOLER", "session"),
        .hostile = hostile,
        .plant = (int)number("CHAOS_PLANT", 0, 0, 1),
    };
}
