// SPDX-License-Identifier: MIT
#ifndef TESTS_CHAOS_ROWS_H
#define TESTS_CHAOS_ROWS_H

#include <libpq-fe.h>
#include <stdint.h>

// Goes through the answer to a query of tests/chaos/<file> row by row, however many there are. Fails the test when
// Postgres doesn't answer.

typedef void (*rows_look)(void *argument, const PGresult *row); // its only row is row 0
void rows_each(uint16_t postgres_port, const char *file, rows_look look, void *argument);

int64_t rows_int(const PGresult *row, int column);
const char *rows_text(const PGresult *row, int column);

#endif
