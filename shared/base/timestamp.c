// SPDX-License-Identifier: MIT
//
// Each form is written as RFC 3339 and read by rfc3339_parse, which knows calendars: what it refuses is no time.
#include "shared/base/timestamp.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shared/base/mem.h"
#include "shared/base/rfc3339.h"

#define LEAST_SECONDS 1e8 // 1973-03-03; a thousand times as much is 5138, or the same in milliseconds
#define MOST_SECONDS 1e11
#define FINER_UNITS 3  // milli-, micro-, nanoseconds
#define MOST_NESTED 16 // comments within comments
#define MOST_DECIMALS 9

struct parts {
    int year, month, day, hour, minute, second;
    char decimals[MOST_DECIMALS + 1];
    char sign;  // of the offset
    int offset; // hours and minutes, as 530
};

static bool skip_char(const char **at, const char *allowed) {
    if (**at == '\0' || strchr(allowed, **at) == NULL) {
        return false;
    }
    (*at)++;
    return true;
}

static bool timestamp_is_blank(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool timestamp_skip_blanks(const char **at) {
    const char *before = *at;
    while (timestamp_is_blank(**at)) {
        (*at)++;
    }
    return *at > before;
}

// A number of min to max digits; returns how many it had, 0 where it isn't one.
static int take_digits(const char **at, int min, int max, int *out) {
    int count = 0, value = 0;
    while (count < max && isdigit((unsigned char)(*at)[count])) {
        value = value * 10 + ((*at)[count++] - '0');
    }
    if (count < min) {
        return 0;
    }
    *at += count;
    *out = value;
    return count;
}

// rfc3339_parse has the last word.
static int read_parts(const struct parts *parts, int64_t *unix_ms) {
    char text[96];
    snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d%s%s%c%02d:%02d", parts->year, parts->month, parts->day,
             parts->hour, parts->minute, parts->second, parts->decimals[0] != '\0' ? "." : "", parts->decimals,
             parts->sign, parts->offset / 100, parts->offset % 100);
    return rfc3339_parse(text, unix_ms);
}

static bool take_clock(const char **at, struct parts *out) {
    if (take_digits(at, 2, 2, &out->hour) == 0 || !skip_char(at, ":") || take_digits(at, 2, 2, &out->minute) == 0) {
        return false;
    }
    return !skip_char(at, ":") || take_digits(at, 2, 2, &out->second) != 0;
}

// "+0530", "+05:30", "+05"
static bool take_numeric_offset(const char **at, struct parts *out) {
    int hours, minutes = 0;
    out->sign = **at;
    if (!skip_char(at, "+-") || take_digits(at, 2, 2, &hours) == 0) {
        return false;
    }
    if (skip_char(at, ":") || isdigit((unsigned char)**at)) {
        if (take_digits(at, 2, 2, &minutes) == 0) {
            return false;
        }
    }
    out->offset = hours * 100 + minutes;
    return true;
}

// ---- RFC 3339 and its kin

static bool take_decimals_of(const char **at, struct parts *out) {
    if (!skip_char(at, ".,")) {
        return true;
    }
    size_t length = strspn(*at, "0123456789");
    memcpy(out->decimals, *at, length < MOST_DECIMALS ? length : MOST_DECIMALS);
    *at += length;
    return length > 0;
}

static bool take_offset_of(const char **at, struct parts *out) {
    out->sign = '+';
    timestamp_skip_blanks(at);
    if (**at == '\0' || skip_char(at, "Zz")) {
        return true;
    }
    if (strncasecmp(*at, "UTC", 3) == 0 || strncasecmp(*at, "GMT", 3) == 0) {
        *at += 3;
        return true;
    }
    return take_numeric_offset(at, out);
}

static int read_iso(const char *at, int64_t *unix_ms) {
    struct parts parts = {0};
    if (take_digits(&at, 4, 4, &parts.year) == 0 || !skip_char(&at, "-") || take_digits(&at, 2, 2, &parts.month) == 0 ||
        !skip_char(&at, "-") || take_digits(&at, 2, 2, &parts.day) == 0) {
        return -1;
    }
    if (!skip_char(&at, "Tt") && !timestamp_skip_blanks(&at)) {
        return -1;
    }
    if (!take_clock(&at, &parts) || !take_decimals_of(&at, &parts) || !take_offset_of(&at, &parts) || *at != '\0') {
        return -1;
    }
    return read_parts(&parts, unix_ms);
}

// ---- RFC 5322, 3.3 and 4.3

// A comment, whose '(' is next, with what it nests; false where it isn't closed.
static bool skip_comment(const char **at) {
    int depth = 0;
    do {
        char c = **at;
        depth += c == '(' ? 1 : c == ')' ? -1 : 0;
        *at += c == '\\' && (*at)[1] != '\0' ? 2 : 1;
        if (c == '\0' || depth > MOST_NESTED) {
            return false;
        }
    } while (depth > 0);
    return true;
}

// CFWS: comments and folding white space.
static bool skip_folds(const char **at) {
    while (timestamp_skip_blanks(at) || **at == '(') {
        if (**at == '(' && !skip_comment(at)) {
            return false;
        }
    }
    return true;
}

static size_t count_letters(const char *at) {
    size_t length = 0;
    while (isalpha((unsigned char)at[length])) {
        length++;
    }
    return length;
}

// "Fri," where it is there; a space for its comma will do.
static bool skip_day_name(const char **at) {
    size_t length = count_letters(*at);
    *at += length;
    if (length == 0) {
        return true;
    }
    return length >= 3 && skip_folds(at) && (skip_char(at, ",") || isdigit((unsigned char)**at)) && skip_folds(at);
}

static bool timestamp_take_month(const char **at, int *out) {
    static const char names[] = "janfebmaraprmayjunjulaugsepoctnovdec";
    if (count_letters(*at) < 3) {
        return false;
    }
    for (int month = 1; month <= 12; month++) {
        if (strncasecmp(*at, names + (month - 1) * 3, 3) == 0) {
            *at += count_letters(*at);
            *out = month;
            return true;
        }
    }
    return false;
}

// 4.3: "two digit years 00 to 49 are 2000 to 2049; 50 to 99, and three digits, are counted from 1900".
static bool take_year(const char **at, int *out) {
    int digits = take_digits(at, 2, 4, out);
    *out += digits == 2 && *out < 50 ? 2000 : digits == 2 || digits == 3 ? 1900 : 0;
    return digits > 0;
}

static bool take_zone(const char **at, struct parts *out) {
    static const struct {
        const char *name;
        int west; // of Greenwich, hours as 500
    } zones[] = {{"EST", 500}, {"EDT", 400}, {"CST", 600}, {"CDT", 500},
                 {"MST", 700}, {"MDT", 600}, {"PST", 800}, {"PDT", 700}};
    size_t length = count_letters(*at);
    if (**at == '+' || **at == '-') {
        return take_numeric_offset(at, out);
    }
    out->sign = '-';
    for (size_t i = 0; i < sizeof zones / sizeof *zones; i++) {
        if (length == 3 && strncasecmp(*at, zones[i].name, length) == 0) {
            out->offset = zones[i].west;
        }
    }
    *at += length;
    return true;
}

static int read_mail(const char *at, int64_t *unix_ms) {
    struct parts parts = {0};
    if (!skip_folds(&at) || !skip_day_name(&at) || take_digits(&at, 1, 2, &parts.day) == 0 || !skip_folds(&at) ||
        !timestamp_take_month(&at, &parts.month) || !skip_folds(&at) || !take_year(&at, &parts.year) ||
        !skip_folds(&at) || !take_clock(&at, &parts) || !skip_folds(&at) || !take_zone(&at, &parts) ||
        !skip_folds(&at) || *at != '\0') {
        return -1;
    }
    return read_parts(&parts, unix_ms);
}

// ---- Numbers

int timestamp_from_number(double number, int64_t *unix_ms) {
    double unit = 1;
    for (int i = 0; i < FINER_UNITS && number / unit >= MOST_SECONDS; i++) {
        unit *= 1000;
    }
    double seconds = number / unit;
    if (!(seconds >= LEAST_SECONDS && seconds < MOST_SECONDS)) {
        return -1;
    }
    // A double holds the decimals of seconds to a quarter of a microsecond: .123 may be a little less.
    *unix_ms = (int64_t)(unit >= 1000 ? number / (unit / 1000) : seconds * 1000 + 5e-4);
    return 0;
}

static int read_number(const char *text, int64_t *unix_ms) {
    size_t whole = strspn(text, "0123456789");
    const char *rest = text + whole;
    if (*rest == '.') {
        size_t decimals = strspn(rest + 1, "0123456789");
        rest += decimals > 0 ? 1 + decimals : 0;
    }
    return whole > 0 && *rest == '\0' ? timestamp_from_number(strtod(text, NULL), unix_ms) : -1;
}

// ---- Any of them

int timestamp_read(const char *text, int64_t *unix_ms) {
    if (rfc3339_parse(text, unix_ms) == 0) {
        return 0;
    }
    (void)timestamp_skip_blanks(&text);
    char *trimmed = xstrdup(text);
    size_t length = strlen(trimmed);
    while (length > 0 && timestamp_is_blank(trimmed[length - 1])) {
        trimmed[--length] = '\0';
    }
    bool is_read =
        read_iso(trimmed, unix_ms) == 0 || read_number(trimmed, unix_ms) == 0 || read_mail(trimmed, unix_ms) == 0;
    free(trimmed);
    return is_read ? 0 : -1;
}
