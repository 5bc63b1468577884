// SPDX-License-Identifier: MIT
#ifndef TESTS_CHAOS_RECEIPTS_H
#define TESTS_CHAOS_RECEIPTS_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/uuid.h"

// The receipts that the mock was answered 2xx to, by its own file of them: each once, but for what says nothing of
// whether a message has arrived.

enum { RECEIPTS_LEAST = 20 }; // for the audit to look at

// "<message id> <the provider's> <delivered | undelivered>"
struct receipt_heard {
    char text[160];
    bool found;
};

struct receipts;

// Fails the test where the file can't be read.
struct receipts *receipts_read(const char *path);
void receipts_free(struct receipts *receipts);
void receipts_write(const char *id, const char *provider_id, const char *status, struct receipt_heard *out);
// Whether it was heard; then it is found from now on.
bool receipts_find(struct receipts *receipts, const struct receipt_heard *receipt);
const struct receipt_heard *receipts_at(const struct receipts *receipts, uint64_t index);
// How many there are, each once; and how often one of them came again.
uint64_t receipts_count(const struct receipts *receipts);
uint64_t receipts_repeats(const struct receipts *receipts);
// Calls look for each that was never found. Returns how many.
uint64_t receipts_each_unfound(const struct receipts *receipts,
                               void (*look)(void *argument, const struct receipt_heard *receipt), void *argument);

#endif
