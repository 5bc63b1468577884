// SPDX-License-Identifier: MIT
#include "persister/rekey_opt_outs.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "gen/persister/embedded.h"
#include "persister/rekey_session.h"
#include "shared/base/decimal.h"
#include "shared/base/mem.h"
#include "shared/message/identify.h"

#define PAGE 500 // pairs

enum { OUR, THEIR, NEW_OUR, NEW_THEIR, ARRAYS }; // of complete_opt_outs (migration 0009)

// Adds a pair that gets other identities; returns whether it does.
static bool add_pair(struct buf arrays[ARRAYS], const char *our, const char *their, const struct phone_region *region) {
    char *new_our = identity_complete(CHANNEL_SMS, our, region);
    char *new_their = identity_complete(CHANNEL_SMS, their, region);
    bool is_another = strcmp(our, new_our) != 0 || strcmp(their, new_their) != 0;
    if (is_another) {
        rekey_array_add(&arrays[OUR], our);
        rekey_array_add(&arrays[THEIR], their);
        rekey_array_add(&arrays[NEW_OUR], new_our);
        rekey_array_add(&arrays[NEW_THEIR], new_their);
    }
    free(new_their);
    free(new_our);
    return is_another;
}

static int64_t complete_page(PGconn *conn, const PGresult *page, const struct phone_region *region) {
    struct buf arrays[ARRAYS] = {{0}};
    const char *values[ARRAYS];
    int64_t count = 0;
    for (int row = 0; row < PQntuples(page); row++) {
        count += add_pair(arrays, PQgetvalue(page, row, 0), PQgetvalue(page, row, 1), region);
    }
    for (size_t i = 0; i < ARRAYS; i++) {
        rekey_array_add(&arrays[i], NULL);
        values[i] = arrays[i].data;
    }
    if (count > 0) {
        PQclear(rekey_session_run(conn, "SELECT complete_opt_outs($1::text[], $2::text[], $3::text[], $4::text[])",
                                  ARRAYS, values));
    }
    for (size_t i = 0; i < ARRAYS; i++) {
        buf_free(&arrays[i]);
    }
    return count;
}

int64_t rekey_opt_outs(PGconn *conn, const struct phone_region *region) {
    char *our = xstrdup(""), *their = xstrdup("");
    int64_t changed = 0;
    for (int rows = PAGE; rows == PAGE;) {
        const char *limit = DECIMAL(PAGE);
        const char *values[] = {our, their, limit};
        PGresult *page = rekey_session_run(conn, persister_sql_rekey_opt_outs_sql, 3, values);
        rows = PQntuples(page);
        changed += complete_page(conn, page, region);
        if (rows > 0) {
            free(our);
            free(their);
            our = xstrdup(PQgetvalue(page, rows - 1, 0));
            their = xstrdup(PQgetvalue(page, rows - 1, 1));
        }
        PQclear(page);
    }
    free(their);
    free(our);
    return changed;
}
