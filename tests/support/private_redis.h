// SPDX-License-Identifier: MIT
#ifndef TESTS_SUPPORT_PRIVATE_REDIS_H
#define TESTS_SUPPORT_PRIVATE_REDIS_H

#include <hiredis/hiredis.h>
#include <stdint.h>

// A Redis of a test's own: on loopback, on a free port, in a folder of its own, in memory only.

struct private_redis;

// Starts it and waits until it answers. extra: further arguments of redis-server, NULL-terminated, or NULL.
struct private_redis *private_redis_start(const char *const *extra);
uint16_t private_redis_port(const struct private_redis *redis);
// redis://127.0.0.1:<port>. Owned by it.
const char *private_redis_url(const struct private_redis *redis);
// Where it runs: a path in `extra` may be relative to it. Owned by it.
const char *private_redis_folder(const struct private_redis *redis);
// SIGSTOP: its kernel still takes connections and bytes, nothing is answered. private_redis_thaw undoes it.
void private_redis_freeze(struct private_redis *redis);
void private_redis_thaw(struct private_redis *redis);
void private_redis_kill(struct private_redis *redis);
// Starts it again on the same port; it is empty then.
void private_redis_restart(struct private_redis *redis);
// Runs a command over a connection of its own, blocking. Fails the test on an error reply. Free with freeReplyObject.
redisReply *private_redis_command(const struct private_redis *redis, const char *format, ...);
// The same without interest in the reply.
void private_redis_do(const struct private_redis *redis, const char *command);
// Kills it and removes its folder.
void private_redis_destroy(struct private_redis *redis);

#endif
