// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_BREAKER_H
#define DISPATCHER_BREAKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dispatcher/env.h"
#include "shared/message/message.h"

// The dispatcher's side of a provider's breaker, whose state is in Redis for the whole fleet (docs/protocol.md:
// breaker_probe and breaker_record). Nothing is read that its provider may not be called for: first a grant, then a
// read.

#define BREAKER_EPOCH_SIZE 24 // a 64-bit number
#define BREAKER_PROBE_SIZE 32 // "lease:<number>"

enum grant_kind {
    GRANT_NONE,
    GRANT_GO,    // the breaker is closed: as many calls as one likes, begun within 100 ms of asking
    GRANT_PACED, // it is closed, and the provider has a rate: so many calls; begun within 100 ms, too
    GRANT_PROBE, // it is half-open: one call for each of the probes, each a lease of its own; begun within 100 ms, too
};

struct grant {
    enum grant_kind kind;
    char epoch[BREAKER_EPOCH_SIZE];
    int64_t asked_ms;                   // clock_boot_ms
    char (*probes)[BREAKER_PROBE_SIZE]; // owned
    size_t probe_count;                 // those that are left
    size_t paced;                       // with GRANT_PACED: calls that are left
    int64_t granted_ms, call_us;        // and when, on Redis's clock; what a call costs of the rate
    uint64_t forgotten;                 // and by how often a GO had been forgotten (breaker_forget_go)
};

struct breaker;

// grant: the receiver's from here on; GRANT_NONE: ask again after wait_ms.
typedef void (*breaker_answer)(void *argument, struct grant grant, int64_t wait_ms);

struct breaker_options {
    enum provider provider;
    bool mock;                         // log with mock=true
    void (*on_closed)(void *argument); // this process saw it close: who waits may ask again
    void (*on_open)(void *argument);   // this process saw it open, or met it so
    void *argument;
};

struct breaker *breaker_create(const struct dispatch_env *env, const struct breaker_options *options);
// Every answer must have come (the link is gone).
void breaker_destroy(struct breaker *breaker);

// Asks for up to `want` calls. Returns 0 and answers once, maybe during this call; or -1 when the link isn't up: there
// will be no answer. A lost reply is answered with GRANT_NONE.
int breaker_ask(struct breaker *breaker, size_t want, breaker_answer answer, void *argument) MUST_CHECK;
// From the next answer on which Redis gives: where the breaker is open, that is probed at once rather than when it
// would be. (One that was opened by hand, or a pause, is not touched.)
void breaker_hasten(struct breaker *breaker);
// Whether a call may begin by it now and for margin_ms to come.
bool breaker_grant_is_good(const struct breaker *breaker, const struct grant *grant, int64_t margin_ms);
// Whether the provider may be called for longer than a grant lasts: its breaker is closed, or set so by hand, and no
// pause is on. (One whose rate is used up for the moment may.) By what this process was told of it within the last
// second, by whatever answer; false as well where that was nothing: breaker_is_known.
bool breaker_may_call(const struct breaker *breaker);
bool breaker_is_known(const struct breaker *breaker);
// Looks whether it may, and moves nothing. Returns 0 and calls done once, by then it is known or could not be read; or
// -1 when the link isn't up: it will not be called.
int breaker_look(struct breaker *breaker, void (*done)(void *argument), void *argument) MUST_CHECK;
// How many calls it is for: SIZE_MAX with a GO.
size_t breaker_grant_size(const struct grant *grant);
// Takes one call out of it; its probe goes into out (at least BREAKER_PROBE_SIZE bytes), "" where it isn't one. False
// when there is none left.
bool breaker_take_call(struct grant *grant, char *out) MUST_CHECK;
// Hands back what was not used, and empties it.
void breaker_give_up(struct breaker *breaker, struct grant *grant);

// What a call says of its provider, as breaker_record in redis/messaging.lua takes it.
enum breaker_word {
    BREAKER_NONE,    // nothing; a probe that comes back unused
    BREAKER_OK,      // it works
    BREAKER_FAIL,    // it failed: with enough of them the breaker opens
    BREAKER_TRIP,    // it opens at once
    BREAKER_REFUSED, // a probe was refused for what may be the message's own fault
    BREAKER_HELD,    // no call: a sender is held now
};

// What `count` calls in a row of one epoch came to; before they are settled, once a call.
// probe: the lease of the one call, or "". reason: what the breaker shows when this opens it.
struct breaker_result {
    const char *epoch;
    const char *probe;
    enum breaker_word word;
    const char *reason;
    int64_t count;
    int64_t pause_ms;
    // When the latest of them began that the provider accepted, ms since 1970 on Redis's clock; 0: it accepted none.
    int64_t accepted_ms;
    const char *sender; // with HELD: who is, by what was settled; else NULL
};
void breaker_record(struct breaker *breaker, const struct breaker_result *result);
// Every second: says again that senders are held, where it was too soon to judge by that.
void breaker_tick(struct breaker *breaker);
// When the latest call of the whole fleet began that the provider accepted, as far as this process was told: ms since
// 1970 on Redis's clock; 0: none is known.
int64_t breaker_accepted_ms(const struct breaker *breaker);
// A call just came back with what is going to stop the others: no more calls by a grant from before.
void breaker_forget_go(struct breaker *breaker);

#endif
