// SPDX-License-Identifier: MIT
//
// The text: a letter for the kind, then hexadecimal digits: 8 of the page, 16 of the time (offset so that it is never
// negative), 16 of a number or 32 of a message's id.
#include "ingest/read/cursor.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

#include "shared/base/hex.h"
#include "shared/base/rfc3339.h"

#define EARLIEST_US INT64_C(-62135596800000000) // 0001-01-01T00:00:00Z
#define LATEST_US INT64_C(253402300799999999)   // 9999-12-31T23:59:59.999999Z
#define MAX_PAGE INT64_C(0xffffffff)

static const char kind_letters[] = {[CURSOR_CONVERSATION] = 'c', [CURSOR_MESSAGE] = 'm', [CURSOR_DEAD_LETTER] = 'd'};

void cursor_format(enum cursor_kind kind, const struct cursor *cursor, char out[CURSOR_SIZE]) {
    int at = snprintf(out, CURSOR_SIZE, "%c%08" PRIx64 "%016" PRIx64, kind_letters[kind],
                      (uint64_t)(cursor->page & MAX_PAGE), (uint64_t)(cursor->time_us - EARLIEST_US));
    if (kind != CURSOR_MESSAGE) {
        snprintf(out + at, CURSOR_SIZE - (size_t)at, "%016" PRIx64, (uint64_t)cursor->id.number);
        return;
    }
    hex_encode(cursor->id.uuid.bytes, UUID_BYTES, out + at);
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
    uint64_t page, time;
    if (*text++ != kind_letters[kind] || !read_hex(&text, 8, &page) || !read_hex(&text, 16, &time) ||
        !read_id(kind, &text, out) || *text != '\0') {
        return -1;
    }
    if (page < 2 || time > (uint64_t)(LATEST_US - EARLIEST_US)) {
        return -1;
    }
    out->page = (int64_t)page;
    out->time_us = (int64_t)time + EARLIEST_US;
    return 0;
}

void cursor_format_time(int64_t time_us, char out[CURSOR_TIME_SIZE]) {
    int64_t below_ms = (time_us % 1000 + 1000) % 1000;
    char to_ms[RFC3339_SIZE];
    rfc3339_format((time_us - below_ms) / 1000, to_ms);
    snprintf(out, CURSOR_TIME_SIZE, "%.*s%03dZ", (int)(sizeof to_ms - 2), to_ms, (int)below_ms);
}
