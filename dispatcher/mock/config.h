// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_MOCK_CONFIG_H
#define DISPATCHER_MOCK_CONFIG_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>

#include "dispatcher/mock/refusals.h"
#include "shared/base/buf.h"
#include "shared/base/mem.h"
#include "shared/message/message.h"
#include "shared/message/mock_fields.h"

// How the mock behaves, as it is in the hash `mock:config` (shared/message/mock_fields.h): fields such as timeout_pct
// for all providers, and "email.timeout_pct" where one provider differs.

struct mock_behaviour {
    struct mock_settings providers[PROVIDER_COUNT];
    struct mock_refusals *refusals[PROVIDER_COUNT]; // owned; NULL: none
    const struct phone_region *region;              // by which their phones are completed; NULL: none
};

// Takes an HGETALL reply. Returns NULL with *out changed to what it says, and *changed whether that differs; or a
// static sentence with *out as it was.
const char *mock_config_read(const redisReply *hash, struct mock_behaviour *out, bool *changed) MUST_CHECK;
void mock_config_free(struct mock_behaviour *config);
// The fields that say the same: the first provider's for all, then what differs in the others. Calls
// each(argument, name, value) for them.
void mock_config_each_field(const struct mock_behaviour *config,
                            void (*each)(void *argument, const char *name, const char *value), void *argument);

#endif
