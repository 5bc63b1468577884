// SPDX-License-Identifier: MIT
#include "tests/support/wait.h"

#include <stdlib.h>

#include "shared/base/mem.h"

enum { TURN_MS = 5 };

static void on_timer(uv_timer_t *timer) {
    (void)timer;
}

static void free_timer(uv_handle_t *timer) {
    free(timer);
}

bool wait_turn(uv_loop_t *loop, int64_t deadline) {
    uv_timer_t *timer = xmalloc(sizeof *timer);
    uv_timer_init(loop, timer);
    // What the loop spends in its poll is a pause; what callbacks take, which may be at fault for not coming back,
    // isn't.
    uv_loop_configure(loop, UV_METRICS_IDLE_TIME);
    uint64_t idle_ns = uv_metrics_idle_time(loop);
    // It repeats: one that is due by the time the turn begins would be run before the poll, which then had no end.
    uv_timer_start(timer, on_timer, TURN_MS, TURN_MS);
    uv_run(loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)timer, free_timer);
    uv_run(loop, UV_RUN_NOWAIT);
    return !deadline_has_passed(deadline, (int64_t)(uv_metrics_idle_time(loop) - idle_ns) / 1000, TURN_MS);
}

void run_for(uv_loop_t *loop, int ms) {
    int64_t until = deadline_now() + ms;
    while (wait_turn(loop, until))
        continue;
}

void wait_closed(uv_loop_t *loop) {
    RUN_UNTIL(loop, 5000, !uv_loop_alive(loop));
    ck_assert_int_eq(uv_loop_close(loop), 0);
}
