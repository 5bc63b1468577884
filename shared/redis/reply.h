// SPDX-License-Identifier: MIT
#ifndef SHARED_REDIS_REPLY_H
#define SHARED_REDIS_REPLY_H

#include <hiredis/hiredis.h>
#include <stddef.h>
#include <stdint.h>

// What stands in a reply. None of these believes that it has the shape that it should: what isn't there, or is of
// another type, is `otherwise` or NULL. Texts belong to the reply.

// The text of one element of a list, of a bulk or simple string.
const char *redis_reply_text(const redisReply *list, size_t index, const char *otherwise);
// The number of one element of a list: an integer, or what a text begins with (0 where that is no digit).
int64_t redis_reply_number(const redisReply *list, size_t index, int64_t otherwise);
// The text behind a name in a list of names and values: of HGETALL, an entry's fields, XINFO.
const char *redis_reply_field(const redisReply *pairs, const char *name, const char *otherwise);
// The entries in what XREAD or XREADGROUP brought of one stream: [[stream, [[id, [field, value, …]], …]]].
const redisReply *redis_reply_entries(const redisReply *reply);
// What stands behind "<name>:" at the beginning of one of INFO's lines, up to the text's end.
const char *redis_info_text(const redisReply *info, const char *name, const char *otherwise);
int64_t redis_info_number(const redisReply *info, const char *name, int64_t otherwise);

#endif
