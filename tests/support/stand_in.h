// SPDX-License-Identifier: MIT
#ifndef TESTS_SUPPORT_STAND_IN_H
#define TESTS_SUPPORT_STAND_IN_H

#include <stddef.h>
#include <stdint.h>

// A provider of the test's own that talks as Twilio does, in a thread of its own: it answers each message as it was
// told, and remembers all calls in their order. A message is its recipient and its body, which is a number: its place
// in its conversation.

struct stand_in;

enum stand_in_answer {
    STAND_IN_TAKES,   // 201; whatever no rule is about
    STAND_IN_FAILS,   // 500: it may be tried again
    STAND_IN_REJECTS, // 400: it has failed
    STAND_IN_REFUSES, // 403: it may be its sender's fault
    STAND_IN_KEEPS,   // none, until stand_in_release
};

struct stand_in *stand_in_start(void);
// The SMS provider's URL for a dispatcher's environment, "PROVIDER_SMS_URL=…". Owned by it.
const char *stand_in_url(const struct stand_in *stand_in);

// How the next `times` calls of that message are answered; number 0: of all to that recipient; times 0: all from now
// on. The rule that was made last counts.
void stand_in_rule(struct stand_in *stand_in, const char *to, unsigned number, enum stand_in_answer answer,
                   unsigned times);
// Takes whatever comes from now on.
void stand_in_forget_rules(struct stand_in *stand_in);
// Takes what it has kept, as far as somebody still waits for an answer.
void stand_in_release(struct stand_in *stand_in);

// Calls of that message; number 0: of all to that recipient.
unsigned stand_in_calls(struct stand_in *stand_in, const char *to, unsigned number);
// The numbers of the messages to that recipient by their first calls, "1 2 3". Owned by the caller.
char *stand_in_order(struct stand_in *stand_in, const char *to);
// How many of them there are.
unsigned stand_in_messages(struct stand_in *stand_in, const char *to);
// How many of them were first called before each that stands before it, and was called at all, had a call that was
// taken or rejected.
unsigned stand_in_overtaking(struct stand_in *stand_in, const char *to);

void stand_in_destroy(struct stand_in *stand_in);

#endif
