// SPDX-License-Identifier: MIT
#ifndef TESTS_CHAOS_REPORT_H
#define TESTS_CHAOS_REPORT_H

#include <stddef.h>
#include <stdint.h>

// What a run found: breaches by kind, each with the trail of its message for the first few; and figures. Safe to use
// from several threads.

struct report;

// Where the trail of a message comes from: writes all that is known about the id (or, where that is NULL, nothing).
typedef void (*report_trail)(void *argument, const char *id);

struct report *report_create(uint64_t seed);
void report_destroy(struct report *report);
void report_set_trail(struct report *report, report_trail trail, void *argument);
// Something that must not be. kind is a static text; id, which may be NULL, is the message's as text.
void report_breach(struct report *report, const char *kind, const char *id, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
uint64_t report_breaches(struct report *report);
// How many of that kind.
uint64_t report_found(struct report *report, const char *kind);
// Prints the count of each kind that was found.
void report_print_breaches(struct report *report);
// Prints one row of the table of figures.
void report_figure(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));
// Prints a heading.
void report_heading(const char *text);

#endif
