// SPDX-License-Identifier: MIT
#ifndef TESTS_BENCH_ARCHIVE_H
#define TESTS_BENCH_ARCHIVE_H

#include <stddef.h>
#include <stdint.h>

// A Postgres with databases of 10 thousand, 1 million and 10 million messages (BENCH_ROWS, a hundredth and a thousandth
// of it), a tenth of the messages in one conversation. It is built once and kept under RUN_DIR (.run) as long as the
// migrations and the SQL that fills it stay the same.

#define ARCHIVE_SIZES 3

struct archive;

// Builds it where it isn't there yet, which takes minutes, and starts it.
struct archive *archive_open(void);
// Messages in database `size`, 0 to ARCHIVE_SIZES - 1, the smallest first.
size_t archive_rows(const struct archive *archive, size_t size);
// postgres://… of database `size`. Owned by it.
const char *archive_url(const struct archive *archive, size_t size);
void archive_close(struct archive *archive);

#endif
