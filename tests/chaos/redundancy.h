// SPDX-License-Identifier: MIT
#ifndef TESTS_CHAOS_REDUNDANCY_H
#define TESTS_CHAOS_REDUNDANCY_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/support/proxy.h"
#include "tests/support/stack.h"

// CHAOS_REDIS=sentinel: a second Redis that follows the stack's, and three Sentinels. Which of the two is the master
// changes; what the test itself asks Redis goes through a proxy that is turned to whoever it is.

#define REDUNDANCY_DOWN_MS 1500 // so long the master must be silent for the Sentinels to give it up
#define REDUNDANCY_SENTINELS 3

struct redundancy;

// Before proxy_start, with the stack's Redis running. From proxy_start on stack_redis asks the master.
struct redundancy *redundancy_create(struct stack *stack, struct proxy *proxy);
// REDIS_URL's value. Owned by it.
const char *redundancy_url(const struct redundancy *redundancy);
// What either Redis is started with again: a replica that comes back needn't wait for others.
const char *const *redundancy_arguments(void);
// Where the test finds the master, whoever that is.
uint16_t redundancy_port(const struct redundancy *redundancy);
// Turns the proxy to another master, where the Sentinels name one. To be called again and again; it costs little.
void redundancy_follow(struct redundancy *redundancy);
// The member of the stack that is the master by the Sentinels, as of the last look; and the other one.
const char *redundancy_master(const struct redundancy *redundancy);
const char *redundancy_replica(const struct redundancy *redundancy);
// Whether all Sentinels live and agree, and the replica has all that the master has: then something may be broken.
bool redundancy_is_whole(struct redundancy *redundancy);
// Has the Sentinels switch, and waits until all that live name the other one.
void redundancy_fail_over(struct redundancy *redundancy);
void redundancy_kill_sentinel(struct redundancy *redundancy, unsigned number);
void redundancy_start_sentinel(struct redundancy *redundancy, unsigned number);
// Kills the Sentinels; the two Redis are the stack's. Nothing for NULL.
void redundancy_destroy(struct redundancy *redundancy);

#endif
