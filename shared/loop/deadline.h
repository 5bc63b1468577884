// SPDX-License-Identifier: MIT
#ifndef SHARED_LOOP_DEADLINE_H
#define SHARED_LOOP_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

// A time-out for a queue of which only the oldest entry can be late. The timer is lazy: it fires, asks when it is due
// now, and sets itself again; so entries come and go at no cost. A process that was stopped and continued finds its
// timers due before it has read what came meanwhile; therefore what is late gets one more look before it is given up.
struct deadline {
    uv_timer_t timer; // timer.data is the deadline; close it with deadline_close
    bool second_look;
    int64_t (*due_ms)(const void *owner); // on deadline_now_ms's clock; -1: nothing waits
    void (*on_late)(void *owner);
    void *owner;
};

// In ms, never jumps. Not uv_now, which is as old as the turn of the loop.
int64_t deadline_now_ms(void);
// due_ms, on_late and owner are set by the caller.
void deadline_init(uv_loop_t *loop, struct deadline *deadline);
// Something may have begun to wait.
void deadline_watch(struct deadline *deadline);
void deadline_stop(struct deadline *deadline);
// done gets the timer's handle, whose data is `data` from here on.
void deadline_close(struct deadline *deadline, void *data, uv_close_cb done);

#endif
