// SPDX-License-Identifier: MIT
#include "shared/base/decimal.h"

const char *decimal_write(int64_t value, char room[DECIMAL_SIZE]) {
    char *at = room + DECIMAL_SIZE - 1;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    *at = '\0';
    do {
        *--at = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (value < 0) {
        *--at = '-';
    }
    return at;
}
