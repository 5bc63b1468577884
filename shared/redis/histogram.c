// SPDX-License-Identifier: MIT
#include "shared/redis/histogram.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const int64_t bounds[HISTOGRAM_BOUND_COUNT] = HISTOGRAM_BOUNDS;

static const struct {
    const char *name, *labels, *help;
} table[] = {
#define X(constant, name, labels, help) {#name, labels, help},
    HISTOGRAM_TABLE(X)
#undef X
};

const char *histogram_name(enum histogram histogram) {
    return table[histogram].name;
}

const char *histogram_labels(enum histogram histogram) {
    return table[histogram].labels;
}

const char *histogram_help(enum histogram histogram) {
    return table[histogram].help;
}

int64_t histogram_bound_us(unsigned bucket) {
    return bounds[bucket];
}

unsigned histogram_bucket(int64_t us) {
    unsigned bucket = 0;
    while (bucket < HISTOGRAM_BOUND_COUNT && us > bounds[bucket]) {
        bucket++;
    }
    return bucket;
}

// Labels are `name="value"`, at most one: the value sets apart the histograms of one name.
static void write_base(enum histogram histogram, char *out, size_t size) {
    const char *value = strchr(table[histogram].labels, '"');
    if (value == NULL) {
        snprintf(out, size, "%s_us", table[histogram].name);
    } else {
        snprintf(out, size, "%s_us{%.*s}", table[histogram].name, (int)strcspn(value + 1, "\""), value + 1);
    }
}

void histogram_field(enum histogram histogram, unsigned part, char out[HISTOGRAM_FIELD_SIZE]) {
    char base[HISTOGRAM_FIELD_SIZE - 24];
    write_base(histogram, base, sizeof base);
    if (part < HISTOGRAM_BOUND_COUNT) {
        snprintf(out, HISTOGRAM_FIELD_SIZE, "%s:%" PRId64, base, bounds[part]);
    } else {
        snprintf(out, HISTOGRAM_FIELD_SIZE, "%s:%s", base, part == HISTOGRAM_ABOVE ? "inf" : "sum");
    }
}
