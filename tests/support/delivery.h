// SPDX-License-Identifier: MIT
#ifndef TESTS_SUPPORT_DELIVERY_H
#define TESTS_SUPPORT_DELIVERY_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/support/stack.h"

// What the suites about delivery set and ask: the mock, the breakers, the messages of one test.

#define MOCK_WELL "{\"timeout_pct\":0,\"error_pct\":0,\"ratelimit_pct\":0}"

// To be called before each test of a suite that starts its own dispatchers: as stack_recover; stops those that an
// earlier one has left, sees that the mock runs and behaves, and forgets the breakers and the refusals.
void delivery_recover(struct stack *stack);

// Starts "dispatcher-1" to "dispatcher-<count>", as stack_start_with.
void dispatchers_start(struct stack *stack, unsigned count, const char *const *environment);

// PUTs the mock's configuration through ingest-1, and returns once "mock-provider" goes by it.
void mock_configure(struct stack *stack, const char *config);
// A number of what the mock has counted for "sms-mms" or "email" since its start: "calls", "distinct_keys", "repeats",
// "by_outcome.error", …
int64_t mock_count(struct stack *stack, const char *provider, const char *name);

bool breaker_is(struct stack *stack, const char *provider, const char *state);
// A field that is a number ("until", "since", "transitions"); PROBE_NONE when it isn't there.
int64_t breaker_number(struct stack *stack, const char *provider, const char *field);
// As if nobody had ever touched them.
void breakers_reset(struct stack *stack);
// As if no message had ever been refused, and no sender held.
void refusals_reset(struct stack *stack);

// An SMS from +1555<sender, 7 digits>; its id, owned by the caller.
char *send_sms_from(struct stack *stack, unsigned sender);
// Sends so many from the 20 senders from `first` on, several at once; fails the test unless each is accepted.
void send_many(struct stack *stack, unsigned first, unsigned count);
// Sends so many emails from `from`.
void send_emails(struct stack *stack, const char *from, unsigned count);
// Of the SMS from the 100 senders from `first` on: how many have that status.
int64_t status_count(struct stack *stack, unsigned first, const char *status);
// And how many of their attempts had that outcome.
int64_t attempt_count(struct stack *stack, unsigned first, const char *outcome);
bool message_is(struct stack *stack, const char *id, const char *status);

// Redis's clock, ms since 1970.
int64_t redis_now_ms(struct stack *stack);
// Entries of outbound:{sms-mms:0} that dispatchers hold; without those that were given back.
int64_t held_count(struct stack *stack);

#endif
