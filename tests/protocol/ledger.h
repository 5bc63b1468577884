// SPDX-License-Identifier: MIT
#ifndef TESTS_PROTOCOL_LEDGER_H
#define TESTS_PROTOCOL_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/protocol/event.h"

// What an all-knowing bystander of a run writes down: each message with what its sender was told, each token by the
// events that moved it, each call of the provider. The audits compare Redis and Postgres with it.

enum {
    MOST_MESSAGES = 48,
    SENDERS = 3,
    MOST_KEYS = 16,
    MOST_GENERATIONS = 6,
    MOST_CALLS = 600,
    ID_SIZE = 37,    // of a UUID as text
    TOKEN_AT = 20,   // where the 16 bytes of it begin that stand for it in accept's token
    ENTRY_SIZE = 24, // of a stream's entry id
    EPOCH_SIZE = 24,
    PROBE_SIZE = 24,
};

struct ledger_message {
    char id[ID_SIZE];
    bool webhook;
    enum opt_out_state opt_out; // what a webhook says of its pair
    struct word_place place;    // when, as ingest has it at its last delivery
    int key;                    // its Idempotency-Key, or -1
    int content;                // what its payload says
    int64_t sent_ms;            // of Redis's clock, when ingest made it
    int64_t accepted_ms;        // of Redis's clock, when its first entry was written; 0: none was
    bool promised;              // its sender got a 202
    int promised_at;            // at which step
    bool possible;              // its sender was left in the dark: it may have been accepted
    bool may_be_gone;           // it was accepted after the snapshot that a fail-over went back to
    bool ordered;               // it names its conversation
    int64_t due_ms;             // of Redis's clock, when it is to be sent; 0: at once
    bool asked_to_cancel;       // somebody has
    bool cancelled;             // who did was told that it is
    int cancelled_at;           // at which step
};

// An Idempotency-Key of a client.
struct client_key {
    int content;
    int tokens;  // messages that were accepted under it
    int expired; // how often Redis forgot it, or a fail-over did
};

struct token {
    bool exists;
    bool live;    // an entry of outbound or a field of parked
    bool final;   // a verdict that was not a late one ended it
    bool late;    // a late success came: whether it ended the token, the next look at everything tells
    bool spoiled; // its parked payload was damaged: it may fail uncalled
    bool taken;   // it was parked, and a receipt says that the message has arrived
    bool lost;    // its parked payload is gone, and the token with it, but for its time
    bool ordered; // it takes a turn
    int recorded; // as how manyth of all its event came
    int entered;  // as how manyth it came into its conversation; 0: not yet, or it takes no turn
    bool passed;  // it has the turn no more, though it may not have ended
    bool scheduled;
    bool cancelled;
    int next_call;
    int64_t begun_ms;   // of the processes' clock
    int64_t refused_ms; // of the processes' clock, when its first refusal was settled; 0: none was
};

// A call of the provider.
struct provider_call {
    int message, generation, number;
    int64_t begun_ms; // of the processes' clock
    int64_t dated_ms; // of the lease by which it was begun
    char epoch[EPOCH_SIZE];
    bool probe;
    bool accepted;       // by the provider
    bool taken;          // it has the message, whatever its dispatcher is told
    bool of_a_hold;      // the one call that a held sender may have
    int64_t admitted_ms; // since when it may
    bool ended;
    bool settled; // by its dispatcher, whose entry it was
    bool hit;     // a fault had taken the entry from its dispatcher before, unnoticed
    bool excused; // a fault hit it, so that it may be made once more
};

struct ledger {
    struct ledger_message messages[MOST_MESSAGES];
    int message_count;
    struct client_key keys[MOST_KEYS];
    int key_count;
    struct token tokens[MOST_MESSAGES][MOST_GENERATIONS];
    int live; // tokens
    struct provider_call calls[MOST_CALLS];
    int call_count;
    struct event outcomes[MOST_CALLS]; // those that were ever in `events`
    int outcome_count;
};

// Adds a message, whose id is made at made_ms, ms since 1970; returns its index, or -1 when there is no room.
int ledger_add(struct ledger *ledger, int64_t made_ms, bool webhook, int key, int content);
// The index of a message by its id, or by the end of one from TOKEN_AT on; -1: there is none.
int ledger_find(const struct ledger *ledger, const char *id);
struct token *ledger_token(struct ledger *ledger, int message, int generation);
// How many tokens are lost.
int ledger_lost(const struct ledger *ledger);
// Whether a token of any generation is live and not lost.
bool ledger_is_live(const struct ledger *ledger, int message);

#endif
