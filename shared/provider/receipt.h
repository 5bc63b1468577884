// SPDX-License-Identifier: MIT
#ifndef SHARED_PROVIDER_RECEIPT_H
#define SHARED_PROVIDER_RECEIPT_H

#include <cjson/cJSON.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/mem.h"
#include "shared/base/uuid.h"
#include "shared/message/receipt_entry.h"

// What a provider reports of messages that it took, as an adapter reads it out of one post.

enum receipt_opt { RECEIPT_OPT_NONE, RECEIPT_OPT_OUT, RECEIPT_OPT_IN };

#define RECEIPT_NO_PARTITION UINT_MAX

struct receipt {
    struct uuid message_id; // ours
    bool has_message_id;
    unsigned partition; // of the provider, in which the message was sent; RECEIPT_NO_PARTITION: not given
    bool has_status;    // an event that opts somebody out may say nothing about the message
    enum receipt_status status;
    int64_t occurred_ms;       // by the provider's clock, ms since 1970; RECEIPT_NO_TIME: it doesn't say
    char *code;                // the provider's; NULL: none
    char *reason;              // for people; NULL: none
    char *provider_message_id; // NULL: not given
    char *event_id;            // by which the provider knows what it reports, each time that it does; NULL: by nothing
    char *our_address, *their_address; // as they are given, or identities; NULL: not given
    enum receipt_opt opt;
};

#define RECEIPTS_TOLD 8

struct receipts {
    struct receipt *items;
    size_t count;
    size_t skipped; // events that are none of ours to record: opens, clicks, what nobody knows
    size_t broken;  // events that can't be read
    struct receipt_trouble {
        size_t place;          // of the event in its post, from 0
        const char *why;       // a static sentence
    } troubles[RECEIPTS_TOLD]; // of the first of those
};

// A new one at the end, with nothing in it: no partition, no time.
struct receipt *receipts_add(struct receipts *receipts);
// Takes the last one out again.
void receipts_drop(struct receipts *receipts);
// Counts an event that can't be read; why is a static sentence.
void receipts_note_broken(struct receipts *receipts, size_t place, const char *why);
void receipts_free(struct receipts *receipts);

// For the adapters, what a post says in texts, NULL where it says nothing.
// Our id. False where it is none: NULL and "" are no id at all, which is true.
bool receipt_take_message_id(struct receipt *receipt, const char *text) MUST_CHECK;
// A copy without the blanks around it, where that is a code, or an id of the provider's, as receipt_entry.h has them;
// else NULL. Owned by the caller.
char *receipt_code_of(const char *text);
char *receipt_provider_id_of(const char *text);
// When it happened, of a JSON member that may be NULL. One that can't be read, or lies before 1970, makes what happened
// no less true: RECEIPT_NO_TIME.
int64_t receipt_time_of(const cJSON *given);

#endif
