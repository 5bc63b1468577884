// SPDX-License-Identifier: MIT
#ifndef SHARED_REDIS_OPT_OUT_CALL_H
#define SHARED_REDIS_OPT_OUT_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/buf.h"
#include "shared/base/mem.h"
#include "shared/base/uuid.h"
#include "shared/message/opt_out.h"
#include "shared/redis/keys.h"
#include "shared/redis/link.h"

// Words on pairs into one partition: the call of redis/messaging.lua's opt_out, by which ingest, dispatcher and
// persister write them.

#define OPT_OUT_CALL_MOST 100 // words of one call
#define OPT_OUT_FORMAT 2      // from which on their events, and messages that say so, are recorded

// The mark of a set says of which Redis it is, by its run id, and by which PHONE_REGIONs its pairs are written: the id,
// '/', and of each region its code ("": none) and '/'; then '+' where there is any pair. Returns the text from the
// first
// '/' on, where that Redis's set is marked; else NULL.
const char *opt_out_mark_regions(const char *mark, const char *server);
// Whether such a text names that region.
bool opt_out_regions_have(const char *regions, const char *region);

// A word's place among those on its pair: "<at_ms> <came_ms>".
#define OPT_OUT_PLACE_SIZE 48

void opt_out_place(int64_t at_ms, int64_t came_ms, char out[OPT_OUT_PLACE_SIZE]);
// Reads one; returns 0, or -1 where it is none.
int opt_out_place_parse(const char *text, int64_t *at_ms, int64_t *came_ms) MUST_CHECK;

// A word as Redis is told of it.
struct opt_out_said {
    struct buf pair; // opt_out_pair
    enum opt_out_state state;
    int64_t at_ms, came_ms;
    char instead_of[OPT_OUT_PLACE_SIZE]; // the place of a word that was none; "": there was no such
    char id[UUID_TEXT_SIZE];             // of the event that records it
    struct buf payload;                  // that event's; empty: it is recorded already
};

// records: with an event, which the call puts into `events`. Release with opt_out_said_free.
void opt_out_said_of(const struct opt_out *opt_out, bool records, struct opt_out_said *out);
void opt_out_said_free(struct opt_out_said *said);

struct opt_out_call {
    const struct partition_keys *keys;
    const struct opt_out_said *said;
    size_t count;         // OPT_OUT_CALL_MOST at most; 0: the mark alone
    bool records;         // those that have an event are put into `events`, unless `cap` entries wait there
    int64_t cap;          // STREAM_MAX_BACKLOG; 0: whatever waits
    const char *mark;     // that stands from now on; NULL: as it is
    const char *expected; // that must stand; NULL: any
};

// Sends the call. Returns 0, or -1 when the link isn't up and nothing was sent. Keeps nothing of it. The reply is
// WORD_OK, WORD_FULL or WORD_LOST (words.h).
int opt_out_send(struct redis_link *link, const struct opt_out_call *call, redis_link_reply done,
                 void *argument) MUST_CHECK;

#endif
