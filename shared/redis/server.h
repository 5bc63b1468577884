// SPDX-License-Identifier: MIT
#ifndef SHARED_REDIS_SERVER_H
#define SHARED_REDIS_SERVER_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stdint.h>

#include "shared/base/mem.h"

// What a link knows of the Redis that it is connected to, from the replies of TIME and INFO. A reply of another type
// than these have changes nothing.

#define REDIS_SERVER_SIZE 64

struct redis_server {
    int64_t clock_offset_us; // its time since 1970 less our monotonic clock
    int64_t time_asked_us;   // clock_monotonic_us when TIME was sent last
    int64_t clock_set_ms;    // clock_boot_ms when its clock was last seen to have changed by much
    int memory_pct;          // used_memory / maxmemory; 0: no limit, or not known yet
    int64_t memory_max;      // maxmemory, in bytes; the same
    char run_id[REDIS_SERVER_SIZE];
    bool takes_all_slots; // it said that it is no cluster
};

// Until it has told its time, it is taken to have ours.
void redis_server_begin(struct redis_server *server);
void redis_server_take_time(struct redis_server *server, const redisReply *time);
// Takes INFO memory, and whether it is a cluster where INFO cluster is there.
void redis_server_take_memory(struct redis_server *server, const redisReply *info);
// Takes INFO server.
void redis_server_take_run_id(struct redis_server *server, const redisReply *info);

// Why a Redis whose INFO replication (and INFO sentinel, for the name of a master) says so takes no writes, and what to
// do about it: a sentence owned by the caller. NULL: it does take them, as far as INFO has it. announced: Sentinels
// have named it.
char *redis_server_judge_role(const redisReply *info, bool announced) MUST_CHECK;

#endif
