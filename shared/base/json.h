// SPDX-License-Identifier: MIT
#ifndef SHARED_BASE_JSON_H
#define SHARED_BASE_JSON_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/buf.h"
#include "shared/base/mem.h"

// Strict RFC 8259 reading on top of cJSON, which by itself lets several malformed documents pass, cuts strings at
// \u0000 and looks names up without regard to case.

// Lets cJSON end the process where there is no memory, as the rest does (mem.h), because what it answers otherwise
// looks like a malformed document: a 400, or a dead letter. To be called before there are threads.
void json_begin(void);

// Parses one document. Refused: duplicate names in an object, invalid UTF-8, lone surrogates, \u0000, raw control
// characters, a BOM, NaN and the like, leading zeros, nesting deeper than JSON_MAX_DEPTH (json_check.h), bytes after
// the document.
// Returns the tree (release with cJSON_Delete), or NULL with *error set to a static sentence.
cJSON *json_parse(const char *text, size_t length, const char **error) MUST_CHECK;

// The same, but a \u0000 or half of a surrogate pair in a string is read as U+FFFD.
cJSON *json_parse_lenient(const char *text, size_t length, const char **error) MUST_CHECK;

// Parses one member of the outermost object only, of a document that is as well-formed as json_parse wants it but may
// hold a name twice: cheap where a long answer holds one thing that matters. Returns NULL when there is none, or the
// document is malformed.
cJSON *json_parse_member(const char *text, size_t length, const char *name) MUST_CHECK;

// The member of that exact name, or NULL.
const cJSON *json_member(const cJSON *object, const char *name);
// The string member's value, or NULL when absent or not a string.
const char *json_string(const cJSON *object, const char *name);
// The integer member's value (|value| <= 2^53 - 1, no fraction); false when absent or not one.
bool json_integer(const cJSON *object, const char *name, int64_t *value) MUST_CHECK;
// The digits, as they are written, of an integer that is a member of the document's outermost object: an id may have
// more of them than a double holds. text is a document that json_parse or json_parse_lenient has taken; the name is
// compared as it is written. Owned by the caller; NULL when there is none, or it is no integer.
char *json_written_integer(const char *text, size_t length, const char *name) MUST_CHECK;

// Writing: appends a quoted, escaped string. Valid UTF-8 passes through as it is; a byte that isn't becomes U+FFFD.
void json_write_string(struct buf *out, const char *text);
void json_write_stringn(struct buf *out, const char *text, size_t length);
// Appends ,"name": (the comma only when the last byte isn't '{' or '['), the usual start of a member.
void json_write_name(struct buf *out, const char *name);
void json_write_member(struct buf *out, const char *name, const char *value); // NULL value: null
void json_write_member_int(struct buf *out, const char *name, int64_t value);
// A time, microseconds since 1970, as UTC RFC 3339 with three decimals.
void json_write_member_time(struct buf *out, const char *name, int64_t time_us);

#endif
