// SPDX-License-Identifier: MIT
#ifndef TESTS_SUPPORT_EVENTS_H
#define TESTS_SUPPORT_EVENTS_H

#include <stdint.h>

#include "shared/message/message.h"
#include "tests/support/stack.h"

// Entries put into events:{sms-mms:0} by hand, as redis/messaging.lua would. Each adds one entry and returns its entry
// id, owned by the caller.

// The message, with whatever is in it, as an entry `accepted` or `received` of the id `entry` ("*": Redis's).
char *events_add_message(struct stack *stack, const char *entry, const char *id, const struct message *message);
// An outbound SMS from `from` to +16660000000 that was just accepted.
char *events_add_accepted(struct stack *stack, const char *id, const char *from, const char *body);
// The same with the time that the message shows, ms since 1970.
char *events_add_accepted_at(struct stack *stack, const char *id, const char *from, const char *body,
                             int64_t occurred_ms);
// The same as today's release writes it: state is queued, held or scheduled; send_at_ms: when it is to be sent, ms
// since 1970 (MESSAGE_SEND_NOW: it doesn't say).
char *events_add_waiting(struct stack *stack, const char *id, const char *from, const char *state, int64_t send_at_ms);
// It was cancelled before this call.
char *events_add_cancelled(struct stack *stack, const char *id, int generation, int next_call);
// What a call came to: verdict is sent, failed or retry; outcome one of attempt's.
char *events_add_outcome(struct stack *stack, const char *id, int generation, int call, const char *verdict,
                         const char *outcome);
char *events_add_replayed(struct stack *stack, const char *id, int generation);
// What the provider said after the call: status is delivered or undelivered (then with the code 30003), of its message
// provider_id (NULL: it names none), at at_ms by its clock (-1: it doesn't say).
char *events_add_receipt(struct stack *stack, const char *id, const char *status, const char *provider_id,
                         int64_t at_ms);
// A random UUIDv7 as text, owned by the caller.
char *events_new_id(void);

#endif
