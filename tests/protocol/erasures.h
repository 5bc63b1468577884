// SPDX-License-Identifier: MIT
#ifndef TESTS_PROTOCOL_ERASURES_H
#define TESTS_PROTOCOL_ERASURES_H

#include <stdbool.h>
#include <stdint.h>

struct provider_call;
struct world;

// Conversations that are erased, as DELETE /api/conversations/{id} does it: all of one sender's at once, so that what
// takes a turn and what takes none have their names among them. What was accepted until then is called no more, and
// nothing of it is left; what was accepted later is as though there had been nothing before.

enum { MOST_ERASURES = 4 };

struct erasure_asked {
    int sender;
    int64_t at_ms;       // until when, of Redis's clock
    bool promised;       // it was answered with a 202
    int64_t answered_ms; // when, of the processes' clock
};

struct erasures_book {
    struct erasure_asked asked[MOST_ERASURES];
    int count;
};

// A decision: somebody asks for one.
void erasures_ask(struct world *world);

// Whether a message is erased for certain, or may be.
bool erasures_erase(const struct world *world, int message);
bool erasures_may_erase(const struct world *world, int message);
// Whether its conversation was erased by a time that isn't past.
bool erasures_are_at(const struct world *world, int message);
// A call of it begins.
void erasures_check_call(struct world *world, int message);
// A token has ended, for its conversation was erased.
void erasures_check_ended(struct world *world, int message);
// All that Postgres was asked to erase is.
bool erasures_are_done(const struct world *world);
void erasures_audit_end(struct world *world);

#endif
