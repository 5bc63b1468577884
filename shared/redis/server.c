// SPDX-License-Identifier: MIT
#include "shared/redis/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/redis/reply.h"

enum { CLOCK_SET_MS = 1000 }; // what a reply that is late, or a clock that drifts, doesn't make

void redis_server_begin(struct redis_server *server) {
    server->clock_offset_us = clock_unix_ms() * 1000 - clock_monotonic_us();
}

// Redis read its clock at some time between our question and now: what is known of it stays as far as that allows, for
// a reply that is read late would put it back by as much. One that is later still, as behind a blocking read, may hide
// that the clock was set: no more than CLOCK_SET_MS of its delay count.
static int64_t possible_offset_us(const struct redis_server *server, int64_t redis_us) {
    int64_t now_us = clock_monotonic_us(), late_us = now_us - server->time_asked_us;
    int64_t least_us = redis_us - now_us;
    int64_t most_us = least_us + (late_us < CLOCK_SET_MS * 1000 ? late_us : CLOCK_SET_MS * 1000);
    return server->clock_offset_us < least_us  ? least_us
           : server->clock_offset_us > most_us ? most_us
                                               : server->clock_offset_us;
}

void redis_server_take_time(struct redis_server *server, const redisReply *time) {
    if (redis_reply_number(time, 1, -1) < 0) {
        return;
    }
    int64_t redis_us = redis_reply_number(time, 0, 0) * 1000000 + redis_reply_number(time, 1, 0);
    int64_t offset_us = possible_offset_us(server, redis_us);
    if (llabs(offset_us - server->clock_offset_us) >= CLOCK_SET_MS * 1000) {
        server->clock_set_ms = clock_boot_ms();
    }
    server->clock_offset_us = offset_us;
}

void redis_server_take_memory(struct redis_server *server, const redisReply *info) {
    if (info->type != REDIS_REPLY_STRING) {
        return;
    }
    int64_t used = redis_info_number(info, "used_memory", 0), limit = redis_info_number(info, "maxmemory", 0);
    int64_t cluster = redis_info_number(info, "cluster_enabled", -1);
    if (cluster >= 0) {
        server->takes_all_slots = cluster == 0;
    }
    server->memory_max = limit;
    server->memory_pct = limit == 0 ? 0 : (int)((double)used * 100 / (double)limit);
}

void redis_server_take_run_id(struct redis_server *server, const redisReply *info) {
    const char *at = redis_info_text(info, "run_id", "");
    snprintf(server->run_id, sizeof server->run_id, "%.*s", (int)strcspn(at, "\r\n"), at);
}

static bool says(const redisReply *info, const char *line) {
    return info->type == REDIS_REPLY_STRING && strstr(info->str, line) != NULL;
}

// What stands behind "name" up to the line's or the value's end, or `otherwise`; owned by the caller.
static char *info_value(const redisReply *info, const char *name, const char *otherwise) {
    const char *text = redis_info_text(info, name, NULL);
    return text != NULL ? xstrndup(text, strcspn(text, "\r\n")) : xstrdup(otherwise);
}

// "name=mymaster,status=ok,…": what a Sentinel says of the first of its masters.
static char *judge_sentinel(const redisReply *info) {
    char *first = info_value(info, "master0", "");
    bool named = strncmp(first, "name=", 5) == 0;
    const char *name = named ? first + 5 : "name";
    char *why =
        xasprintf("this is a Sentinel and no Redis: REDIS_URL must be redis+sentinel://host:port,host:port/%.*s, "
                  "with all the Sentinels",
                  (int)strcspn(name, ","), name);
    free(first);
    return why;
}

static char *judge_replica(const redisReply *info, bool announced) {
    char *host = info_value(info, "master_host", "?"), *port = info_value(info, "master_port", "?");
    char *why = announced
                    ? xasprintf("the Redis that the Sentinels name is a replica, of %s port %s: it is no master yet, "
                                "or no longer one",
                                host, port)
                    : xasprintf("this Redis is a replica, of %s port %s, and takes no writes of ours: REDIS_URL must "
                                "name its master, or its Sentinels (redis+sentinel://host:port,host:port/name)",
                                host, port);
    free(host);
    free(port);
    return why;
}

char *redis_server_judge_role(const redisReply *info, bool announced) {
    if (says(info, "_mode:sentinel")) { // redis_mode, or Valkey's server_mode
        return judge_sentinel(info);
    }
    return says(info, "\nrole:slave") ? judge_replica(info, announced) : NULL;
}
