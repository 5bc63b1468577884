// SPDX-License-Identifier: MIT
#include "shared/loop/turn.h"

void turn_init(uv_loop_t *loop, struct turn *turn, void *owner) {
    uv_idle_init(loop, &turn->idle);
    turn->idle.data = owner;
}

static void turn_on_end(uv_idle_t *idle) {
    const struct turn *turn = (const struct turn *)idle;
    uv_idle_stop(idle);
    turn->run(idle->data);
}

void turn_at_end(struct turn *turn, void (*run)(void *owner)) {
    if (!uv_is_active((uv_handle_t *)&turn->idle)) {
        turn->run = run;
        uv_idle_start(&turn->idle, turn_on_end);
    }
}
