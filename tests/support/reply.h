// SPDX-License-Identifier: MIT
#ifndef TESTS_SUPPORT_REPLY_H
#define TESTS_SUPPORT_REPLY_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stdint.h>

// Short ways into a Redis reply; a reply that isn't an array counts as an array of one.

// Element `index` as a text: "" when there is none; an error's text, so that a comparison that fails shows it.
const char *reply_text(const redisReply *reply, size_t index);
// Element `index` as a number, whether Redis gave it as an integer or as a text; INT64_MIN when there is none.
int64_t reply_int(const redisReply *reply, size_t index);
// The value of a field in a flat reply ("name", value, …); "" when there is none.
const char *reply_field(const redisReply *reply, const char *name);
// How many elements.
size_t reply_count(const redisReply *reply);

#endif
