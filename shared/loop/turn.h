// SPDX-License-Identifier: MIT
#ifndef SHARED_LOOP_TURN_H
#define SHARED_LOOP_TURN_H

#include <uv.h>

// What is to be done once at the end of a turn of the loop, before it waits for anything: to send in one piece what the
// turn gathered, or to let go of something that can't go while it is in use.
struct turn {
    uv_idle_t idle; // its data is the owner; stopped, if it isn't to be done after all, and closed by the owner
    void (*run)(void *owner);
};

void turn_init(uv_loop_t *loop, struct turn *turn, void *owner);
// Calls run when this turn ends. Asked more than once in a turn it does so once, and what was asked for first.
void turn_at_end(struct turn *turn, void (*run)(void *owner));

#endif
