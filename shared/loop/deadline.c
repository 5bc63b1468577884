// SPDX-License-Identifier: MIT
#include "shared/loop/deadline.h"

enum { SECOND_LOOK_MS = 10 };

int64_t deadline_now_ms(void) {
    return (int64_t)(uv_hrtime() / 1000000);
}

static void deadline_look(struct deadline *deadline);

static void deadline_on_timer(uv_timer_t *timer) {
    deadline_look(timer->data);
}

static void deadline_look(struct deadline *deadline) {
    int64_t due = deadline->due_ms(deadline->owner);
    int64_t left = due - deadline_now_ms();
    if (due < 0 || left > 0) {
        deadline->second_look = false;
        if (due >= 0) {
            uv_timer_start(&deadline->timer, deadline_on_timer, (uint64_t)left, 0);
        }
    } else if (!deadline->second_look) {
        deadline->second_look = true;
        uv_timer_start(&deadline->timer, deadline_on_timer, SECOND_LOOK_MS, 0);
    } else {
        deadline->second_look = false;
        deadline->on_late(deadline->owner);
    }
}

void deadline_init(uv_loop_t *loop, struct deadline *deadline) {
    deadline->second_look = false;
    deadline->timer.data = deadline;
    uv_timer_init(loop, &deadline->timer);
}

void deadline_watch(struct deadline *deadline) {
    if (!uv_is_active((uv_handle_t *)&deadline->timer)) {
        deadline_look(deadline);
    }
}

void deadline_stop(struct deadline *deadline) {
    deadline->second_look = false;
    uv_timer_stop(&deadline->timer);
}

void deadline_close(struct deadline *deadline, void *data, uv_close_cb done) {
    deadline->timer.data = data;
    uv_close((uv_handle_t *)&deadline->timer, done);
}
