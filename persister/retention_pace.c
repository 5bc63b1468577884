// SPDX-License-Identifier: MIT
#include "persister/retention_pace.h"

#define ROWS_FIRST 50
#define ROWS_LEAST 10
#define ROWS_MOST 500
#define LONGEST_US 8000 // of a transaction: what a batch of a few hundred entries takes itself
#define REST_TIMES 4    // of what it took: a fifth of the time
#define REST_TIMES_LEAST 1
#define REST_LEAST_MS 5
#define REST_BUSY_MS 200 // while events pile up: they are stored first

void retention_pace_start(struct retention_pace *pace) {
    pace->rows = ROWS_FIRST;
    pace->rest_times = REST_TIMES;
}

void retention_pace_judge(struct retention_pace *pace, bool falls_behind) {
    if (falls_behind) {
        pace->rest_times = pace->rest_times / 2 < REST_TIMES_LEAST ? REST_TIMES_LEAST : pace->rest_times / 2;
    } else {
        pace->rest_times = pace->rest_times * 2 > REST_TIMES ? REST_TIMES : pace->rest_times * 2;
    }
}

int64_t retention_pace_next(struct retention_pace *pace, int64_t seen, int64_t took_us, bool busy) {
    if (took_us > LONGEST_US) {
        pace->rows = pace->rows / 2 < ROWS_LEAST ? ROWS_LEAST : pace->rows / 2;
    } else if (seen >= pace->rows && took_us < LONGEST_US / 2) {
        pace->rows = pace->rows * 3 / 2 > ROWS_MOST ? ROWS_MOST : pace->rows * 3 / 2;
    }
    int64_t rest_ms = took_us * pace->rest_times / 1000;
    if (busy && rest_ms < REST_BUSY_MS) {
        return REST_BUSY_MS;
    }
    return rest_ms < REST_LEAST_MS ? REST_LEAST_MS : rest_ms;
}
