// SPDX-License-Identifier: MIT
#ifndef SHARED_BASE_DECIMAL_H
#define SHARED_BASE_DECIMAL_H

#include <stdint.h>

#define DECIMAL_SIZE 21 // of the longest, -9223372036854775808, and a NUL

// The number as an argument of a command, a statement or a function: a text that lives as long as the block in which
// this stands.
#define DECIMAL(value) decimal_write((int64_t)(value), (char[DECIMAL_SIZE]){0})

// Writes a number's digits at the end of room. Returns where they begin.
const char *decimal_write(int64_t value, char room[DECIMAL_SIZE]);

#endif
