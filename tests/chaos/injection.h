// SPDX-License-Identifier: MIT
#ifndef TESTS_CHAOS_INJECTION_H
#define TESTS_CHAOS_INJECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/chaos/dice.h"
#include "tests/chaos/report.h"
#include "tests/chaos/world.h"

// What is done to the world: begun, held for a while, ended. The end is the moment from which things may recover: the
// process has been started again, the bytes flow.

enum injection_kind {
    INJECT_KILL,             // kill -9; started again at the end
    INJECT_STOP,             // SIGSTOP for longer than the claim time-out; SIGCONT at the end
    INJECT_STOP_BACKEND,     // the same to one of Postgres's processes that serve us
    INJECT_RESTART,          // an orderly end
    INJECT_GROUP_DESTROY,    // of a consumer group
    INJECT_FUNCTION_FLUSH,   // of the function library
    INJECT_RESET,            // TCP resets on all connections of a pair
    INJECT_BLACK_HOLE,       // what a pair says to one another is swallowed
    INJECT_DELAY,            // what a pair says to one another comes later
    INJECT_POOLER_RELOAD,    // by the pooler's console
    INJECT_POOLER_RECONNECT, // the same
    INJECT_POOLER_KILL,      // the same: all connections of the database are dropped, new ones wait until the end
    INJECT_FULL_DISK,        // Redis ends itself; there is room again at the end, and it is started
    INJECT_FAIL_OVER,        // by the Sentinels, on demand
    INJECT_LOSE_MASTER,      // kill -9 until the Sentinels have switched; started again at the end, as a master
    INJECT_STOP_MASTER,   // SIGSTOP until the Sentinels have switched; SIGCONT at the end, and it goes on as a master
    INJECT_KILL_SENTINEL, // kill -9; started again at the end
    INJECT_KINDS
};

struct injection {
    enum injection_kind kind;
    char target[48]; // a process ("ingest-1"; "master", "replica": of the two Redis), a pair ("ingest-1 to redis"), a
                     // stream ("outbound:{email:0}")
    int64_t hold_ms;
    int64_t began_ms, ended_ms; // ms since 1970; 0: not yet
    int32_t process;            // INJECT_STOP_BACKEND
    const char *server;         // who is the master or the replica at its beginning, by its name; else NULL
};

// Adds to `out` one of each kind and target that this world allows. Returns how many; at most room.
size_t injection_all(const struct world *world, struct injection *out, size_t room);
// "kill -9 ingest": without the copy's number, for tables.
void injection_label(const struct injection *injection, char *out, size_t size);
// Whether it can begin now: of two Redis one is broken only while both are sound.
bool injection_may_begin(const struct injection *injection, const struct world *world);
// Whether both can be on at once.
bool injection_may_meet(const struct injection *one, const struct injection *other);

// Draws how long it holds, and begins.
void injection_begin(struct injection *injection, struct world *world, struct dice *dice);
// Whether it can end now.
bool injection_is_over(const struct injection *injection, struct world *world);
void injection_end(struct injection *injection, struct world *world, struct report *report);
// The process that it has taken away or stopped; NULL when there is none.
const char *injection_process(const struct injection *injection);

// Whether a provider call may have been made a second time because of it, where it was on at the time.
bool injection_repeats_calls(const struct injection *injection);
// Whether the Sentinels may have switched because of it, and so Redis have forgotten what only the old master knew.
bool injection_forgets(const struct injection *injection);
// Whether a dispatcher may not have logged what Redis did for it, where it was on at the time.
bool injection_loses_lines(const struct injection *injection);
// Whether an ingest forgets which formats the others read, and so accepts sends that take no turn for a while.
bool injection_forgets_formats(const struct injection *injection);

#endif
