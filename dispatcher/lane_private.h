// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_LANE_PRIVATE_H
#define DISPATCHER_LANE_PRIVATE_H

#include <uv.h>

#include "dispatcher/holds.h"
#include "dispatcher/lane.h"
#include "dispatcher/parked.h"
#include "dispatcher/watch.h"

// What lane.c (what to do next), lane_take.c (reading and claiming) and lane_call.c (calling, renewing, giving back)
// share.

enum lane_step {
    LANE_READY,    // for the next step: nothing of these is under way
    LANE_HEALING,  // making the group
    LANE_ASKING,   // the breaker
    LANE_READING,  // XREADGROUP
    LANE_CLAIMING, // claim
    LANE_LOCATING, // asking where the group has read to
    LANE_REFUSED,  // may not go on before the timer fires
};

struct lane {
    const struct dispatch_env *env;
    struct lane_options options; // tag is not kept: see keys
    struct partition_keys keys;
    char *watch_name;
    struct watch *watch;
    struct parked *parked;
    struct holds *holds;
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
    struct lease_queue waiting; // read or claimed, to be called
    size_t waiting_count;
    size_t reserved;            // of the upstream's room, by the read or claim under way
    int64_t asked_ms;           // clock_boot_ms when that was sent
    size_t newer;               // entries of a newer format since the last log line
    char newest[ENTRY_ID_SIZE]; // the last of them
    unsigned ticks;
};

// The one place that changes the step.
void lane_change_step(struct lane *lane, enum lane_step step);
// Does what is to be done next, unless something is under way.
void lane_go_on(struct lane *lane);
// What any reply may say: the group is gone (it is made anew), or an error that is logged; then the lane waits a
// while. Of a LOST nothing is to be made: lane_down follows.
void lane_failed(struct lane *lane, const char *what, enum redis_result result, const redisReply *reply);
void lane_refuse(struct lane *lane, int64_t wait_ms);
// Frees a lease of which nothing is known any more.
void lane_drop(struct lease *lease);

// lane_take.c
void lane_read(struct lane *lane);
void lane_claim(struct lane *lane);
// Every second: says how many entries of a newer format were given back.
void lane_log_newer(struct lane *lane);

// lane_call.c
// Calls what waits, as far as the grant goes, and gives back the rest.
void lane_call_waiting(struct lane *lane);
void lane_wait(struct lane *lane, struct lease *lease);
void lane_give_back(struct lease *lease);
void lane_give_back_waiting(struct lane *lane);
void lane_drop_waiting(struct lane *lane);

// lane_admit.c
// Asks whether those may be called, and empties the queue: they come back to what waits, or are gone.
void lane_ask_admission(struct lane *lane, struct lease_queue *leases);

#endif
