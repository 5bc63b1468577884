// SPDX-License-Identifier: MIT
#include "persister/rekey_erasures.h"

#include <stdlib.h>
#include <string.h>

#include "gen/persister/embedded.h"
#include "persister/rekey_session.h"
#include "shared/base/mem.h"
#include "shared/message/address.h"
#include "shared/message/identify.h"

enum { KEY, NEW_KEY, PARTICIPANT_A, PARTICIPANT_B, ARRAYS }; // of complete_erasures (migration 0012)

// Adds a conversation that gets another key; returns whether it does.
static bool add_erasure(struct buf arrays[ARRAYS], const char *key, const char *one, const char *other,
                        const struct phone_region *region) {
    char *new_one = identity_complete(CHANNEL_SMS, one, region);
    char *new_other = identity_complete(CHANNEL_SMS, other, region);
    char *new_key = conversation_key(CHANNEL_SMS, new_one, new_other);
    bool is_another = strcmp(key, new_key) != 0, ordered = strcmp(new_one, new_other) <= 0;
    if (is_another) {
        rekey_array_add(&arrays[KEY], key);
        rekey_array_add(&arrays[NEW_KEY], new_key);
        rekey_array_add(&arrays[PARTICIPANT_A], ordered ? new_one : new_other);
        rekey_array_add(&arrays[PARTICIPANT_B], ordered ? new_other : new_one);
    }
    free(new_key);
    free(new_other);
    free(new_one);
    return is_another;
}

int64_t rekey_erasures(PGconn *conn, const struct phone_region *region) {
    PGresult *rows = rekey_session_run(conn, persister_sql_rekey_erasures_sql, 0, NULL);
    struct buf arrays[ARRAYS] = {{0}};
    const char *values[ARRAYS];
    int64_t count = 0;
    for (int row = 0; row < PQntuples(rows); row++) {
        count +=
            add_erasure(arrays, PQgetvalue(rows, row, 0), PQgetvalue(rows, row, 1), PQgetvalue(rows, row, 2), region);
    }
    for (size_t i = 0; i < ARRAYS; i++) {
        rekey_array_add(&arrays[i], NULL);
        values[i] = arrays[i].data;
    }
    if (count > 0) {
        PQclear(rekey_session_run(conn, "SELECT complete_erasures($1::text[], $2::text[], $3::text[], $4::text[])",
                                  ARRAYS, values));
    }
    for (size_t i = 0; i < ARRAYS; i++) {
        buf_free(&arrays[i]);
    }
    PQclear(rows);
    return count;
}
