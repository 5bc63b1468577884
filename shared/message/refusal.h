// SPDX-License-Identifier: MIT
#ifndef SHARED_MESSAGE_REFUSAL_H
#define SHARED_MESSAGE_REFUSAL_H

#include <stdint.h>

#define REFUSAL_SIZE 160

// Says that an address holds a control character, and which, in *reason, which it returns.
const char *refusal_of_control(int32_t code, char reason[REFUSAL_SIZE]);
// The same of a character that `kind` ("an email address") may not hold; allowed: what it may.
const char *refusal_of_character(int32_t code, const char *kind, const char *allowed, char reason[REFUSAL_SIZE]);

#endif
