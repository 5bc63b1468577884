// SPDX-License-Identifier: MIT
#ifndef TESTS_CHAOS_OPTOUTS_H
#define TESTS_CHAOS_OPTOUTS_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/uuid.h"
#include "tests/chaos/options.h"
#include "tests/chaos/report.h"

// Recipients who say STOP and START, of addresses that the rest of the load doesn't have: a thread of its own goes from
// one to the next. To each it has a message sent, lets them say STOP until that is answered, tries to send once more,
// which must be refused, lets them say START, and sends. The last one says STOP and stays with it.

enum { OPTOUTS_LEAST = 3 }; // that must have been answered, for the audit to look at

#define OPTOUTS_THEIR_PREFIX "+1777" // of their addresses

struct optout_load;

struct optout_load *optouts_begin(const struct options *options, const uint16_t *ports, int port_count,
                                  struct report *report);
// Ends the thread once OPTOUTS_LEAST were answered, or after 30 s; what it knows stays.
void optouts_end(struct optout_load *load);
void optouts_destroy(struct optout_load *load);

// A message that was accepted.
struct optout_send {
    struct uuid id;
    int pair;
};
// From when a STOP was answered until they began to say START, ms since 1970; INT64_MAX: they never did.
struct optout_time {
    int pair;
    int64_t since_ms, until_ms;
};
uint32_t optouts_sends(const struct optout_load *load);
const struct optout_send *optouts_send_at(const struct optout_load *load, uint32_t index);
uint32_t optouts_times(const struct optout_load *load);
const struct optout_time *optouts_time_at(const struct optout_load *load, uint32_t index);
// The message's pair, or -1: it is none of these.
int optouts_pair_of(const struct optout_load *load, const struct uuid *id);
// How many webhooks were answered, and sends refused.
uint32_t optouts_words(const struct optout_load *load);
uint32_t optouts_refused(const struct optout_load *load);
// Their address, as Postgres has it.
void optouts_address(int pair, char out[24]);

#endif
