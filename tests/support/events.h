// SPDX-License-Identifier: MIT
#ifndef TESTS_SUPPORT_EVENTS_H
#define TESTS_SUPPORT_EVENTS_H

#include <stdint.h>

#include "tests/support/stack.h"

// Entries put into events:{sms-mms:0} by hand, as redis/messaging.lua would. Each adds one entry and returns its entry
// id, owned by the caller.

// An outbound SMS from `from` to +16660000000 that was just accepted.
char *events_add_accepted(struct stack *stack, const char *id, const char *from, const char *body);
// The same with the time that the message shows, ms since 1970.
char *events_add_accepted_at(struct stack *stack, const char *id, const char *from, const char *body,
                             int64_t occurred_ms);
// What a call came to: verdict is sent, failed or retry; outcome one of attempt's.
char *events_add_outcome(struct stack *stack, const char *id, int generation, int call, const char *verdict,
                         const char *outcome);
char *events_add_replayed(struct stack *stack, const char *id, int generation);
// A random UUIDv7 as text, owned by the caller.
char *events_new_id(void);

#endif
