// SPDX-License-Identifier: MIT
#include "ingest/request/printable.h"

bool is_printable(const char *text, size_t most) {
    size_t length = 0;
    for (; text[length] != '\0'; length++) {
        if (length == most || text[length] < ' ' || text[length] > '~') {
            return false;
        }
    }
    return length > 0;
}
