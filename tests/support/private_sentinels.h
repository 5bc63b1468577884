// SPDX-License-Identifier: MIT
#ifndef TESTS_SUPPORT_PRIVATE_SENTINELS_H
#define TESTS_SUPPORT_PRIVATE_SENTINELS_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stdint.h>

// Sentinels of a test's own: on loopback, on free ports, in a folder of their own. The Redis that they watch are the
// test's; they know the master as "mymaster", and one another from the start. They look and tell several times a
// second, where others do so every 2 s or 10 s.

#define PRIVATE_SENTINELS_MASTER "mymaster"
#define PRIVATE_SENTINELS_MOST 5

struct private_sentinels;

struct private_sentinels_options {
    uint16_t master;          // its port
    unsigned count;           // of Sentinels; a majority is their quorum
    unsigned down_after_ms;   // how long a Redis must be silent to be taken for down
    unsigned replicas;        // it is waited until each of them knows so many
    const char *const *lines; // of their configuration, further ones; NULL-terminated, may be NULL. Outlives them
};

// Starts them and waits until each answers.
struct private_sentinels *private_sentinels_start(const struct private_sentinels_options *options);
// redis+sentinel://127.0.0.1:<port>,…/mymaster. Owned by them.
const char *private_sentinels_url(const struct private_sentinels *sentinels);
uint16_t private_sentinels_port(const struct private_sentinels *sentinels, unsigned number);
// A command to one of them, over a connection of its own; NULL where it doesn't answer. Free with freeReplyObject.
redisReply *private_sentinels_command(const struct private_sentinels *sentinels, unsigned number, const char *format,
                                      ...);
// The port of the master that all living ones name; 0 where they don't agree.
uint16_t private_sentinels_master(const struct private_sentinels *sentinels);
// How long a Redis must be silent from now on to be taken for down by the living ones.
void private_sentinels_take_for_down_after(struct private_sentinels *sentinels, unsigned ms);
// Whether the master is up for all living ones, and none has a fail-over under way.
bool private_sentinels_are_at_rest(const struct private_sentinels *sentinels);
// Whether all living ones know the Redis at this port as a replica that follows, and so may promote it.
bool private_sentinels_know_replica(const struct private_sentinels *sentinels, uint16_t port);
// Orders a fail-over, again and again until it is taken on, and waits until all living ones name another master.
void private_sentinels_fail_over(struct private_sentinels *sentinels);
void private_sentinels_kill(struct private_sentinels *sentinels, unsigned number);
// Starts one that was killed; it remembers what it knew.
void private_sentinels_restart(struct private_sentinels *sentinels, unsigned number);
// Kills them and removes their folder.
void private_sentinels_destroy(struct private_sentinels *sentinels);

#endif
