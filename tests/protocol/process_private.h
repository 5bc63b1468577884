// SPDX-License-Identifier: MIT
#ifndef TESTS_PROTOCOL_PROCESS_PRIVATE_H
#define TESTS_PROTOCOL_PROCESS_PRIVATE_H

#include <uv.h>

#include "shared/redis/link.h"
#include "tests/protocol/process.h"

// What the parts of a process share.

enum { MOST_HANDLES = 64, MOST_HELD = 32 };

// An entry that it was given and hasn't let go of, by what it asked and was answered.
struct held {
    char entry[ENTRY_SIZE]; // "": none
    int count;
    int64_t dated_ms;    // when what brought it was sent
    int call;            // of the provider, in the ledger; -1: none
    bool hit;            // a fault has taken it away, unnoticed
    bool of_a_hold;      // it may be called as its sender's one probe
    int64_t admitted_ms; // since when
};

struct program {
    void *(*start)(struct process *process);
    void (*end)(void *running);  // lets go of everything
    void (*free)(void *running); // once its handles have closed
    bool dispatches;
};

struct process {
    struct world *world;
    const char *name;
    bool stopped, stops_soon;
    const struct program *program;
    void *running;  // the program's own; NULL: it isn't running
    uv_loop_t loop; // its data is the process
    uv_handle_t *handles[MOST_HANDLES];
    int handle_count;
    struct redis_conn *conns; // newest first
    struct call *calls;       // of the provider, newest first
    struct pg_link *database; // a persister's; or NULL
    struct held held[MOST_HELD];
};

// A command on its way, and its reply on the way back.
struct pending {
    struct command command;
    redis_link_reply done; // may be NULL
    void *argument;
    int64_t sent_ms;  // of the processes' clock
    int64_t block_ms; // a read that may wait for so long
    redisReply *reply;
    bool hit; // a fault came between the command's run and its reply
    struct pending *next;
};

// loop.c: runs what is due, and what waits for the end of a turn; closes what is to be closed.
void loop_run_timers(struct process *process);
void loop_end_turn(struct process *process);
// The ms until the next timer is due; -1: none runs.
int64_t loop_next_ms(const struct process *process);

// conn.c
void conn_begin_all(struct process *process);   // what connects is connected; what broke is told so
void conn_run_all(struct process *process);     // Redis runs what was sent, or some of it
void conn_deliver_all(struct process *process); // replies arrive, or some of them
void conn_flush(struct process *process);       // Redis runs what was sent
void conn_break_all(struct process *process);
void conn_hit_all(struct process *process);
void conn_free_dropped(struct process *process);
bool conn_brings_entries(const struct process *process); // Redis has given it some, and it hasn't read so
bool conn_is_quiet(const struct process *process);

// provider.c
void provider_begin_calls(struct process *process);
void provider_end_calls(struct process *process);

// database.c
void database_work(struct process *process);    // Postgres does what it was asked for
void database_deliver(struct process *process); // its answer arrives; or the session begins
bool database_is_quiet(const struct process *process);

// clock.c: the clocks are this world's; NULL: the machine's.
void clock_follow(struct world *world);
const struct world *clock_world(void);
// log.c: what is logged is this process's, and stands in its world's trace; NULL: nobody's.
void log_follow(struct process *process);
const struct process *log_process(void);

// witness.c: what commands and their replies say of what a process does.
struct held *witness_find(struct process *process, const char *entry); // NULL: it holds no such entry
// A command is run, now or later.
void witness_noted(struct process *process, const struct pending *pending);
// Runs a command with what it and its reply are to be measured by.
redisReply *witness_run(struct process *process, struct pending *pending);
// The process has the reply.
void witness_delivered(struct process *process, const struct pending *pending);
// Its connection is gone: what it hasn't called it drops.
void witness_disconnected(struct process *process);

#endif
