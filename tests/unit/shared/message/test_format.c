// SPDX-License-Identifier: MIT
#include "shared/message/format.h"

#include <check.h>

Suite *suite_message_format(void);

enum { OLD = STREAM_FORMAT_OLDEST, NEW = OLD + 1, BEAT_MS = 1000, SETTLED = FORMAT_SETTLE_MS / BEAT_MS };

static int64_t now_ms = 1000000;

// So many looks, a beat apart, that find the same.
static void looks(int count, int lowest) {
    for (int i = 0; i < count; i++) {
        now_ms += BEAT_MS;
        format_looked(lowest, 0, now_ms);
    }
}

START_TEST(before_any_look_it_is_the_oldest) {
    ck_assert_int_eq(format_agreed(now_ms), OLD);
    ck_assert_int_eq(format_to_write(), OLD);
}
END_TEST

START_TEST(a_newer_one_is_written_once_all_looks_of_a_while_have_allowed_it) {
    looks(SETTLED, NEW);
    ck_assert_int_eq(format_agreed(now_ms), OLD);
    looks(1, NEW);
    ck_assert_int_eq(format_agreed(now_ms), NEW);
}
END_TEST

START_TEST(an_older_one_is_written_at_once_and_for_the_whole_while) {
    looks(SETTLED + 1, NEW);
    looks(1, OLD);
    ck_assert_int_eq(format_agreed(now_ms), OLD);
    looks(SETTLED, NEW);
    ck_assert_int_eq(format_agreed(now_ms), OLD);
    looks(1, NEW);
    ck_assert_int_eq(format_agreed(now_ms), NEW);
}
END_TEST

START_TEST(a_newer_one_comes_for_as_long_as_looks_allow_it) {
    ck_assert(format_is_coming(NEW, now_ms));
    looks(1, NEW);
    ck_assert(format_is_coming(NEW, now_ms));
    ck_assert(!format_is_coming(NEW + 1, now_ms));
    ck_assert(!format_is_coming(NEW, now_ms + FORMAT_SETTLE_MS + 1));
    looks(1, OLD);
    ck_assert(!format_is_coming(NEW, now_ms));
}
END_TEST

START_TEST(what_was_agreed_is_kept_while_nobody_can_look_and_ends_with_the_first_look_that_forbids_it) {
    looks(SETTLED + 1, NEW);
    now_ms += FORMAT_KEPT_MS - BEAT_MS; // Redis is away
    ck_assert_int_eq(format_agreed(now_ms), NEW);
    looks(1, NEW);
    ck_assert_int_eq(format_agreed(now_ms), NEW);
    now_ms += FORMAT_KEPT_MS - BEAT_MS;
    looks(1, OLD);
    ck_assert_int_eq(format_agreed(now_ms), OLD);
}
END_TEST

START_TEST(what_was_agreed_is_forgotten_where_nobody_has_looked_for_long) {
    looks(SETTLED + 1, NEW);
    ck_assert_int_eq(format_agreed(now_ms + FORMAT_KEPT_MS), NEW);
    ck_assert_int_eq(format_agreed(now_ms + FORMAT_KEPT_MS + 1), OLD);
    now_ms += FORMAT_KEPT_MS + 1;
    looks(1, NEW);
    ck_assert_int_eq(format_agreed(now_ms), OLD);
    looks(SETTLED, NEW);
    ck_assert_int_eq(format_agreed(now_ms), NEW);
}
END_TEST

START_TEST(what_others_write_is_written_at_once_where_all_read_it) {
    ck_assert(!format_is_known());
    format_looked(OLD, NEW, ++now_ms);
    ck_assert(format_is_known());
    ck_assert_int_eq(format_agreed(now_ms), OLD);
    format_looked(NEW, 0, ++now_ms);
    ck_assert_int_eq(format_agreed(now_ms), OLD);
    format_looked(NEW, NEW, ++now_ms);
    ck_assert_int_eq(format_agreed(now_ms), NEW);
    format_looked(OLD, NEW, ++now_ms);
    ck_assert_int_eq(format_agreed(now_ms), OLD);
}
END_TEST

START_TEST(it_never_writes_what_it_does_not_read_itself) {
    looks(SETTLED + 1, STREAM_FORMAT + 1);
    ck_assert_int_eq(format_agreed(now_ms), STREAM_FORMAT + 1);
    ck_assert_int_le(format_to_write(), STREAM_FORMAT);
}
END_TEST

Suite *suite_message_format(void) {
    Suite *suite = suite_create("message_format");
    TCase *tests = tcase_create("format");
    tcase_add_test(tests, before_any_look_it_is_the_oldest);
    tcase_add_test(tests, a_newer_one_is_written_once_all_looks_of_a_while_have_allowed_it);
    tcase_add_test(tests, an_older_one_is_written_at_once_and_for_the_whole_while);
    tcase_add_test(tests, a_newer_one_comes_for_as_long_as_looks_allow_it);
    tcase_add_test(tests, what_was_agreed_is_kept_while_nobody_can_look_and_ends_with_the_first_look_that_forbids_it);
    tcase_add_test(tests, what_was_agreed_is_forgotten_where_nobody_has_looked_for_long);
    tcase_add_test(tests, what_others_write_is_written_at_once_where_all_read_it);
    tcase_add_test(tests, it_never_writes_what_it_does_not_read_itself);
    suite_add_tcase(suite, tests);
    return suite;
}
