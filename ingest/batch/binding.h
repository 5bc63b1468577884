// SPDX-License-Identifier: MIT
#ifndef INGEST_BATCH_BINDING_H
#define INGEST_BATCH_BINDING_H

#include <stdint.h>

#include "shared/base/crypto.h"

struct ingest_request;

// Binds an Idempotency-Key (key: idempotency_key_of_list) to the list of that digest, for IDEMPOTENCY_TTL_SECS from
// the first time. bound(request): it is bound to this list, now or since earlier. Else the request is answered: 422
// where another list was first, 503 where that can't be known; nothing of this list has been accepted then.
void batch_bind(struct ingest_request *request, const char *key, const uint8_t digest[SHA256_SIZE],
                void (*bound)(struct ingest_request *request));

#endif
