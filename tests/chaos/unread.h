// SPDX-License-Identifier: MIT
#ifndef TESTS_CHAOS_UNREAD_H
#define TESTS_CHAOS_UNREAD_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/chaos/options.h"
#include "tests/chaos/report.h"

// Webhooks that can't become messages: bodies that begin like JSON, carry their number and don't end, posted to both
// routes in turn by a thread of its own until they are answered 400, some of them once more later.

enum {
    UNREAD_LEAST = 3,  // that must have been kept, for the audit to look at
    UNREAD_MOST = 600, // so that an address's tenth of what is kept of a provider is not reached
};

struct unread_load;

struct unread_load *unread_begin(const struct options *options, const uint16_t *ports, int port_count,
                                 struct report *report);
// Ends the thread once UNREAD_LEAST were kept, the last of them all too, or after 30 s; what it knows stays.
void unread_end(struct unread_load *load);
void unread_destroy(struct unread_load *load);

struct unread_entry {
    bool kept;      // it was answered 400
    bool ambiguous; // an answer said so, or none came
};
uint32_t unread_count(const struct unread_load *load);
const struct unread_entry *unread_at(const struct unread_load *load, uint32_t number);
// The number in a body; false where it is none of these.
bool unread_number(const char *body, uint32_t *number);

#endif
