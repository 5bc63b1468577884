// SPDX-License-Identifier: MIT
#include "tests/support/probe.h"

#include <errno.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "shared/base/buf.h"
#include "shared/base/mem.h"

struct probe {
    uint16_t redis_port;
    char *postgres_url;
    redisContext *redis;
    PGconn *postgres;
};

struct probe *probe_create(uint16_t redis_port, const char *postgres_url) {
    struct probe *probe = xcalloc(1, sizeof *probe);
    probe->redis_port = redis_port;
    probe->postgres_url = xasprintf("%s?connect_timeout=2&application_name=test%s", postgres_url,
                                    strchr(postgres_url, ',') != NULL ? "&target_session_attrs=read-write" : "");
    return probe;
}

// A server that goes away says so to its clients; that is what the test wanted.
static void ignore_notice(void *argument, const char *message) {
    (void)argument;
    (void)message;
}

static void drop_redis(struct probe *probe) {
    if (probe->redis != NULL) {
        redisFree(probe->redis);
        probe->redis = NULL;
    }
}

static void drop_postgres(struct probe *probe) {
    if (probe->postgres != NULL) {
        PQfinish(probe->postgres);
        probe->postgres = NULL;
    }
}

void probe_use_redis(struct probe *probe, uint16_t port) {
    drop_redis(probe);
    probe->redis_port = port;
}

void probe_destroy(struct probe *probe) {
    if (probe != NULL) {
        drop_redis(probe);
        drop_postgres(probe);
        free(probe->postgres_url);
        free(probe);
    }
}

char *probe_vsql_text(struct probe *probe, const char *format, va_list arguments) {
    struct buf sql = {0};
    buf_vprintf(&sql, format, arguments);
    if (probe->postgres == NULL) {
        probe->postgres = PQconnectdb(probe->postgres_url);
        (void)PQsetNoticeProcessor(probe->postgres, ignore_notice, NULL);
    }
    char *text = NULL;
    PGresult *result = PQexec(probe->postgres, sql.data);
    if (PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) > 0 && !PQgetisnull(result, 0, 0)) {
        text = xstrdup(PQgetvalue(result, 0, 0));
    }
    PQclear(result);
    buf_free(&sql);
    if (PQstatus(probe->postgres) != CONNECTION_OK) {
        drop_postgres(probe);
    }
    return text;
}

int64_t probe_vsql(struct probe *probe, const char *format, va_list arguments) {
    char *text = probe_vsql_text(probe, format, arguments);
    int64_t number = text != NULL ? strtoll(text, NULL, 10) : PROBE_NONE;
    free(text);
    return number;
}

// Redis has ended or begun again since the last question.
static bool is_cut(const redisContext *redis) {
    char byte;
    ssize_t got = recv(redis->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

static redisContext *connected(struct probe *probe) {
    if (probe->redis != NULL && is_cut(probe->redis)) {
        drop_redis(probe);
    }
    if (probe->redis == NULL) {
        probe->redis = redisConnectWithTimeout("127.0.0.1", probe->redis_port, (struct timeval){.tv_sec = 2});
        if (probe->redis != NULL && probe->redis->err == 0) {
            (void)redisSetTimeout(probe->redis, (struct timeval){.tv_sec = 30});
        }
    }
    if (probe->redis != NULL && probe->redis->err != 0) {
        drop_redis(probe);
    }
    return probe->redis;
}

static redisReply *checked(struct probe *probe, redisReply *reply) {
    if (reply == NULL) {
        drop_redis(probe);
    }
    return reply;
}

redisReply *probe_vredis(struct probe *probe, const char *format, va_list arguments) {
    return connected(probe) != NULL ? checked(probe, redisvCommand(probe->redis, format, arguments)) : NULL;
}

redisReply *probe_redis_argv(struct probe *probe, int argc, const char **argv) {
    return connected(probe) != NULL ? checked(probe, redisCommandArgv(probe->redis, argc, argv, NULL)) : NULL;
}
