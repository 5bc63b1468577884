// SPDX-License-Identifier: MIT
#include "dispatcher/provider/http_date.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

enum { LAST_YEAR = 9999, DAY_SECS = 24 * 3600 };

struct date {
    int year, month, day; // month from 1
    int hour, minute, second;
    bool short_year; // of two digits
};

// Each takes what it reads off the front of *at, and returns whether it was there.

static bool http_date_take(const char **at, const char *text) {
    size_t length = strlen(text);
    bool is_there = strncmp(*at, text, length) == 0;
    *at += is_there ? length : 0;
    return is_there;
}

// At least `least` digits; a number beyond LAST_YEAR is cut to that.
static bool http_date_take_number(const char **at, int least, int *out) {
    int digits = 0;
    for (*out = 0; isdigit((unsigned char)**at); (*at)++, digits++) {
        *out = *out * 10 + (**at - '0');
        *out = *out > LAST_YEAR ? LAST_YEAR : *out;
    }
    return digits >= least;
}

static bool take_weekday(const char **at) {
    const char *from = *at;
    while (isalpha((unsigned char)**at)) {
        (*at)++;
    }
    return *at - from >= 3;
}

static bool take_month(const char **at, int *out) {
    static const char *const names[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    for (*out = 1; *out <= 12; (*out)++) {
        if (http_date_take(at, names[*out - 1])) {
            return true;
        }
    }
    return false;
}

static bool http_date_take_time(const char **at, struct date *out) {
    return http_date_take_number(at, 2, &out->hour) && http_date_take(at, ":") &&
           http_date_take_number(at, 2, &out->minute) && http_date_take(at, ":") &&
           http_date_take_number(at, 2, &out->second);
}

// "Sun, 06 Nov 1994 08:49:37 GMT", or with separator "-" "Sunday, 06-Nov-94 08:49:37 GMT".
static bool take_day_first(const char *at, const char *separator, struct date *out) {
    bool has_day = take_weekday(&at) && http_date_take(&at, ", ") && http_date_take_number(&at, 1, &out->day) &&
                   http_date_take(&at, separator) && take_month(&at, &out->month) && http_date_take(&at, separator);
    const char *year = at;
    bool has_year = has_day && http_date_take_number(&at, 2, &out->year);
    out->short_year = at - year == 2;
    return has_year && http_date_take(&at, " ") && http_date_take_time(&at, out) && http_date_take(&at, " GMT") &&
           *at == '\0';
}

// "Sun Nov  6 08:49:37 1994"
static bool take_month_first(const char *at, struct date *out) {
    out->short_year = false;
    return take_weekday(&at) && http_date_take(&at, " ") && take_month(&at, &out->month) && http_date_take(&at, " ") &&
           (http_date_take(&at, " "), http_date_take_number(&at, 1, &out->day)) && http_date_take(&at, " ") &&
           http_date_take_time(&at, out) && http_date_take(&at, " ") && http_date_take_number(&at, 4, &out->year) &&
           *at == '\0';
}

static bool is_possible(const struct date *date) {
    return date->day >= 1 && date->day <= 31 && date->hour <= 23 && date->minute <= 59 && date->second <= 60;
}

// What would be more than 50 years ahead is of the last century (RFC 9110).
static int whole_year(const struct date *date, int64_t now_ms) {
    time_t now = (time_t)(now_ms / 1000);
    struct tm today;
    if (!date->short_year || gmtime_r(&now, &today) == NULL) {
        return date->year;
    }
    int this_year = today.tm_year + 1900;
    int year = this_year - this_year % 100 + date->year;
    return year > this_year + 50 ? year - 100 : year;
}

// Of the proleptic Gregorian calendar, since 1970 (Hinnant, "chrono-Compatible Low-Level Date Algorithms").
static int64_t days_since_1970(int year, int month, int day) {
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = y / 400, of_era = y % 400;
    int64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

int http_date_parse(const char *text, int64_t now_ms, int64_t *unix_ms) {
    struct date date = {0};
    bool is_date =
        take_day_first(text, " ", &date) || take_day_first(text, "-", &date) || take_month_first(text, &date);
    if (!is_date || !is_possible(&date)) {
        return -1;
    }
    int64_t days = days_since_1970(whole_year(&date, now_ms), date.month, date.day);
    *unix_ms = (days * DAY_SECS + date.hour * 3600 + date.minute * 60 + date.second) * 1000;
    return 0;
}
