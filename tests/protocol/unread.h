// SPDX-License-Identifier: MIT
#ifndef TESTS_PROTOCOL_UNREAD_H
#define TESTS_PROTOCOL_UNREAD_H

#include <stdbool.h>
#include <stdint.h>

struct world;
struct event;

// Webhooks that can't become messages, as ingest/accept/unread.c keeps them, and their replay, as
// ingest/dead_letters/replay_webhook.c. Each body is known by its hash, which is its number.

enum {
    MOST_UNREAD = 10,
    UNREAD_ADDRESSES = 2,
    UNREAD_SHARE = 3,      // of one address
    UNREAD_HASH_SIZE = 65, // 64 digits
    UNREAD_NONE = -1,
};

struct unread_body {
    bool promised; // the provider was told 400, for it is kept
    int promised_at;
    bool possible;    // it was left in the dark
    bool may_be_gone; // it was kept after the snapshot that a fail-over went back to
    int entries;      // of `events` that were ever seen
    int message;      // what it became, in the ledger; UNREAD_NONE: nothing yet
    bool reread;      // the operator got a 202
    int reread_at;
    int64_t reread_ms; // of the processes' clock
    bool reread_may_be_gone;
};

void unread_begin(struct world *world);
// Decisions: a provider delivers such a webhook, a new one or one that it delivered before; an operator replays one.
void unread_deliver(struct world *world);
void unread_replay(struct world *world);

// The number of a body by its hash, or UNREAD_NONE.
int unread_find(const struct world *world, const char *hash);
// Whether that message would be one of these, and nobody has said that it was made of it.
bool unread_is_unmade(const struct world *world, int message);
// An entry `unread` of `events` is seen.
void unread_note(struct world *world, const struct event *event);
// A fail-over went back to what was so at that step.
void unread_go_back(struct world *world, int step);
// The audit when all has settled.
void unread_audit_end(struct world *world);

#endif
