// SPDX-License-Identifier: MIT
#include "shared/message/segments.h"

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/unicode.h"

#define EURO_SIGN 0x20ac

// What the default alphabet has beyond ASCII.
static const int32_t alphabet[] = {0xa1,  0xa3,  0xa4,  0xa5,  0xa7,  0xbf,  0xc4,  0xc5,  0xc6, 0xc7,
                                   0xc9,  0xd1,  0xd6,  0xd8,  0xdc,  0xdf,  0xe0,  0xe4,  0xe5, 0xe6,
                                   0xe8,  0xe9,  0xec,  0xf1,  0xf2,  0xf6,  0xf8,  0xf9,  0xfc, 0x393,
                                   0x394, 0x398, 0x39b, 0x39e, 0x3a0, 0x3a3, 0x3a6, 0x3a8, 0x3a9};

static size_t ascii_septets(int32_t code) {
    switch (code) {
    case '\n':
    case '\r':
        return 1;
    case '`':
    case 0x7f:
        return 0;
    case '\f':
    case '^':
    case '{':
    case '}':
    case '\\':
    case '[':
    case '~':
    case ']':
    case '|':
        return 2;
    default:
        return code >= ' ';
    }
}

// 0: in neither table.
static size_t septets_of(int32_t code) {
    if (code < 0x80) {
        return ascii_septets(code);
    }
    for (size_t i = 0; i < sizeof alphabet / sizeof *alphabet; i++) {
        if (alphabet[i] == code) {
            return 1;
        }
    }
    return code == EURO_SIGN ? 2 : 0;
}

static size_t utf16_units_of(int32_t code) {
    return code > 0xffff ? 2 : 1;
}

// How many short messages hold the text, of which one alone has room for `alone` units and each of several for
// `joined`; 0 where a character has no units.
static size_t count_segments(const char *body, size_t length, size_t (*units_of)(int32_t code), size_t alone,
                             size_t joined) {
    size_t total = 0, filled = 0, count = 1, taken;
    for (size_t at = 0; at < length; at += taken) {
        bool ascii = (unsigned char)body[at] < 0x80;
        taken = 1;
        size_t units = units_of(ascii ? body[at] : unicode_decode(body + at, length - at, &taken));
        if (units == 0) {
            return 0;
        }
        if (filled + units > joined) {
            count++;
            filled = 0;
        }
        filled += units;
        total += units;
    }
    return total <= alone ? 1 : count;
}

struct segments segments_of(const char *body, size_t length) {
    size_t count = count_segments(body, length, septets_of, 160, 153);
    if (count > 0) {
        return (struct segments){SEGMENT_GSM_7, count};
    }
    return (struct segments){SEGMENT_UCS_2, count_segments(body, length, utf16_units_of, 70, 67)};
}

const char *segment_encoding_name(enum segment_encoding encoding) {
    return encoding == SEGMENT_GSM_7 ? "GSM-7" : "UCS-2";
}
