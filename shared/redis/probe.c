// SPDX-License-Identifier: MIT
//
// What an idle link asks every second: how full Redis is, whether it is still a master, and what time it has, for its
// clock may be set. It finds a dead connection, too: without calls there would be nothing to be late.
#include "shared/redis/private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"

enum {
    PROBE_MS = 1000,
    CLOCK_SET_MS = 1000, // what a reply that is late, or a clock that drifts, doesn't make
};

// Redis read its clock at some time between our question and now: what is known of it stays as far as that allows, for
// a reply that is read late would put it back by as much. One that is later still, as behind a blocking read, may hide
// that the clock was set: no more than CLOCK_SET_MS of its delay count.
static int64_t possible_offset_us(const struct redis_link *link, int64_t redis_us) {
    int64_t now_us = clock_monotonic_us(), late_us = now_us - link->time_asked_us;
    int64_t least_us = redis_us - now_us;
    int64_t most_us = least_us + (late_us < CLOCK_SET_MS * 1000 ? late_us : CLOCK_SET_MS * 1000);
    return link->clock_offset_us < least_us  ? least_us
           : link->clock_offset_us > most_us ? most_us
                                             : link->clock_offset_us;
}

void redis_probe_take_time(struct redis_link *link, const redisReply *reply) {
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 || !reply->element[0]->str ||
        !reply->element[1]->str) {
        return;
    }
    int64_t redis_us = strtoll(reply->element[0]->str, NULL, 10) * 1000000 + strtoll(reply->element[1]->str, NULL, 10);
    int64_t offset_us = possible_offset_us(link, redis_us);
    if (llabs(offset_us - link->clock_offset_us) >= CLOCK_SET_MS * 1000) {
        link->clock_set_ms = clock_boot_ms();
    }
    link->clock_offset_us = offset_us;
}

// The number behind "\n<field>:" of an INFO reply, 0 when it isn't there.
static unsigned long long redis_probe_info_number(const char *info, const char *field) {
    size_t length = strlen(field);
    for (const char *line = info; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, field, length) == 0 && line[length] == ':') {
            return strtoull(line + length + 1, NULL, 10);
        }
    }
    return 0;
}

void redis_probe_take_memory(struct redis_link *link, const redisReply *reply) {
    if (reply->type != REDIS_REPLY_STRING) {
        return;
    }
    unsigned long long used = redis_probe_info_number(reply->str, "used_memory");
    unsigned long long limit = redis_probe_info_number(reply->str, "maxmemory");
    if (strstr(reply->str, "cluster_enabled:")) {
        link->takes_all_slots = redis_probe_info_number(reply->str, "cluster_enabled") == 0;
    }
    link->memory_pct = limit == 0 ? 0 : (int)((double)used * 100 / (double)limit);
}

void redis_probe_take_server(struct redis_link *link, const redisReply *reply) {
    const char *at = reply->type == REDIS_REPLY_STRING ? strstr(reply->str, "\nrun_id:") : NULL;
    at = at ? at + strlen("\nrun_id:") : "";
    snprintf(link->server, sizeof link->server, "%.*s", (int)strcspn(at, "\r\n"), at);
}

static void redis_probe_on_memory(void *argument, enum redis_result result, const redisReply *reply) {
    struct redis_link *link = argument;
    if (result == REDIS_LINK_LOST) {
        return;
    }
    link->info_waits = false;
    if (result != REDIS_LINK_OK) {
        return;
    }
    redis_probe_take_memory(link, reply);
    const char *trouble = redis_setup_judge_role(reply); // a master may have become a replica meanwhile
    if (trouble) {
        redis_link_fail_soon(link, trouble);
    }
}

static void redis_probe_on_time(void *argument, enum redis_result result, const redisReply *reply) {
    struct redis_link *link = argument;
    if (result == REDIS_LINK_LOST) {
        return;
    }
    link->time_waits = false;
    if (result == REDIS_LINK_OK) {
        redis_probe_take_time(link, reply);
    }
}

void redis_probe_time(struct redis_link *link) {
    const char *time[] = {"TIME"};
    if (!link->time_waits) {
        link->time_waits = true;
        link->time_asked_us = clock_monotonic_us();
        redis_link_send(link, redis_probe_on_time, 1, time);
    }
}

static void redis_probe_on_reply(uv_timer_t *timer) {
    struct redis_link *link = timer->data;
    const char *memory[] = {"INFO", "memory", "replication"};
    if (!link->info_waits) { // behind a blocking read it may wait for longer than a second
        link->info_waits = true;
        redis_link_send(link, redis_probe_on_memory, 3, memory);
    }
    redis_probe_time(link);
}

void redis_probe_start(struct redis_link *link) {
    uv_timer_start(&link->probe, redis_probe_on_reply, PROBE_MS, PROBE_MS);
}

void redis_probe_stop(struct redis_link *link) {
    uv_timer_stop(&link->probe);
}
