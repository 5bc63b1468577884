// SPDX-License-Identifier: MIT
#ifndef PERSISTER_PACE_H
#define PERSISTER_PACE_H

#include <stddef.h>
#include <stdint.h>

// So many steps a second, evenly: each has its moment, and what was missed is made up for at most a tenth of a second
// (or for one step), so that no second holds more than the rate and a tenth of it.

struct pace {
    int64_t rate;    // steps a second, from 1
    int64_t next_us; // the moment of the next step, clock_monotonic_us
};

void pace_start(struct pace *pace, int64_t rate, int64_t now_us);
// How many steps are due, at most `most`; they count as taken.
size_t pace_take(struct pace *pace, int64_t now_us, size_t most);

#endif
