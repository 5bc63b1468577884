// SPDX-License-Identifier: MIT
#ifndef TESTS_PROTOCOL_PROCESS_H
#define TESTS_PROTOCOL_PROCESS_H

#include "tests/protocol/world.h"

// A dispatcher: everything from dispatcher/dispatcher.h down to shared/redis/link.h is what ships. What lies below is
// put here, at link time, behind the headers of the product: the loop (loop.c), the clocks (clock.c), the connection to
// Redis (conn.c), the calls of the provider (provider.c), the log (log.c). Counters and heartbeats are left out
// (quiet.c).
//
// It moves when it is told to: one turn of its loop at a time, of which the seed says how far Redis gets meanwhile.

struct program; // what it runs

// It isn't running; its first turn starts it. world and name must outlive it.
struct process *process_create(struct world *world, const struct program *program, const char *name);
extern const struct program process_dispatcher, process_persister;
// NULL is nothing.
void process_destroy(struct process *process);
const char *process_name(const struct process *process);
// SIGSTOP: whether its turns are Redis's alone.
bool *process_stopped(struct process *process);
// SIGSTOP the next time that Redis has given it entries and it doesn't know it yet, for as long as they are its own.
void process_stop_soon(struct process *process);
void process_turn(struct process *process);
// Some of its calls of the provider end in this turn.
void process_end_calls(struct process *process);
// Postgres does what it was asked for.
void process_commit(struct process *process);
// SIGKILL: what it has sent is run, or not; its next turn starts it again.
void process_kill(struct process *process);
// Its connections break, and what is on its way is gone.
void process_disconnect(struct process *process);
// What it holds may be called once more by another: a fault came between.
void process_hit(struct process *process);
// It makes no call, and waits for no answer of Redis or Postgres to anything that changes something.
bool process_is_idle(const struct process *process);

#endif
