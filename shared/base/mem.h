// SPDX-License-Identifier: MIT
#ifndef SHARED_BASE_MEM_H
#define SHARED_BASE_MEM_H

#include <stddef.h>

// Allocation that ends the process with one line on stderr when memory runs out: every stage may die at
// any instant without losing a message (docs/internals.md), so a clean end beats a half-served request.
// All results are owned by the caller and released with free().

#define MUST_CHECK __attribute__((warn_unused_result))

void *xmalloc(size_t size) __attribute__((malloc, returns_nonnull)) MUST_CHECK;
void *xcalloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull)) MUST_CHECK;
void *xrealloc(void *old, size_t size) __attribute__((returns_nonnull)) MUST_CHECK;
char *xstrdup(const char *text) __attribute__((malloc, returns_nonnull)) MUST_CHECK;
// Copies length bytes and adds a NUL.
char *xstrndup(const char *text, size_t length) __attribute__((malloc, returns_nonnull)) MUST_CHECK;
char *xasprintf(const char *format, ...) __attribute__((format(printf, 1, 2), returns_nonnull)) MUST_CHECK;
// How all of these end the process; for where a library had no memory for what can't be done without.
_Noreturn void mem_exhausted(void);

#endif
