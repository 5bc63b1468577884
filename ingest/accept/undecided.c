// SPDX-License-Identifier: MIT
#include "ingest/accept/undecided.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "ingest/accept/acceptance.h"
#include "ingest/request/request.h"
#include "ingest/request/resources.h"
#include "shared/base/clock.h"
#include "shared/base/hex.h"

enum {
    ROWS = 4096, // of ROW_LENGTH sends: a megabyte, once one was noted
    ROW_LENGTH = 4,
};

struct noted {
    struct undecided_key key;
    struct uuid id;
    int64_t at_ms; // clock_boot_ms; 0: nobody's
};

struct undecided {
    int64_t kept_ms;
    atomic_bool any; // until then nobody need look
    uv_mutex_t lock; // of what follows
    struct noted (*rows)[ROW_LENGTH];
};

struct undecided *undecided_create(int64_t kept_ms) {
    struct undecided *undecided = xcalloc(1, sizeof *undecided);
    undecided->kept_ms = kept_ms;
    if (uv_mutex_init(&undecided->lock) != 0) {
        mem_exhausted();
    }
    return undecided;
}

void undecided_free(struct undecided *undecided) {
    uv_mutex_destroy(&undecided->lock);
    free(undecided->rows);
    free(undecided);
}

// It begins with a hash already.
static struct noted *undecided_row(struct undecided *undecided, const struct undecided_key *key) {
    size_t number;
    memcpy(&number, key->bytes, sizeof number);
    return undecided->rows[number % ROWS];
}

static bool is_same_key(const struct undecided_key *one, const struct undecided_key *other) {
    return memcmp(one->bytes, other->bytes, sizeof one->bytes) == 0;
}

static bool undecided_find(struct undecided *undecided, const struct undecided_key *key, struct uuid *id) {
    bool found = false;
    uv_mutex_lock(&undecided->lock);
    const struct noted *row = undecided_row(undecided, key);
    for (size_t i = 0; i < ROW_LENGTH; i++) {
        if (row[i].at_ms > 0 && is_same_key(&row[i].key, key) && clock_boot_ms() - row[i].at_ms < undecided->kept_ms) {
            *id = row[i].id;
            found = true;
        }
    }
    uv_mutex_unlock(&undecided->lock);
    return found;
}

// Its own place, or the oldest.
static void undecided_put(struct undecided *undecided, const struct undecided_key *key, const struct uuid *id) {
    uv_mutex_lock(&undecided->lock);
    if (undecided->rows == NULL) {
        undecided->rows = xcalloc(ROWS, sizeof *undecided->rows);
    }
    struct noted *row = undecided_row(undecided, key), *place = row;
    for (size_t i = 0; i < ROW_LENGTH; i++) {
        if (row[i].at_ms > 0 && is_same_key(&row[i].key, key)) {
            place = &row[i];
            break;
        }
        place = row[i].at_ms < place->at_ms ? &row[i] : place;
    }
    *place = (struct noted){*key, *id, clock_boot_ms()};
    uv_mutex_unlock(&undecided->lock);
    atomic_store(&undecided->any, true);
}

void undecided_name(struct ingest_request *request, const char key[IDEMPOTENCY_KEY_SIZE],
                    uint8_t token[IDEMPOTENCY_TOKEN_SIZE], struct uuid *id) {
    struct acceptance *acceptance = request->state;
    struct undecided *undecided = request->with->undecided;
    struct undecided_key *name = &acceptance->undecided;
    size_t digits = 2 * (size_t)IDEMPOTENCY_HASH_SIZE;
    acceptance->has_name = hex_decode(key + strlen(key) - digits, digits, name->bytes, IDEMPOTENCY_HASH_SIZE);
    memcpy(name->bytes + IDEMPOTENCY_HASH_SIZE, token + UUID_BYTES, IDEMPOTENCY_HASH_SIZE);
    if (atomic_load(&undecided->any) && acceptance->has_name && undecided_find(undecided, name, id)) {
        memcpy(token, id->bytes, UUID_BYTES);
    }
}

void undecided_note(struct ingest_request *request) {
    const struct acceptance *acceptance = request->state;
    struct uuid id;
    if (acceptance->has_name && uuid_parse(request->message_id, &id) == 0) {
        undecided_put(request->with->undecided, &acceptance->undecided, &id);
    }
}
