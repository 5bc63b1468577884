// SPDX-License-Identifier: MIT
#include "shared/postgres/url_part.h"

#include <stddef.h>
#include <string.h>

const char *pg_url_part(const PQconninfoOption *parts, const char *keyword) {
    for (const PQconninfoOption *option = parts; option->keyword != NULL; option++) {
        if (strcmp(option->keyword, keyword) == 0) {
            return option->val != NULL && *option->val ? option->val : NULL;
        }
    }
    return NULL;
}
