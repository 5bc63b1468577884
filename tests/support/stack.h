// SPDX-License-Identifier: MIT
#ifndef TESTS_SUPPORT_STACK_H
#define TESTS_SUPPORT_STACK_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "tests/support/client.h"
#include "tests/support/deadline.h"
#include "tests/support/probe.h"

// All that a suite runs: a folder, a Redis with the shipped redis.conf, a migrated Postgres, and the programs, each
// started by a name: "mock-provider", or "<program>-<n>" as in "ingest-1". The name is also its INSTANCE_ID and its
// log's
// (<folder>/<name>.log). "redis", "redis-2" (another one, which a suite makes a replica), "postgres" and "pooler" (a
// PgBouncer in front of that Postgres, which nobody uses unless told to) are names as well. Ports stay the same over a
// restart.
//
// The programs run with short times and high limits (stack.c has the list); a suite or a start lays its own over them.
// Until stack_start_all they run with OPT_OUT=off, for a dispatcher that has no persister beside it would wait.

struct stack;

// Starts Redis. environment ("NAME=value", NULL-terminated, may be NULL) goes to every program.
struct stack *stack_create(const char *suite, const char *const *environment);
// To be called before each test: continues what an earlier one has left stopped, starts again a server that it has left
// down, and where something was stopped or a server has ended since then, settles.
void stack_recover(struct stack *stack);
// Waits until each program that runs, none of which may be stopped, has all its connections to the servers that run.
// One answer of an ingest doesn't show that: each of its threads has its own, and one that is busy notices later that
// they are lost.
void stack_settle(struct stack *stack);
// Before anything is started but Redis: Postgres is what this URL names, several servers maybe, and none of the
// stack's.
void stack_use_postgres(struct stack *stack, const char *url);
// An error line of that event is expected in this suite's logs.
void stack_allow_error(struct stack *stack, const char *event);
// The suite's last test: ends all programs by SIGTERM, and fails unless each exits with 0 and logged nothing
// unexpected.
void stack_finish(struct stack *stack);
// Kills what still runs, and removes the folder unless KEEP=1 is in the environment.
void stack_destroy(struct stack *stack);

// Starts a program, or a server after its end; an ingest is waited for until it is ready (or answers, where
// Redis is down), the mock until it answers.
void stack_start(struct stack *stack, const char *name);
// environment is laid over the suite's; for Postgres it is its settings ("fsync=on"), for the pooler too
// ("server_idle_timeout = 5"), for Redis arguments ("--save", "").
void stack_start_with(struct stack *stack, const char *name, const char *const *environment);
// The same without waiting until a program is ready (a server is waited for).
void stack_launch(struct stack *stack, const char *name, const char *const *environment);
// Postgres, and one of each program, named with 1.
void stack_start_all(struct stack *stack);
// Ends it by SIGTERM (Postgres: fast shutdown), and fails unless it exits with 0 within 15 s.
void stack_stop(struct stack *stack, const char *name);
// kill -9 (of Postgres: of all its processes), and waits for its end.
void stack_kill(struct stack *stack, const char *name);
// SIGSTOP, SIGCONT, …
void stack_signal(struct stack *stack, const char *name, int signal);
bool stack_is_running(struct stack *stack, const char *name);
// Forgets one that has ended by itself, so that it can be started again. Returns its status as child_wait has it.
int stack_bury(struct stack *stack, const char *name);
pid_t stack_pid(struct stack *stack, const char *name);
// Where everything is: logs, Postgres's data in postgres/, Redis's in redis/. Owned by the stack.
const char *stack_folder(const struct stack *stack);

// Redis has this environment from its next start on; owned by the caller.
void stack_redis_environment(struct stack *stack, const char *const *environment);

// The port of "ingest-<n>", "mock-provider", "redis", "postgres" or "pooler".
uint16_t stack_port(struct stack *stack, const char *name);
// How many lines of that program's log are of that event.
int stack_log_count(struct stack *stack, const char *name, const char *event);
// How many of them hold that text as well, such as an id.
int stack_log_about(struct stack *stack, const char *name, const char *event, const char *text);

// Calls an ingest or the mock, for at most 10 s (scaled). Release with answer_free.
struct answer *stack_call(struct stack *stack, const char *name, const char *method, const char *path, const char *body,
                          const char *const *headers);
// The status alone; 0 when there was no answer.
long stack_status(struct stack *stack, const char *name, const char *method, const char *path, const char *body);

// As probe.h has it.
int64_t stack_sql(struct stack *stack, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *stack_sql_text(struct stack *stack, const char *format, ...) __attribute__((format(printf, 2, 3)));
redisReply *stack_redis(struct stack *stack, const char *format, ...);
redisReply *stack_redis_argv(struct stack *stack, int argc, const char **argv);
// An integer reply's number, or PROBE_NONE.
int64_t stack_redis_int(struct stack *stack, const char *format, ...);

// The Redis that stack_redis and all that is built on it ask from here on: after a fail-over it isn't "redis".
void stack_follow_redis(struct stack *stack, uint16_t port);

// Nothing is left to do in Redis: the streams, `parked` and `held` of partition 0 of both providers are empty.
bool stack_is_drained(struct stack *stack);

#endif
