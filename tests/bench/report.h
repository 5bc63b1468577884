// SPDX-License-Identifier: MIT
#ifndef TESTS_BENCH_REPORT_H
#define TESTS_BENCH_REPORT_H

#include "shared/base/mem.h"

// The figures of a run: each is printed when it is there, all of them go to a JSON file at the end.

struct report;

struct report *report_create(void);
// A figure of the table in report.c; which stage, metric and unit it has stands there. ceiling is in the figure's own
// unit, or 0 where there is none. Fails the test when there is no such figure.
void report_add(struct report *report, const char *stage, const char *metric, double value, double ceiling);
// The head: what machine this is.
void report_print_head(const struct report *report);
// Writes all figures to a file: an array of objects. Returns 0, or -1 with errno.
int report_write(const struct report *report, const char *path) MUST_CHECK;
void report_destroy(struct report *report);

#endif
