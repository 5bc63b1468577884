// SPDX-License-Identifier: MIT
#ifndef SHARED_REDIS_TLS_SENTENCE_H
#define SHARED_REDIS_TLS_SENTENCE_H

#include <stdbool.h>

#include "shared/base/mem.h"
#include "shared/loop/tls.h"

// What a person can do about a connection that TLS does not come about on, or no more: one line, owned by the caller.
// host is what the certificate should have been for; announced: by the word of Sentinels, not REDIS_URL's.
char *redis_tls_sentence(const struct tls *tls, const char *host, bool announced) MUST_CHECK;

#endif
