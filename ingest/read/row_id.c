// SPDX-License-Identifier: MIT
#include "ingest/read/row_id.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool row_id_is_valid(const char *text) {
    size_t length = strlen(text);
    if (length == 0 || strspn(text, "0123456789") != length || text[0] == '0') {
        return false;
    }
    errno = 0;
    (void)strtoll(text, NULL, 10);
    return errno == 0;
}
