// SPDX-License-Identifier: MIT
#ifndef TESTS_SUPPORT_PROBE_H
#define TESTS_SUPPORT_PROBE_H

#include <hiredis/hiredis.h>
#include <stdarg.h>
#include <stdint.h>

// Looks into a private Redis and a private Postgres; each connection is made again where it has broken, so that a
// condition may be asked while the server is away.

struct probe;

struct probe *probe_create(uint16_t redis_port, const char *postgres_url);
void probe_destroy(struct probe *probe);
// It looks into the Redis at this port from here on.
void probe_use_redis(struct probe *probe, uint16_t port);

// The first column of the first row as a number; PROBE_NONE when there is no row, it is NULL, or it can't be asked.
#define PROBE_NONE INT64_MIN
int64_t probe_vsql(struct probe *probe, const char *format, va_list arguments) __attribute__((format(printf, 2, 0)));
// The same as a text owned by the caller, or NULL.
char *probe_vsql_text(struct probe *probe, const char *format, va_list arguments) __attribute__((format(printf, 2, 0)));
// A command in hiredis's format; the reply (released with freeReplyObject), or NULL when Redis can't be asked.
redisReply *probe_vredis(struct probe *probe, const char *format, va_list arguments);
redisReply *probe_redis_argv(struct probe *probe, int argc, const char **argv);

#endif
