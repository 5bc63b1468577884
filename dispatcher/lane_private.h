// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_LANE_PRIVATE_H
#define DISPATCHER_LANE_PRIVATE_H

#include <uv.h>

#include "dispatcher/due.h"
#include "dispatcher/erasures.h"
#include "dispatcher/holds.h"
#include "dispatcher/lease.h"
#include "dispatcher/opt_outs.h"
#include "dispatcher/settle.h"
#include "dispatcher/upstream.h"
#include "dispatcher/watch.h"

// What the files of a lane share. From the top: lane.c (what to do next), lane_take.c (reading and claiming),
// lane_call.c (calling), lane_admit.c (asking for a message whose sender is held, or recipient may have opted out),
// lane_lease.c (waiting, renewing, giving back).

// How long it lasts, from asking, that a held sender's message was admitted: at Redis it does so for as much longer as
// a call may last.
enum { ADMISSION_MS = 2000 };

enum lane_step {
    LANE_READY,    // for the next step: nothing of these is under way
    LANE_HEALING,  // making the group
    LANE_LOOKING,  // at who has opted out
    LANE_ASKING,   // the breaker
    LANE_READING,  // XREADGROUP
    LANE_CLAIMING, // claim
    LANE_LOCATING, // asking where the group has read to
    LANE_REFUSED,  // may not go on before the timer fires
};

struct lane {
    const struct dispatch_env *env;
    struct upstream *upstream;
    struct settler *settler;
    struct partition_keys keys;
    void (*on_idle)(void *argument);
    void *argument;
    // By what has come of its leases there may be something to do. For the files below lane.c.
    void (*go_on)(struct lane *lane);
    char *watch_name;
    struct watch *watch;
    struct due *due;
    struct holds *holds;
    struct opt_outs *opt_outs;
    struct erasures *erasures;
    uv_timer_t refusal; // while REFUSED

    enum lane_step step;
    bool has_group;    // since the link came up
    bool more;         // something may be there to be read
    bool claim_due;    // something may be there to be claimed
    bool backlog_full; // `events` holds too much: the persister doesn't follow
    bool stopping;
    char after[ENTRY_ID_SIZE]; // everything up to here was delivered to the group
    struct grant grant;

    struct lease_table *leases;
    struct lease_queue taken;   // read or claimed by the reply at hand, not looked at yet
    struct lease_queue waiting; // read or claimed, to be called
    size_t waiting_count;
    size_t reserved;            // of the upstream's room, by the read or claim under way
    int64_t asked_ms;           // clock_boot_ms when that was sent
    struct entries_newer newer; // since the last tick
    unsigned ticks;
};

// lane_take.c
// Each asks Redis for something. Returns 0, and done gets the lane and the answer; or -1 when the link isn't up.
int lane_send_group(struct lane *lane, redis_link_reply done) MUST_CHECK;
int lane_send_locate(struct lane *lane, redis_link_reply done) MUST_CHECK;
// These two hold room for what they may bring, until lane_release_reserved.
// What may be called of what comes behind it: opt_outs.h, erasures.h. done: with the last of the answers; may be NULL.
int lane_send_look(struct lane *lane, redis_link_reply done) MUST_CHECK;
int lane_send_read(struct lane *lane, redis_link_reply done) MUST_CHECK;
int lane_send_claim(struct lane *lane, redis_link_reply done) MUST_CHECK;
void lane_release_reserved(struct lane *lane);
// Take an answer that is no error. What was read or claimed is in `taken` then: FINISHED what can't be read, RETURNING
// what is of a newer format, WAITING what is to be called; of poison Redis is told.
void lane_take_located(struct lane *lane, const redisReply *reply);
size_t lane_take_read(struct lane *lane, const redisReply *reply); // returns how many entries came
void lane_take_claimed(struct lane *lane, const redisReply *reply);

// lane_call.c
// Calls what waits, as far as the grant goes, and gives back the rest.
void lane_call_waiting(struct lane *lane);

// lane_admit.c
// Asks whether those may be called, and empties the queue: they come back to what waits, or are gone.
void lane_ask_admission(struct lane *lane, struct lease_queue *leases);

// lane_lease.c
void lane_wait(struct lease *lease);
struct lease *lane_next_waiting(struct lane *lane); // takes it out; NULL: none waits
void lane_renew(struct lease *lease);
void lane_give_back(struct lease *lease);
void lane_give_back_waiting(struct lane *lane);
// Frees a lease of which nothing is known any more.
void lane_drop(struct lease *lease);
void lane_drop_waiting(struct lane *lane);

#endif
