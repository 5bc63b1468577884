// SPDX-License-Identifier: MIT
#include "tests/bench/lib/samples.h"

#include <math.h>
#include <stdlib.h>

#include "shared/base/mem.h"

void samples_add(struct samples *samples, double value) {
    if (samples->count == samples->room) {
        samples->room = samples->room > 0 ? samples->room * 2 : 64;
        samples->values = xrealloc(samples->values, samples->room * sizeof *samples->values);
    }
    samples->values[samples->count++] = value;
}

static int compare(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return left < right ? -1 : left > right;
}

static void sort(struct samples *samples) {
    qsort(samples->values, samples->count, sizeof *samples->values, compare);
}

double samples_percentile(struct samples *samples, double percent) {
    if (samples->count == 0) {
        return 0;
    }
    sort(samples);
    double rank = ceil(percent / 100 * (double)samples->count);
    return samples->values[rank < 1 ? 0 : (size_t)rank - 1];
}

double samples_median(struct samples *samples) {
    if (samples->count == 0) {
        return 0;
    }
    sort(samples);
    size_t middle = samples->count / 2;
    double upper = samples->values[middle];
    return samples->count % 2 == 1 ? upper : (samples->values[middle - 1] + upper) / 2;
}

void samples_free(struct samples *samples) {
    free(samples->values);
    *samples = (struct samples){0};
}
