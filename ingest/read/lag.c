// SPDX-License-Identifier: MIT
#include "ingest/read/lag.h"

#include <string.h>

// Where there is no room, the last mark moves on, under its time: who has been behind for so long must catch up with it
// before he counts as near again.
void lag_mark(struct lag *lag, int64_t position, int64_t asked_ms) {
    if (lag->count < LAG_MARKS) {
        lag->marks[lag->count++] = (struct lag_mark){position, asked_ms};
    } else {
        lag->marks[LAG_MARKS - 1].position = position;
    }
}

void lag_reach(struct lag *lag, int64_t position) {
    size_t reached = 0;
    while (reached < lag->count && lag->marks[reached].position <= position) {
        reached++;
    }
    lag->count -= reached;
    memmove(lag->marks, lag->marks + reached, lag->count * sizeof *lag->marks);
}

int64_t lag_ms(const struct lag *lag, int64_t now_ms) {
    return lag->count > 0 ? now_ms - lag->marks[0].asked_ms : 0;
}

void lag_forget(struct lag *lag) {
    lag->count = 0;
}
