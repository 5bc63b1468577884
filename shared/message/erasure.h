// SPDX-License-Identifier: MIT
#ifndef SHARED_MESSAGE_ERASURE_H
#define SHARED_MESSAGE_ERASURE_H

#include <stddef.h>
#include <stdint.h>

#include "shared/base/buf.h"
#include "shared/base/mem.h"
#include "shared/message/conversation.h"
#include "shared/message/message.h"

// A conversation that was erased with all that was accepted of it until then: the payload `p` of an event of kind
// `erase`, whose `at` says when that is.

enum {
    ERASURE_FORMAT = 2, // of entries: the first that has such an event
    ERASURE_NAMES = 2,
    // So long after Redis knows it a call may still begin, of a dispatcher that looked before (dispatcher/opt_outs.h).
    ERASURE_FENCE_MS = 500,
};

struct erasure {
    enum channel channel;
    char *one, *other; // its participants, identities (address.h)
};

// Appends the payload.
void erasure_encode(const struct erasure *erasure, struct buf *out);
// Returns NULL, or a static sentence that says what is wrong; *out is then empty. Else release with erasure_free.
const char *erasure_decode(const char *text, size_t length, struct erasure *out) MUST_CHECK;
void erasure_free(struct erasure *erasure);

// What Redis may know it by: either may be the one that is ours.
void erasure_names(const struct erasure *erasure, char out[ERASURE_NAMES][CONVERSATION_SIZE]);

#endif
