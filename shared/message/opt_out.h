// SPDX-License-Identifier: MIT
#ifndef SHARED_MESSAGE_OPT_OUT_H
#define SHARED_MESSAGE_OPT_OUT_H

#include <cjson/cJSON.h>
#include <stdint.h>

#include "shared/base/buf.h"
#include "shared/base/mem.h"
#include "shared/message/message.h"

// Who wants nothing from one of our addresses any more, or again: a pair of identities on one channel. What Redis has
// of it, in every partition of the provider, is redis/messaging.lua's `optouts`; Postgres has the table opt_outs.

enum opt_out_by { OPT_OUT_BY_RECIPIENT, OPT_OUT_BY_PROVIDER, OPT_OUT_BY_OPERATOR };

// A word on a pair, and the payload `p` of an event of kind `optout`. Of two about one pair the one counts that was
// said later; where the provider gives both the same time, the one that came later.
struct opt_out {
    enum provider provider; // whose partitions have the pair; it tells the channel
    char *our_address;      // an identity (shared/message/address.h)
    char *their_address;
    enum opt_out_state state; // not OPT_OUT_NONE
    int64_t at_ms;            // when it was said, ms since 1970
    int64_t came_ms;          // when it came first, by Redis's clock
    enum opt_out_by by;
};

const char *opt_out_state_name(enum opt_out_state state);                      // "out", "in"; NULL: OPT_OUT_NONE
int opt_out_state_parse(const char *text, enum opt_out_state *out) MUST_CHECK; // 0, or -1 where it is neither
const char *opt_out_by_name(enum opt_out_by by);                               // "recipient", "provider", "operator"

// Appends the payload `p`.
void opt_out_encode(const struct opt_out *opt_out, struct buf *out);
// Reads one of a tree into *out, or parses one (release with opt_out_free). Returns NULL, or a static sentence that
// says what is wrong; *out is then empty.
const char *opt_out_read(const cJSON *object, struct opt_out *out) MUST_CHECK;
const char *opt_out_decode(const char *text, size_t length, struct opt_out *out) MUST_CHECK;
void opt_out_free(struct opt_out *opt_out);

// Appends the field by which Redis knows a pair: our address, a NUL, theirs.
void opt_out_pair(const char *our_address, const char *their_address, struct buf *out);

#endif
