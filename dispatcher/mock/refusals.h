// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_MOCK_REFUSALS_H
#define DISPATCHER_MOCK_REFUSALS_H

#include <stdbool.h>

#include "shared/base/mem.h"
#include "shared/message/message.h"

// The senders that a provider answers with 403, as an account does whose sender isn't verified. They are compared as
// conversations compare addresses: normalized.

struct mock_refusals;

// text is a JSON array of strings; "" is none. region: as address_keep takes it. Returns NULL where it is something
// else.
struct mock_refusals *mock_refusals_parse(enum provider provider, const struct phone_region *region,
                                          const char *text) MUST_CHECK;
void mock_refusals_free(struct mock_refusals *refusals); // NULL is fine
// What it was parsed from; "" of NULL.
const char *mock_refusals_text(const struct mock_refusals *refusals);
// Whether this sender is among them. refusals and sender may be NULL.
bool mock_refusals_has(const struct mock_refusals *refusals, const char *sender);

#endif
