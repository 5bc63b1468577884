// SPDX-License-Identifier: MIT
#include "tests/support/target.h"

#include <check.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "shared/base/mem.h"

struct known {
    struct redis_target *target;
    SLIST_ENTRY(known) next;
};

static SLIST_HEAD(, known) all; // for LeakSanitizer

struct redis_target *target_at(const char *url) {
    char *own = xstrdup(url), *error = NULL, nothing[] = "";
    const struct settings settings = {
        .redis_url = own, .redis_ca_file = nothing, .redis_cert_file = nothing, .redis_key_file = nothing};
    struct known *known = xcalloc(1, sizeof *known);
    known->target = redis_target_create(&settings, &error);
    ck_assert_msg(known->target != NULL, "%s", error);
    SLIST_INSERT_HEAD(&all, known, next);
    free(own);
    return known->target;
}
