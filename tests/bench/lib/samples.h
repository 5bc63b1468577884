// SPDX-License-Identifier: MIT
#ifndef TESTS_BENCH_LIB_SAMPLES_H
#define TESTS_BENCH_LIB_SAMPLES_H

#include <stddef.h>

// Measured values, to take a middle or a percentile of. Zero-initialised is empty.

struct samples {
    double *values;
    size_t count, room;
};

void samples_add(struct samples *samples, double value);
// The value that `percent` of all don't exceed; sorts them. 0 when there is none.
double samples_percentile(struct samples *samples, double percent);
double samples_median(struct samples *samples);
void samples_free(struct samples *samples);

#endif
