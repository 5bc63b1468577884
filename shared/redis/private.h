// SPDX-License-Identifier: MIT
#ifndef SHARED_REDIS_PRIVATE_H
#define SHARED_REDIS_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "shared/loop/resolve.h"
#include "shared/redis/conn.h"
#include "shared/redis/link.h"
#include "shared/redis/url.h"

// What redis/link.c (the life of the link), redis/setup.c (what it says first) and redis/probe.c (what it asks every
// second) share.

#define REDIS_SERVER_SIZE 64

enum redis_link_state {
    REDIS_LINK_WAITING, // for the next attempt
    REDIS_LINK_RESOLVING,
    REDIS_LINK_CONNECTING,
    REDIS_LINK_SETUP, // connected; authenticating, loading the library, …
    REDIS_LINK_UP,
    REDIS_LINK_DESTROYED,
};

struct redis_link {
    uv_loop_t *loop;
    struct redis_link_options options; // url is not kept: see `address`
    char *name;
    struct redis_url address;
    enum redis_link_state state;
    struct resolve *resolve; // while RESOLVING
    struct redis_conn *conn; // from CONNECTING to UP
    uv_timer_t retry;        // while WAITING
    uv_timer_t probe;        // while UP
    int open_handles;
    unsigned failures;           // in a row: the backoff's attempt, and which of the host's addresses is next
    char *complaint;             // the last trouble that was logged, so that each is logged once; NULL after an up
    char *reconnect_why;         // an error reply asked for it: done once what has arrived is handed on; else NULL
    bool library_queued;         // a FUNCTION LOAD is under way
    bool library_forbidden;      // its user may not load it
    bool info_waits, time_waits; // a probe is under way
    uint64_t generation;
    int64_t up_since_ms;     // clock_boot_ms
    int64_t clock_offset_us; // Redis's time since 1970 less our monotonic clock
    int64_t time_asked_us;   // clock_monotonic_us when TIME was sent last
    int64_t clock_set_ms;    // clock_boot_ms when that was last seen to have changed by much
    int memory_pct;
    char server[REDIS_SERVER_SIZE]; // its run id
    bool takes_all_slots;           // Redis said that it is no cluster
};

// Logs `why` unless it was the last thing logged, drops the connection, and tries again after a backoff.
void redis_link_fail(struct redis_link *link, const char *why);
// The same once what has arrived is handed on: for a reply's own callback.
void redis_link_fail_soon(struct redis_link *link, const char *why);
// Sends a command whatever the state; done gets the link as its argument.
void redis_link_send(struct redis_link *link, redis_link_reply done, int argc, const char **argv);
// The last reply of the setup has come.
void redis_link_ready(struct redis_link *link);

// Sends everything that comes before the link is up, as one pipeline; ends in redis_link_ready or redis_link_fail.
void redis_setup_start(struct redis_link *link);
// Why a Redis whose INFO says so takes no writes, a static sentence; NULL: it does, as far as INFO has it.
const char *redis_setup_judge_role(const redisReply *info);
// Queues FUNCTION LOAD of the library, unless one is under way.
void redis_setup_load_library(struct redis_link *link);

void redis_probe_start(struct redis_link *link);
void redis_probe_stop(struct redis_link *link);
// Asks for TIME, unless that is under way. Only while UP.
void redis_probe_time(struct redis_link *link);
// Takes the replies of TIME and INFO memory.
void redis_probe_take_time(struct redis_link *link, const redisReply *reply);
void redis_probe_take_memory(struct redis_link *link, const redisReply *reply);
// And of INFO server.
void redis_probe_take_server(struct redis_link *link, const redisReply *reply);

#endif
