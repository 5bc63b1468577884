// SPDX-License-Identifier: MIT
#ifndef SHARED_MESSAGE_ENTRY_H
#define SHARED_MESSAGE_ENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/mem.h"
#include "shared/base/uuid.h"

// The fields with which the entries of all streams begin (redis/messaging.lua has them all). Anyone can XADD, so
// nothing is trusted; a field that is missing is NULL.

#define ENTRY_ID_SIZE sizeof "18446744073709551615-18446744073709551615" // of an entry's own id in its stream
#define ENTRY_MOST INT32_MAX                                             // of a count: Postgres keeps them as integer
#define ENTRY_MIN_MS (-62135596800000LL)                                 // 0001-01-01T00:00:00.000Z
#define ENTRY_MAX_MS 253402300799999LL                                   // 9999-12-31T23:59:59.999Z

enum entry_format {
    ENTRY_FORMAT_OURS,
    ENTRY_FORMAT_NEWER, // a newer release's: not ours to judge
    ENTRY_FORMAT_NONE,  // no format's number: nobody will ever understand it
};

// When Redis took an entry, as its id says: microseconds since 1970, to the millisecond, and the sequence number within
// it as microseconds, at most 999, so that entries of one stream have the order in which they came. 0 where it is no
// id.
int64_t entry_taken_us(const char *entry_id);

struct entry_head {
    struct uuid id; // of the message
    int64_t generation;
    int64_t at_ms; // ms since 1970
};

// The field m of an entry: words, a space between two.
struct entry_words {
    char words[192]; // those that were taken, each with its NUL
    size_t used;
    const char *rest; // NULL: there is nothing left
    size_t rest_length;
};

// m must outlive *out; a NUL follows its last byte.
void entry_words_begin(const char *m, size_t length, struct entry_words *out);
// The next word, which lives as long as *words; NULL where there is none, or where it is no word of ours (too long).
const char *entry_words_next(struct entry_words *words);

// Entries of a newer format that were put aside since they were last told of.
struct entries_newer {
    size_t count;
    char last[ENTRY_ID_SIZE];
};

// An integer in decimal digits, from min to max; false where it is none.
bool entry_integer(const char *text, int64_t min, int64_t max, int64_t *out) MUST_CHECK;
// Of the field v. *reason is set for ENTRY_FORMAT_NONE, to a static sentence.
enum entry_format entry_format(const char *v, const char **reason) MUST_CHECK;
// The fields id, gen and at. Returns NULL, or a static sentence that says what is wrong.
const char *entry_head_read(const char *id, const char *generation, const char *at, struct entry_head *out) MUST_CHECK;

void entries_newer_add(struct entries_newer *newer, const char *entry_id);
// Logs one line about all of them, `entries_newer`, and begins to count again; none where there are none.
void entries_newer_log(struct entries_newer *newer, const char *stream, const char *provider);

#endif
