// SPDX-License-Identifier: MIT
#ifndef TESTS_PROTOCOL_WORDS_H
#define TESTS_PROTOCOL_WORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/message/message.h"
#include "tests/protocol/event.h"

struct command;
struct event;
struct world;

// Who says STOP, and START again: webhooks that ingest takes as any other, and whose pair it then writes into every
// partition before it answers, as ingest/accept/opt_out.c. Of each sender of the ledger there is one pair.

enum { MOST_WORDS = 10, WORD_PARTITIONS = 2 };

struct opt_word {
    int message;
    int64_t said_ms;          // by the provider; 0: it gives no time, and it is said when it comes
    struct word_place place;  // as the entry that is recorded has it
    bool noted;               // that was seen
    struct word_place told;   // the same as ingest has it for the writing under way
    struct word_place latest; // the latest that it may have been, whatever became of an attempt
    int writing;              // the partition that is written next; WORD_PARTITIONS: none is
    unsigned connection;      // over which that goes
    bool promised;            // its answer says that every partition knows
    int64_t answered_ms;      // when it did first, of the processes' clock
    int promised_at;
    bool may_be_gone; // it was answered after the snapshot that a fail-over went back to
    bool recorded;    // and Redis was told so again
    int entries;      // of `events` that were ever seen
    bool late;        // it was written when what it is was recorded already, and so that it is no word
    bool forgotten;   // it came again as new: Redis had forgotten the first
};

struct opt_words {
    struct opt_word words[MOST_WORDS];
    int count;
};

// Decisions: somebody says so; what was said comes again; ingest writes the next partition of one; Redis evicts a
// partition's set.
void words_say(struct world *world);
void words_repeat(struct world *world);
void words_write(struct world *world);
void words_evict(struct world *world);

// What a message says of its pair.
enum opt_out_state words_state_of(const struct world *world, int message);
// The field by which Redis knows a sender's pair.
void words_put_pair(struct command *command, int sender);
void words_put_place(struct command *command, const struct word_place *place);
// It goes out to Redis now.
void words_sent(struct world *world, int message);
// Redis has it; as new, or with the first one's place, "" where that isn't known.
void words_taken(struct world *world, int message, bool is_new, const char *first_place);
// Writes what is under way to its end.
void words_finish(struct world *world);

// An entry of such a message is seen.
void words_note(struct world *world, const struct event *event);
// All that was in `events` is done with.
void words_note_recorded(struct world *world);
// Whether a sender's pair has opted out for certain and may be called no more, or may have.
bool words_forbid(const struct world *world, int sender);
bool words_may_forbid(const struct world *world, int sender);
// A call of that sender's begins.
void words_check_call(struct world *world, int message);
// A fail-over went back to what was so at that step.
void words_go_back(struct world *world, int step);
void words_audit_end(struct world *world);

#endif
