// SPDX-License-Identifier: MIT
#ifndef TESTS_SUPPORT_LOGS_H
#define TESTS_SUPPORT_LOGS_H

#include <stdbool.h>
#include <stddef.h>

// Reads a program's log: JSON lines, none of level error but for the events that are allowed, and nothing else (a
// sanitizer's or valgrind's report is such an else).
// allowed is NULL-terminated. Returns NULL, or the first faulty line, owned by the caller.
char *logs_fault(const char *path, const char *const *allowed);
// How many lines of the log are of that event.
int logs_count(const char *path, const char *event);
// How many of them hold that text as well.
int logs_count_about(const char *path, const char *event, const char *text);
// Whether, behind the first `from` bytes of the log, the last word of each link, up or down, is that it is up. Of links
// that share a name the last line of any counts.
bool logs_links_are_up(const char *path, size_t from, const char *up, const char *down);

#endif
