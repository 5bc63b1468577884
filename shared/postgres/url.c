// SPDX-License-Identifier: MIT
#include "shared/postgres/url.h"

#include <string.h>

#include "shared/postgres/hosts.h"
#include "shared/postgres/url_part.h"

// What may change while a session goes on: how the next one is let in.
static bool is_credential(const char *keyword) {
    static const char *const keywords[] = {"password", "passfile", "sslpassword", "sslcert", "sslkey", "sslrootcert"};
    for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++) {
        if (strcmp(keyword, keywords[i]) == 0) {
            return true;
        }
    }
    return false;
}

bool pg_url_same_place(const PQconninfoOption *one, const PQconninfoOption *other) {
    for (const PQconninfoOption *option = one; option->keyword != NULL; option++) {
        const char *here = pg_url_part(one, option->keyword), *there = pg_url_part(other, option->keyword);
        bool same = here == NULL || there == NULL ? here == there : strcmp(here, there) == 0;
        if (!same && !is_credential(option->keyword)) {
            return false;
        }
    }
    return true;
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
    struct pg_hosts hosts;
    const char *wrong = pg_hosts_of(parts, &hosts);
    pg_hosts_free(&hosts);
    return wrong;
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
