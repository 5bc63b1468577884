// SPDX-License-Identifier: MIT
// How old a message is, where any of the clocks that tell may be wrong.

#include <check.h>

#include "dispatcher/age.h"

#define DAY_MS (24LL * 3600 * 1000)
#define NOW_MS 1800000000000LL
#define WRONG_MS (400 * DAY_MS)

// Made at NOW_MS - 10 days, and at NOW_MS - 1 s.
#define OLD_ID "01a2e4dc-b800-7000-8000-000000000000"
#define NEW_ID "01a3185c-4c18-7000-8000-000000000000"
#define OTHER_ID "01a3185c-4c18-8000-8000-000000000000"

Suite *suite_dispatcher_age(void);

static const struct {
    const char *id;
    int64_t generation, at_ms, redis_ms, host_ms, age_ms, send_at_ms;
} cases[] = {
    // All is well.
    {NEW_ID, 0, NOW_MS - 900, NOW_MS, NOW_MS, 900, 0},
    {OLD_ID, 0, NOW_MS - 10 * DAY_MS + 50, NOW_MS, NOW_MS, 10 * DAY_MS - 50, 0},
    {OLD_ID, 1, NOW_MS - 5000, NOW_MS, NOW_MS, 5000, 0},
    {OTHER_ID, 0, NOW_MS - 5000, NOW_MS, NOW_MS, 5000, 0},
    // Redis's clock was behind or ahead when it accepted the message, and has been put right.
    {NEW_ID, 0, NOW_MS - WRONG_MS, NOW_MS, NOW_MS, 1000, 0},
    {NEW_ID, 0, NOW_MS + WRONG_MS, NOW_MS, NOW_MS, 1000, 0},
    {OLD_ID, 0, NOW_MS + WRONG_MS, NOW_MS, NOW_MS, 10 * DAY_MS, 0},
    {OLD_ID, 1, NOW_MS + WRONG_MS, NOW_MS, NOW_MS, 0, 0},
    {OTHER_ID, 0, NOW_MS + WRONG_MS, NOW_MS, NOW_MS, 0, 0},
    // It is wrong now.
    {NEW_ID, 0, NOW_MS - 900, NOW_MS + WRONG_MS, NOW_MS, 1000, 0},
    {NEW_ID, 0, NOW_MS - 900, NOW_MS - WRONG_MS, NOW_MS, 1000, 0},
    // This machine's, or the ingest's, is.
    {NEW_ID, 0, NOW_MS - 900, NOW_MS, NOW_MS + WRONG_MS, 900, 0},
    {NEW_ID, 0, NOW_MS - 900, NOW_MS, NOW_MS - WRONG_MS, 900, 0},
    // It was to be sent ten days after it was accepted.
    {OLD_ID, 0, NOW_MS - 700, NOW_MS, NOW_MS, 700, NOW_MS - 700},
    {OTHER_ID, 0, NOW_MS - 700, NOW_MS, NOW_MS, 700, NOW_MS - 700},
    {OLD_ID, 1, NOW_MS - 5000, NOW_MS, NOW_MS, 5000, NOW_MS - DAY_MS},       // and was replayed a day later
    {OLD_ID, 0, NOW_MS - 700, NOW_MS + WRONG_MS, NOW_MS, 700, NOW_MS - 700}, // Redis's clock is wrong now
    {OLD_ID, 0, NOW_MS - 700, NOW_MS - WRONG_MS, NOW_MS, 700, NOW_MS - 700},
    {OLD_ID, 0, NOW_MS - 700, NOW_MS, NOW_MS - WRONG_MS, 700, NOW_MS - 700}, // this machine's is
    {OLD_ID, 0, NOW_MS - 700, NOW_MS, NOW_MS + WRONG_MS, 700, NOW_MS - 700},
    {OLD_ID, 0, NOW_MS + 700, NOW_MS, NOW_MS, 0, NOW_MS + 700}, // a clock went back since it began
    // And isn't due yet but for Redis's clock, which is ahead.
    {OLD_ID, 0, NOW_MS + DAY_MS, NOW_MS + WRONG_MS, NOW_MS, 0, NOW_MS + DAY_MS},
    {NEW_ID, 0, NOW_MS + DAY_MS, NOW_MS + WRONG_MS, NOW_MS, 0, NOW_MS + DAY_MS},
    // It was to be sent at a time that was over when it came.
    {NEW_ID, 0, NOW_MS - 900, NOW_MS, NOW_MS, 900, NOW_MS - 10 * DAY_MS},
    {NEW_ID, 0, NOW_MS - WRONG_MS, NOW_MS, NOW_MS, 1000, NOW_MS - 10 * DAY_MS},
};

START_TEST(a_clock_that_is_wrong_makes_no_message_old_or_young) {
    char id[] = OLD_ID;
    for (size_t i = 0; cases[_i].id[i] != '\0'; i++) {
        id[i] = cases[_i].id[i];
    }
    struct entry entry = {.message_id = id,
                          .generation = cases[_i].generation,
                          .at_ms = cases[_i].at_ms,
                          .message.send_at_ms = cases[_i].send_at_ms};
    ck_assert_int_eq(entry_age_ms(&entry, cases[_i].redis_ms, cases[_i].host_ms), cases[_i].age_ms);
}
END_TEST

Suite *suite_dispatcher_age(void) {
    Suite *suite = suite_create("dispatcher_age");
    TCase *tests = tcase_create("dispatcher_age");
    tcase_add_loop_test(tests, a_clock_that_is_wrong_makes_no_message_old_or_young, 0, sizeof cases / sizeof *cases);
    suite_add_tcase(suite, tests);
    return suite;
}
