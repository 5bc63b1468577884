// SPDX-License-Identifier: MIT
#ifndef INGEST_ACCEPT_UNDECIDED_H
#define INGEST_ACCEPT_UNDECIDED_H

#include <stdint.h>

#include "ingest/accept/idempotency.h"
#include "shared/base/mem.h"

// The ids of sends whose fate their clients were told is unknown, by their Idempotency-Keys. Redis may have given such
// a send to others before a fail-over made it forget the key: then it takes the repeat for a new message. Under the
// first one's id it is the same message for all others: Postgres has one row of it, and the provider is called under
// one idempotency key. Of all threads of this process; another ingest knows nothing of them.

struct ingest_request;
struct undecided;

// kept_ms: for how long an id counts, as a key does (IDEMPOTENCY_TTL_SECS).
struct undecided *undecided_create(int64_t kept_ms) MUST_CHECK;
void undecided_free(struct undecided *undecided);

// What a send that has an Idempotency-Key is known by: to be called when it is identified. Where it repeats one that
// was noted, with the same payload, token and id become the first one's.
void undecided_name(struct ingest_request *request, const char key[IDEMPOTENCY_KEY_SIZE],
                    uint8_t token[IDEMPOTENCY_TOKEN_SIZE], struct uuid *id);
// Nobody knows what becomes of the request. Nothing where it wasn't named.
void undecided_note(struct ingest_request *request);

#endif
