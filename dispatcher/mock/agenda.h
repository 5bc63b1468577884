// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_MOCK_AGENDA_H
#define DISPATCHER_MOCK_AGENDA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "shared/base/mem.h"

// What is to be done later, each thing at its time: a heap under one timer. It holds so many things and bytes at most,
// counted from when one is added until it is let go of, done or not.

struct mock_agenda;

struct mock_due {                       // embedded first in what is due
    void (*run)(struct mock_due *due);  // its time has come; its owner then lets go of it, or puts it off
    void (*drop)(struct mock_due *due); // the agenda ends before: frees it
    size_t bytes;                       // that it takes
    // the agenda's own
    struct mock_agenda *agenda;
    uint64_t at_ms, order;
};

struct mock_agenda *mock_agenda_create(uv_loop_t *loop, size_t most, size_t most_bytes);
// Runs it in delay_ms. False: there is no room, and nothing has changed.
bool mock_agenda_add(struct mock_agenda *agenda, struct mock_due *due, int64_t delay_ms) MUST_CHECK;
// Runs one again that has run: it has its place still.
void mock_agenda_put_off(struct mock_due *due, int64_t delay_ms);
// Gives up the place of one that has run.
void mock_agenda_let_go(struct mock_due *due);
// Drops what waits. Whatever has run and holds its place still must be let go of before.
void mock_agenda_destroy(struct mock_agenda *agenda);

#endif
