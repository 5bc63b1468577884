// SPDX-License-Identifier: MIT
//
// The text: a letter for the kind, then hexadecimal digits: 8 of the page, 16 of the time (offset so that it is never
// negative), 16 of a number; or, of a message, 16 of the time at which it was accepted and 32 of its id. Older releases
// left that time out.
#include "ingest/read/cursor.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "shared/base/hex.h"

#define EARLIEST_US INT64_C(-62135596800000000) // 0001-01-01T00:00:00Z
#define LATEST_US INT64_C(253402300799999999)   // 9999-12-31T23:59:59.999999Z
#define MAX_PAGE INT64_C(0xffffffff)

static const char kind_letters[] = {
    [CURSOR_CONVERSATION] = 'c', [CURSOR_MESSAGE] = 'm', [CURSOR_DEAD_LETTER] = 'd', [CURSOR_OPT_OUT] = 'o'};

void cursor_format(enum cursor_kind kind, const struct cursor *cursor, char out[CURSOR_SIZE]) {
    int at = snprintf(out, CURSOR_SIZE, "%c%08" PRIx64 "%016" PRIx64, kind_letters[kind],
                      (uint64_t)(cursor->page & MAX_PAGE), (uint64_t)(cursor->time_us - EARLIEST_US));
    int64_t second = kind == CURSOR_MESSAGE ? cursor->accepted_us - EARLIEST_US : cursor->id.number;
    at += snprintf(out + at, CURSOR_SIZE - (size_t)at, "%016" PRIx64, (uint64_t)second);
    if (kind == CURSOR_MESSAGE) {
        hex_encode(cursor->id.uuid.bytes, UUID_BYTES, out + at);
    }
}

// Exactly `count` lower-case hexadecimal digits, up to 16.
static bool read_hex(const char **text, size_t count, uint64_t *out) {
    *out = 0;
    for (size_t i = 0; i < count; i++, (*text)++) {
        int digit = isupper((unsigned char)**text) ? -1 : hex_digit(**text);
        if (digit < 0) {
            return false;
        }
        *out = *out << 4 | (uint64_t)digit;
    }
    return true;
}

static bool read_time(const char **text, int64_t *out) {
    uint64_t value;
    bool read = read_hex(text, 16, &value) && value <= (uint64_t)(LATEST_US - EARLIEST_US);
    *out = read ? (int64_t)value + EARLIEST_US : 0;
    return read;
}

static bool read_accepted(enum cursor_kind kind, const char **text, struct cursor *out) {
    out->accepted_us = CURSOR_UNTOLD;
    bool told = kind == CURSOR_MESSAGE && strlen(*text) != (size_t)UUID_BYTES * 2;
    return !told || read_time(text, &out->accepted_us);
}

static bool read_id(enum cursor_kind kind, const char **text, struct cursor *out) {
    uint64_t value;
    if (kind != CURSOR_MESSAGE) {
        bool read = read_hex(text, 16, &value) && value <= INT64_MAX;
        out->id.number = read ? (int64_t)value : 0;
        return read;
    }
    for (size_t i = 0; i < UUID_BYTES; i++) {
        if (!read_hex(text, 2, &value)) {
            return false;
        }
        out->id.uuid.bytes[i] = (uint8_t)value;
    }
    return true;
}

int cursor_parse(enum cursor_kind kind, const char *text, struct cursor *out) {
    uint64_t page;
    if (*text++ != kind_letters[kind] || !read_hex(&text, 8, &page) || page < 2) {
        return -1;
    }
    out->page = (int64_t)page;
    bool read = read_time(&text, &out->time_us) && read_accepted(kind, &text, out) && read_id(kind, &text, out);
    return read && *text == '\0' ? 0 : -1;
}
