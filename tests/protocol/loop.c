// SPDX-License-Identifier: MIT
//
// In place of what the dispatcher uses of libuv: timers on the world's clock, and handles that run at the end of a
// turn. A program's own functions come before those of a shared library.
#include <stdio.h>
#include <stdlib.h>

#include "tests/protocol/process_private.h"

static uint64_t loop_now_ms(const uv_loop_t *loop) {
    const struct process *process = loop->data;
    return (uint64_t)process->world->boot_ms;
}

static void loop_add(uv_loop_t *loop, uv_handle_t *handle, uv_handle_type type) {
    struct process *process = loop->data;
    if (process->handle_count == MOST_HANDLES) {
        fprintf(stderr, "a process has more handles than the checker provides for\n");
        abort();
    }
    handle->loop = loop;
    handle->type = type;
    handle->close_cb = NULL;
    process->handles[process->handle_count++] = handle;
}

int uv_timer_init(uv_loop_t *loop, uv_timer_t *timer) {
    loop_add(loop, (uv_handle_t *)timer, UV_TIMER);
    timer->timer_cb = NULL;
    timer->timeout = timer->repeat = 0;
    return 0;
}

int uv_timer_start(uv_timer_t *timer, uv_timer_cb callback, uint64_t wait_ms, uint64_t repeat_ms) {
    timer->timer_cb = callback;
    timer->timeout = loop_now_ms(timer->loop) + wait_ms;
    timer->repeat = repeat_ms;
    return 0;
}

int uv_timer_stop(uv_timer_t *timer) {
    timer->timer_cb = NULL;
    return 0;
}

uint64_t uv_timer_get_due_in(const uv_timer_t *timer) {
    uint64_t now = loop_now_ms(timer->loop);
    return timer->timeout > now ? timer->timeout - now : 0;
}

int uv_idle_init(uv_loop_t *loop, uv_idle_t *idle) {
    loop_add(loop, (uv_handle_t *)idle, UV_IDLE);
    idle->idle_cb = NULL;
    return 0;
}

int uv_idle_start(uv_idle_t *idle, uv_idle_cb callback) {
    idle->idle_cb = callback;
    return 0;
}

int uv_idle_stop(uv_idle_t *idle) {
    idle->idle_cb = NULL;
    return 0;
}

int uv_is_active(const uv_handle_t *handle) {
    return handle->type == UV_TIMER ? ((const uv_timer_t *)handle)->timer_cb != NULL
                                    : ((const uv_idle_t *)handle)->idle_cb != NULL;
}

void uv_close(uv_handle_t *handle, uv_close_cb callback) {
    if (handle->type == UV_TIMER) {
        ((uv_timer_t *)handle)->timer_cb = NULL;
    } else {
        ((uv_idle_t *)handle)->idle_cb = NULL;
    }
    handle->close_cb = callback;
}

// Of those that are due the one that was due first; NULL: none is.
static uv_timer_t *loop_first_due(const struct process *process, uint64_t at_ms) {
    uv_timer_t *first = NULL;
    for (int i = 0; i < process->handle_count; i++) {
        uv_timer_t *timer = (uv_timer_t *)process->handles[i];
        bool due = timer->type == UV_TIMER && timer->timer_cb != NULL && timer->timeout <= at_ms;
        if (due && (first == NULL || timer->timeout < first->timeout)) {
            first = timer;
        }
    }
    return first;
}

void loop_run_timers(struct process *process) {
    uint64_t now = loop_now_ms(&process->loop);
    for (uv_timer_t *timer; (timer = loop_first_due(process, now)) != NULL;) {
        uv_timer_cb callback = timer->timer_cb;
        timer->timer_cb = timer->repeat > 0 ? callback : NULL;
        timer->timeout = now + timer->repeat;
        callback(timer);
    }
}

static void loop_close(struct process *process) {
    for (int i = 0; i < process->handle_count;) {
        uv_handle_t *handle = process->handles[i];
        if (handle->close_cb == NULL) {
            i++;
            continue;
        }
        process->handles[i] = process->handles[--process->handle_count];
        handle->close_cb(handle);
    }
}

void loop_end_turn(struct process *process) {
    for (int i = 0; i < process->handle_count; i++) {
        uv_idle_t *idle = (uv_idle_t *)process->handles[i];
        if (idle->type == UV_IDLE && idle->idle_cb != NULL) {
            idle->idle_cb(idle);
        }
    }
    loop_close(process);
}

int64_t loop_next_ms(const struct process *process) {
    const uv_timer_t *first = loop_first_due(process, UINT64_MAX);
    return first == NULL ? -1 : (int64_t)uv_timer_get_due_in(first);
}
