// SPDX-License-Identifier: MIT
#include "persister/pace.h"

#define SECOND_US 1000000
#define MADE_UP_US 100000

void pace_start(struct pace *pace, int64_t rate, int64_t now_us) {
    *pace = (struct pace){.rate = rate, .next_us = now_us + SECOND_US / rate};
}

size_t pace_take(struct pace *pace, int64_t now_us, size_t most) {
    int64_t step_us = SECOND_US / pace->rate;
    int64_t made_up_us = step_us > MADE_UP_US ? step_us : MADE_UP_US;
    if (pace->next_us < now_us - made_up_us) {
        pace->next_us = now_us - made_up_us;
    }
    if (now_us < pace->next_us) {
        return 0;
    }
    size_t due = (size_t)((now_us - pace->next_us) / step_us) + 1;
    size_t taken = due < most ? due : most;
    pace->next_us += (int64_t)taken * step_us;
    return taken;
}
