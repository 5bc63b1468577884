// SPDX-License-Identifier: MIT
#include "dispatcher/mock/agenda.h"

#include <stdlib.h>

struct mock_agenda {
    uv_timer_t timer;
    struct mock_due **heap; // the first is due first
    size_t waiting, room;
    size_t held, held_bytes, most, most_bytes;
    uint64_t next_order; // of two that are due at once the one that came first goes first
};

static bool is_before(const struct mock_due *one, const struct mock_due *other) {
    return one->at_ms != other->at_ms ? one->at_ms < other->at_ms : one->order < other->order;
}

static void rise(struct mock_agenda *agenda, size_t at) {
    struct mock_due *due = agenda->heap[at];
    for (size_t above; at > 0 && is_before(due, agenda->heap[above = (at - 1) / 2]); at = above) {
        agenda->heap[at] = agenda->heap[above];
        agenda->heap[above] = due;
    }
}

static void sink(struct mock_agenda *agenda, size_t at) {
    for (size_t below; (below = 2 * at + 1) < agenda->waiting; at = below) {
        if (below + 1 < agenda->waiting && is_before(agenda->heap[below + 1], agenda->heap[below])) {
            below++;
        }
        if (!is_before(agenda->heap[below], agenda->heap[at])) {
            return;
        }
        struct mock_due *due = agenda->heap[at];
        agenda->heap[at] = agenda->heap[below];
        agenda->heap[below] = due;
    }
}

static struct mock_due *mock_agenda_take_first(struct mock_agenda *agenda) {
    struct mock_due *first = agenda->heap[0];
    agenda->heap[0] = agenda->heap[--agenda->waiting];
    sink(agenda, 0);
    return first;
}

static void mock_agenda_on_timer(uv_timer_t *timer);

static void mock_agenda_set_timer(struct mock_agenda *agenda) {
    if (agenda->waiting == 0) {
        uv_timer_stop(&agenda->timer);
        return;
    }
    uint64_t now = uv_now(agenda->timer.loop), at = agenda->heap[0]->at_ms;
    uv_timer_start(&agenda->timer, mock_agenda_on_timer, at > now ? at - now : 0, 0);
}

// Those alone that are due when it begins: one that puts itself off for no time waits for the next turn.
static void mock_agenda_on_timer(uv_timer_t *timer) {
    struct mock_agenda *agenda = timer->data;
    uint64_t now = uv_now(timer->loop), last = agenda->next_order;
    while (agenda->waiting > 0 && agenda->heap[0]->at_ms <= now && agenda->heap[0]->order < last) {
        struct mock_due *due = mock_agenda_take_first(agenda);
        due->run(due);
    }
    mock_agenda_set_timer(agenda);
}

static void mock_agenda_put(struct mock_agenda *agenda, struct mock_due *due, int64_t delay_ms) {
    if (agenda->waiting == agenda->room) {
        agenda->room = agenda->room == 0 ? 64 : 2 * agenda->room;
        agenda->heap = xrealloc(agenda->heap, agenda->room * sizeof *agenda->heap);
    }
    due->at_ms = uv_now(agenda->timer.loop) + (uint64_t)delay_ms;
    due->order = agenda->next_order++;
    agenda->heap[agenda->waiting++] = due;
    rise(agenda, agenda->waiting - 1);
    if (agenda->heap[0] == due) {
        mock_agenda_set_timer(agenda);
    }
}

bool mock_agenda_add(struct mock_agenda *agenda, struct mock_due *due, int64_t delay_ms) {
    if (agenda->held == agenda->most || due->bytes > agenda->most_bytes - agenda->held_bytes) {
        return false;
    }
    agenda->held++;
    agenda->held_bytes += due->bytes;
    due->agenda = agenda;
    mock_agenda_put(agenda, due, delay_ms);
    return true;
}

void mock_agenda_put_off(struct mock_due *due, int64_t delay_ms) {
    mock_agenda_put(due->agenda, due, delay_ms);
}

void mock_agenda_let_go(struct mock_due *due) {
    due->agenda->held--;
    due->agenda->held_bytes -= due->bytes;
}

struct mock_agenda *mock_agenda_create(uv_loop_t *loop, size_t most, size_t most_bytes) {
    struct mock_agenda *agenda = xcalloc(1, sizeof *agenda);
    agenda->most = most;
    agenda->most_bytes = most_bytes;
    agenda->timer.data = agenda;
    uv_timer_init(loop, &agenda->timer);
    return agenda;
}

static void mock_agenda_on_closed(uv_handle_t *handle) {
    free(handle->data);
}

void mock_agenda_destroy(struct mock_agenda *agenda) {
    for (size_t i = 0; i < agenda->waiting; i++) {
        agenda->heap[i]->drop(agenda->heap[i]);
    }
    free(agenda->heap);
    uv_close((uv_handle_t *)&agenda->timer, mock_agenda_on_closed);
}
