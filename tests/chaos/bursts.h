// SPDX-License-Identifier: MIT
#ifndef TESTS_CHAOS_BURSTS_H
#define TESTS_CHAOS_BURSTS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "shared/base/uuid.h"
#include "tests/chaos/options.h"
#include "tests/chaos/report.h"

// Conversations in which order matters, of addresses that the rest of the load doesn't have: each belongs to one
// thread, which goes from round to round. A round is several messages one right behind the other, to one conversation,
// to two in turn, or in one batch to all of the thread's, with an item that can't be accepted in between; before and
// after it a message that is to be sent some seconds later. Then some of the round are cancelled, while they wait or
// too late.
//
// While an ingest doesn't know yet that all others read the newest format, for 5 s after its start and after it has
// lost Redis, it accepts sends that take no turn. It waits with what is scheduled, though. So a round between two such
// messages that were accepted by the same ingest within less than these 5 s is certain to have taken its turns.

enum {
    BURSTS_LEAST_CERTAIN = 40,  // messages of such rounds, for the audit to look at
    BURSTS_LEAST_CANCELLED = 4, // of those that were to be sent later
    BURSTS_LEAST_LATER = 4,
    BURSTS_LEAST_OF_BATCHES = 8,
    BURSTS_LEAST_PAIRS = 4, // one right behind the other, alone
};

#define BURSTS_THEIR_PHONES "+1888"          // their addresses begin so, or
#define BURSTS_THEIR_MAILS "@bursts.example" // end so

enum burst_cancel {
    BURST_KEPT,      // nobody has cancelled it
    BURST_CANCELLED, // answered 202
    BURST_PERHAPS,   // nobody knows
};

struct burst_message {
    struct uuid id;
    int conversation;
    bool accepted;
    bool ambiguous; // some request of it had no answer, or one that says so
    bool in_batch;
    bool is_certain;  // to have taken its turn
    int64_t begun_ms; // its first request, ms since 1970
    int64_t due_ms;   // when it was to be sent; 0: at once
    enum burst_cancel cancel;
    int64_t cancelled_ms; // when the cancel's answer was there
};

struct burst_load;

struct burst_load *bursts_begin(const struct options *options, const uint16_t *ports, int port_count,
                                const char *folder, struct report *report);
// Ends the threads once there is enough to look at, or after 30 s; what it knows stays.
void bursts_end(struct burst_load *load);
void bursts_destroy(struct burst_load *load);

uint32_t bursts_count(const struct burst_load *load);
// number: from 0. Valid until the end. Not to be called before bursts_end.
const struct burst_message *bursts_at(const struct burst_load *load, uint32_t number);
// The one that was sent behind it in its conversation, where both were sent alone, at once and for certain, and nobody
// has cancelled one; else BURSTS_NONE.
#define BURSTS_NONE UINT32_MAX
uint32_t bursts_next(const struct burst_load *load, uint32_t number);
// The number in the body of one of these messages; false when it is none.
bool bursts_number(const char *body, uint32_t *number);
// What it was sent from and to.
void bursts_addresses(int conversation, char ours[48], char theirs[48]);
// How many batches were answered; and items of them that can't be accepted, and were refused.
uint32_t bursts_batches(const struct burst_load *load);
uint32_t bursts_refused(const struct burst_load *load);
// Cancels that came too late.
uint32_t bursts_too_late(const struct burst_load *load);

#endif
