// SPDX-License-Identifier: MIT
#include "shared/postgres/url.h"

#include <string.h>

const char *pg_url_part(const PQconninfoOption *parts, const char *keyword) {
    for (const PQconninfoOption *option = parts; option->keyword != NULL; option++) {
        if (strcmp(option->keyword, keyword) == 0) {
            return option->val != NULL && *option->val ? option->val : NULL;
        }
    }
    return NULL;
}

// A password with a '/' or '?' that isn't written as %2F or %3F ends the host too early: libpq takes a piece of it for
// the port, the rest for the database's name, and would name both in its errors.
static const char *pg_url_check_parts(const PQconninfoOption *parts) {
    const char *port = pg_url_part(parts, "port"), *database = pg_url_part(parts, "dbname");
    if (port != NULL && port[strspn(port, "0123456789,")] != '\0') {
        return "the port is not a number (in a password, write / as %2F, ? as %3F, # as %23, @ as %40)";
    }
    if (database != NULL && strchr(database, '@') != NULL) {
        return "there is an @ after the host (in a password, write / as %2F, ? as %3F, # as %23, @ as %40)";
    }
    return NULL;
}

char *pg_url_check(const char *url) {
    char *error = NULL;
    PQconninfoOption *parts = PQconninfoParse(url, &error);
    if (parts != NULL) {
        const char *wrong = pg_url_check_parts(parts);
        PQconninfoFree(parts);
        return wrong != NULL ? xstrdup(wrong) : NULL;
    }
    // From the first quote on, libpq's message repeats parts of the URL, a password maybe.
    size_t length = error != NULL ? strcspn(error, "\"\n") : 0;
    char *line = xasprintf("not a Postgres URL (postgres://user:password@host:port/database): %.*s%s", (int)length,
                           error != NULL ? error : "", error != NULL && error[length] == '"' ? "…" : "");
    PQfreemem(error);
    return line;
}
