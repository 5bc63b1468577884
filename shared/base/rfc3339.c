// SPDX-License-Identifier: MIT
#include "shared/base/rfc3339.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define DAY_SECONDS 86400
#define YEAR_1 (-62135596800LL)     // 0001-01-01T00:00:00Z in seconds since 1970
#define YEAR_10000 (253402300800LL) // 10000-01-01T00:00:00Z
#define MIN_MS (YEAR_1 * 1000)
#define MAX_MS (YEAR_10000 * 1000 - 1)

// Days since 1970 of a date of the proleptic Gregorian calendar, and back: Howard Hinnant, "chrono-Compatible
// Low-Level Date Algorithms". Eras are the calendar's 400-year cycles; a year is counted from March, so that the leap
// day comes last.
static int64_t days_from_date(int year, int month, int day) {
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static void date_from_days(int64_t days, int *year, int *month, int *day) {
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t from_march = (5 * day_of_year + 2) / 153;
    *day = (int)(day_of_year - (153 * from_march + 2) / 5 + 1);
    *month = (int)(from_march < 10 ? from_march + 3 : from_march - 9);
    *year = (int)(year_of_era + era * 400 + (*month <= 2 ? 1 : 0));
}

static int days_in_month(int year, int month) {
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

// Reads exactly `count` digits that make a number in min..max, and moves on past them.
static bool rfc3339_take_number(const char **at, int count, int min, int max, int *out) {
    int value = 0;
    for (int i = 0; i < count; i++) {
        if (!isdigit((unsigned char)(*at)[i])) {
            return false;
        }
        value = value * 10 + ((*at)[i] - '0');
    }
    *at += count;
    *out = value;
    return value >= min && value <= max;
}

static bool take_char(const char **at, const char *allowed) {
    if (**at == '\0' || strchr(allowed, **at) == NULL) {
        return false;
    }
    (*at)++;
    return true;
}

// The part after the seconds' '.', in whole milliseconds.
static bool take_decimals(const char **at, int *ms) {
    *ms = 0;
    if (!take_char(at, ".")) {
        return true;
    }
    if (!isdigit((unsigned char)**at)) {
        return false;
    }
    for (int weight = 100; isdigit((unsigned char)**at); (*at)++, weight /= 10) {
        *ms += (**at - '0') * weight;
    }
    return true;
}

static bool take_offset(const char **at, int *seconds) {
    *seconds = 0;
    if (take_char(at, "Zz")) {
        return true;
    }
    int sign = **at == '-' ? -1 : 1;
    int hours, minutes;
    if (!take_char(at, "+-") || !rfc3339_take_number(at, 2, 0, 23, &hours) || !take_char(at, ":") ||
        !rfc3339_take_number(at, 2, 0, 59, &minutes)) {
        return false;
    }
    *seconds = sign * (hours * 3600 + minutes * 60);
    return true;
}

int rfc3339_parse(const char *text, int64_t *unix_ms) {
    const char *at = text;
    int year, month, day, hour, minute, second, ms, offset;
    if (!rfc3339_take_number(&at, 4, 1, 9999, &year) || !take_char(&at, "-") ||
        !rfc3339_take_number(&at, 2, 1, 12, &month) || !take_char(&at, "-") ||
        !rfc3339_take_number(&at, 2, 1, days_in_month(year, month), &day) || !take_char(&at, "Tt") ||
        !rfc3339_take_number(&at, 2, 0, 23, &hour) || !take_char(&at, ":") ||
        !rfc3339_take_number(&at, 2, 0, 59, &minute) || !take_char(&at, ":") ||
        !rfc3339_take_number(&at, 2, 0, 60, &second) || !take_decimals(&at, &ms) || !take_offset(&at, &offset) ||
        *at != '\0') {
        return -1;
    }
    int64_t seconds =
        days_from_date(year, month, day) * DAY_SECONDS + INT64_C(3600) * hour + INT64_C(60) * minute + second - offset;
    if (second == 60) {
        // A leap second ends a day of UTC; what follows it is midnight.
        if (seconds % DAY_SECONDS != 0) {
            return -1;
        }
        ms = 0;
    }
    if (seconds < YEAR_1 || seconds >= YEAR_10000) {
        return -1; // the offset carried it out of the years that can be shown
    }
    *unix_ms = seconds * 1000 + ms;
    return 0;
}

static void put_number(char *out, int count, int value) {
    for (int i = count - 1; i >= 0; i--) {
        out[i] = (char)('0' + value % 10);
        value /= 10;
    }
}

void rfc3339_format(int64_t unix_ms, char out[RFC3339_SIZE]) {
    unix_ms = unix_ms < MIN_MS ? MIN_MS : unix_ms > MAX_MS ? MAX_MS : unix_ms;
    int64_t in_era = unix_ms - MIN_MS; // never negative, so that division rounds down
    int64_t days = in_era / (DAY_SECONDS * 1000LL) + YEAR_1 / DAY_SECONDS;
    int of_day = (int)(in_era % (DAY_SECONDS * 1000LL));
    int year, month, day;
    date_from_days(days, &year, &month, &day);
    memcpy(out, "0000-00-00T00:00:00.000Z", RFC3339_SIZE);
    put_number(out, 4, year);
    put_number(out + 5, 2, month);
    put_number(out + 8, 2, day);
    put_number(out + 11, 2, of_day / 3600000);
    put_number(out + 14, 2, of_day / 60000 % 60);
    put_number(out + 17, 2, of_day / 1000 % 60);
    put_number(out + 20, 3, of_day % 1000);
}

void rfc3339_format_us(int64_t unix_us, char out[RFC3339_US_SIZE]) {
    int64_t below_ms = (unix_us % 1000 + 1000) % 1000;
    char to_ms[RFC3339_SIZE];
    rfc3339_format((unix_us - below_ms) / 1000, to_ms);
    snprintf(out, RFC3339_US_SIZE, "%.*s%03dZ", (int)(sizeof to_ms - 2), to_ms, (int)below_ms);
}
