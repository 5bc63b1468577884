// SPDX-License-Identifier: MIT
#ifndef TESTS_PROTOCOL_TURNS_H
#define TESTS_PROTOCOL_TURNS_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stdint.h>

struct command;
struct provider_call;
struct world;

// Turns, and what is scheduled (redis/messaging.lua): who of each conversation has the turn and who waits, what must
// come of that, and what the clock may do.

enum { CONVERSATIONS = 6 };

// A conversation as the last poll saw it, and what the bystander reckons.
struct seen_turn {
    int message, generation; // who has the turn; -1: nobody
    bool called;             // it is being retried, or was
    bool for_sender;         // it waits for its sender
    int waiting;             // so many others
    bool timed;              // and it is known until when
    // When the first of them may have the turn by the clock: not before both, nor after the last.
    int64_t soonest_ms;                      // of the processes' clock
    int64_t soonest_open_ms, latest_open_ms; // of the open clock
};

// Of all conversations.
struct turns_seen {
    int held, order, due; // how many: in each of their keys
    int scheduled, scheduled_due, overdue;
    int fields; // of the hash `turn`
    int64_t open_ms;
    int64_t ticked_ms; // by so much the last command has moved it
    bool only_held;    // before the last command nothing else was there
    bool unsure;       // after a fail-over: what was before is another's
};

// What Redis knows a conversation by, and in which one a message is: each sender has one, or two.
const char *conversation_text(int conversation);
int conversation_of(const struct world *world, int message);

// The part of a poll that is about turns, once its events are noted. Returns whether the tokens are to be looked at:
// some that were scheduled are no more.
bool turns_poll(struct world *world, const redisReply *seen);
// Where a token is, of those that are looked at; found: that are scheduled, a bit a generation of each message.
void turns_note_begun(struct world *world, const unsigned *scheduled);
void turns_check_place(struct world *world, int message, int generation);
// A call is made.
void turns_check_call(struct world *world, const struct provider_call *made);
// An unpark was run. sent_ms: when it was sent, of the processes' clock; -1: long ago.
void turns_check_unpark(struct world *world, const struct command *command, int64_t sent_ms);
// A fail-over, or a fault took away some of what turns are kept in.
void turns_begin_again(struct world *world);
void turns_audit_end(struct world *world);

#endif
