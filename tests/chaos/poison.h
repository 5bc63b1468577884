// SPDX-License-Identifier: MIT
#ifndef TESTS_CHAOS_POISON_H
#define TESTS_CHAOS_POISON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/chaos/options.h"

// Entries that nobody can process, put into the streams by hand: garbage, and what Postgres refuses. Each carries its
// number in a text by which it is found again in the quarantine ("poison-<number>-"), or, where it is a readable send
// with an unreadable message, is known by its message id.

enum { POISON_LEAST = 3 }; // that must be put in for certain to be quarantined, for the audit to look at

struct poison;

struct poison *poison_begin(const struct options *options, uint16_t redis_port);
// Ends it once POISON_LEAST were put in, or after 30 s.
void poison_end(struct poison *poison);
void poison_destroy(struct poison *poison);

struct poison_entry {
    bool certain; // Redis said that it is in the stream; else it may be or not
    bool is_send; // it fails as a dispatch does, under its id
    char id[37];  // of a send
};
uint32_t poison_count(const struct poison *poison);
const struct poison_entry *poison_at(const struct poison *poison, uint32_t number);
// Where there is a number in a dead letter's entry.
bool poison_number(const char *entry, uint32_t *number);

#endif
