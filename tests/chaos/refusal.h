// SPDX-License-Identifier: MIT
#ifndef TESTS_CHAOS_REFUSAL_H
#define TESTS_CHAOS_REFUSAL_H

#include <stdint.h>

// Has the mock refuse one sender (content.h), again and again: each start of the mock begins with its settings. In a
// thread of its own, past the proxies.

struct refusal;

struct refusal *refusal_begin(uint16_t redis_port);
void refusal_end(struct refusal *refusal); // NULL is fine: what is refused by then stays so

#endif
