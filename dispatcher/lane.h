// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_LANE_H
#define DISPATCHER_LANE_H

#include <stdbool.h>

#include "dispatcher/env.h"
#include "dispatcher/lease.h"
#include "dispatcher/settle.h"
#include "dispatcher/upstream.h"

// One provider:partition: takes entries from its `outbound` stream when they may be called, and has them called. lane.c
// has the design.

struct lane;

struct lane_options {
    const char *tag; // "sms-mms:0"
    struct upstream *upstream;
    struct settler *settler;
    void (*on_idle)(void *argument); // after lane_stop: nothing is held or under way any more
    void *argument;
};

// env, the upstream and the settler must outlive it. Works from lane_up on.
struct lane *lane_create(const struct dispatch_env *env, const struct lane_options *options);
// The link is up; is down, after every reply that was awaited had its LOST.
void lane_up(struct lane *lane);
void lane_down(struct lane *lane);
// Every second.
void lane_tick(struct lane *lane);
// A lease's entry is settled; it is freed here.
void lane_settled(struct lease *lease);
// By a lease that is about to be settled its sender is held now.
void lane_hold_sender(const struct lease *lease);
// Takes nothing more: gives back what was not called; what is in flight goes on.
void lane_stop(struct lane *lane);
bool lane_is_idle(const struct lane *lane);
// Breaks off the calls. The link must be gone. Frees itself once its handles have closed.
void lane_destroy(struct lane *lane);

#endif
