// SPDX-License-Identifier: MIT
//
// What an idle link asks every second: how full Redis is, whether it is still a master, and what time it has, for its
// clock may be set. It finds a dead connection, too: without calls there would be nothing to be late.
#include "shared/redis/probe.h"

#include <stdlib.h>

#include "shared/base/clock.h"

enum { PROBE_MS = 1000 };

static void redis_probe_on_memory(void *argument, enum redis_result result, const redisReply *reply) {
    struct redis_probe *probe = argument;
    if (result == REDIS_LINK_LOST) {
        return;
    }
    probe->info_waits = false;
    if (result != REDIS_LINK_OK) {
        return;
    }
    redis_server_take_memory(probe->server, reply);
    char *trouble = redis_server_judge_role(reply, probe->announced); // a master may have become a replica meanwhile
    if (trouble != NULL) {
        probe->on_trouble(probe->owner, trouble);
    }
    free(trouble);
}

static void redis_probe_on_time(void *argument, enum redis_result result, const redisReply *reply) {
    struct redis_probe *probe = argument;
    if (result == REDIS_LINK_LOST) {
        return;
    }
    probe->time_waits = false;
    if (result == REDIS_LINK_OK) {
        redis_server_take_time(probe->server, reply);
    }
}

void redis_probe_time(struct redis_probe *probe) {
    const char *time[] = {"TIME"};
    if (!probe->time_waits) {
        probe->time_waits = true;
        probe->server->time_asked_us = clock_monotonic_us();
        redis_conn_send(probe->conn, 0, redis_probe_on_time, probe, 1, time, NULL);
    }
}

static void redis_probe_on_timer(uv_timer_t *timer) {
    struct redis_probe *probe = timer->data;
    const char *memory[] = {"INFO", "memory", "replication"};
    probe->on_look(probe->owner);
    if (probe->conn == NULL) {
        return;
    }
    if (!probe->info_waits) { // behind a blocking read it may wait for longer than a second
        probe->info_waits = true;
        redis_conn_send(probe->conn, 0, redis_probe_on_memory, probe, 3, memory, NULL);
    }
    redis_probe_time(probe);
}

void redis_probe_init(uv_loop_t *loop, struct redis_probe *probe) {
    probe->timer.data = probe;
    uv_timer_init(loop, &probe->timer);
}

void redis_probe_start(struct redis_probe *probe, struct redis_conn *conn) {
    probe->conn = conn;
    uv_timer_start(&probe->timer, redis_probe_on_timer, PROBE_MS, PROBE_MS);
}

void redis_probe_stop(struct redis_probe *probe) {
    probe->conn = NULL;
    probe->info_waits = probe->time_waits = false;
    uv_timer_stop(&probe->timer);
}

void redis_probe_close(struct redis_probe *probe, void *data, uv_close_cb on_closed) {
    probe->timer.data = data;
    uv_close((uv_handle_t *)&probe->timer, on_closed);
}
