// SPDX-License-Identifier: MIT
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "ingest/read/cursor.h"
#include "ingest/read/paging.h"
#include "shared/base/rfc3339.h"

Suite *suite_read_cursor(void);

static const int64_t times[] = {
    0, 1, -1, 1730469600123456, INT64_C(-62135596800000000), INT64_C(253402300799999999),
};

START_TEST(a_conversations_cursor_comes_back_as_it_went) {
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        struct cursor there = {.page = 2 + (int64_t)i, .time_us = times[i], .id.number = INT64_MAX - (int64_t)i}, back;
        char text[CURSOR_SIZE];
        cursor_format(CURSOR_CONVERSATION, &there, text);
        ck_assert_int_eq(cursor_parse(CURSOR_CONVERSATION, text, &back), 0);
        ck_assert_int_eq(back.page, there.page);
        ck_assert_int_eq(back.time_us, there.time_us);
        ck_assert_int_eq(back.id.number, there.id.number);
    }
}
END_TEST

START_TEST(a_messages_cursor_comes_back_as_it_went) {
    struct cursor there = {.page = 7, .time_us = times[3], .accepted_us = times[3] + 17}, back;
    ck_assert_int_eq(uuid_parse("0192e7a1-3c00-7b5e-9d1a-0c2f5b7e8a11", &there.id.uuid), 0);
    char text[CURSOR_SIZE];
    cursor_format(CURSOR_MESSAGE, &there, text);
    ck_assert_int_eq(cursor_parse(CURSOR_MESSAGE, text, &back), 0);
    ck_assert_int_eq(back.time_us, there.time_us);
    ck_assert_int_eq(back.accepted_us, there.accepted_us);
    ck_assert_mem_eq(back.id.uuid.bytes, there.id.uuid.bytes, UUID_BYTES);
}
END_TEST

START_TEST(a_messages_cursor_of_an_older_release_is_read) {
    struct cursor cursor;
    struct uuid id;
    ck_assert_int_eq(uuid_parse("0192e7a1-3c00-7b5e-9d1a-0c2f5b7e8a11", &id), 0);
    ck_assert_int_eq(cursor_parse(CURSOR_MESSAGE, "m0000000200e2c58b3d6c00010192e7a13c007b5e9d1a0c2f5b7e8a11", &cursor),
                     0);
    ck_assert_int_eq(cursor.page, 2);
    ck_assert_int_eq(cursor.accepted_us, CURSOR_UNTOLD);
    ck_assert_mem_eq(cursor.id.uuid.bytes, id.bytes, UUID_BYTES);
    ck_assert_int_eq(cursor_parse(CURSOR_MESSAGE, "m0000000200e2c58b3d6c00010192e7a13c007b5e9d1a0c2f5b7e8a1", &cursor),
                     -1);
}
END_TEST

START_TEST(a_dead_letters_cursor_comes_back_as_it_went_and_is_no_other_lists) {
    struct cursor there = {.page = 3, .time_us = times[3], .id.number = 42}, back;
    char text[CURSOR_SIZE];
    cursor_format(CURSOR_DEAD_LETTER, &there, text);
    ck_assert_int_eq(cursor_parse(CURSOR_DEAD_LETTER, text, &back), 0);
    ck_assert_int_eq(back.time_us, there.time_us);
    ck_assert_int_eq(back.id.number, 42);
    ck_assert_int_eq(cursor_parse(CURSOR_CONVERSATION, text, &back), -1);
}
END_TEST

START_TEST(a_cursor_of_the_other_list_is_refused) {
    struct cursor cursor = {.page = 2, .time_us = 5, .id.number = 3};
    char text[CURSOR_SIZE];
    cursor_format(CURSOR_CONVERSATION, &cursor, text);
    ck_assert_int_eq(cursor_parse(CURSOR_MESSAGE, text, &cursor), -1);
    cursor_format(CURSOR_MESSAGE, &cursor, text);
    ck_assert_int_eq(cursor_parse(CURSOR_CONVERSATION, text, &cursor), -1);
}
END_TEST

START_TEST(a_cursor_that_was_altered_is_refused) {
    struct cursor cursor = {.page = 2, .time_us = 5, .id.number = 3};
    char text[CURSOR_SIZE + 1];
    cursor_format(CURSOR_CONVERSATION, &cursor, text);
    size_t length = strlen(text);
    text[length - 1] = 'g';
    ck_assert_int_eq(cursor_parse(CURSOR_CONVERSATION, text, &cursor), -1);
    text[length - 1] = '\0';
    ck_assert_int_eq(cursor_parse(CURSOR_CONVERSATION, text, &cursor), -1);
    strcpy(text + length - 1, "33");
    ck_assert_int_eq(cursor_parse(CURSOR_CONVERSATION, text, &cursor), -1);
    ck_assert_int_eq(cursor_parse(CURSOR_CONVERSATION, "", &cursor), -1);
    ck_assert_int_eq(cursor_parse(CURSOR_CONVERSATION, "c", &cursor), -1);
}
END_TEST

START_TEST(a_time_or_an_id_out_of_range_is_refused) {
    struct cursor cursor;
    ck_assert_int_eq(cursor_parse(CURSOR_CONVERSATION, "c00000002ffffffffffffffff0000000000000001", &cursor), -1);
    ck_assert_int_eq(cursor_parse(CURSOR_CONVERSATION, "c000000020000000000000001ffffffffffffffff", &cursor), -1);
    ck_assert_int_eq(cursor_parse(CURSOR_CONVERSATION, "c0000000100000000000000010000000000000001", &cursor), -1);
}
END_TEST

START_TEST(its_time_is_written_to_the_microsecond) {
    char text[RFC3339_US_SIZE];
    rfc3339_format_us(1730469600123456, text);
    ck_assert_str_eq(text, "2024-11-01T14:00:00.123456Z");
    rfc3339_format_us(-1, text);
    ck_assert_str_eq(text, "1969-12-31T23:59:59.999999Z");
}
END_TEST

static void assert_paging(const char *page, const char *size, int64_t expected_page, int64_t expected_size) {
    struct paging paging;
    struct paging_error error;
    ck_assert_int_eq(paging_parse(page, size, NULL, CURSOR_MESSAGE, &paging, &error), 0);
    ck_assert_int_eq(paging.page, expected_page);
    ck_assert_int_eq(paging.page_size, expected_size);
    ck_assert_int_eq(paging_offset(&paging), (expected_page - 1) * expected_size);
}

START_TEST(a_page_has_50_entries_unless_fewer_are_asked_for) {
    assert_paging(NULL, NULL, 1, 50);
    assert_paging("3", "20", 3, 20);
    assert_paging("1", "0", 1, 50);
    assert_paging("1", "51", 1, 50);
    assert_paging("1", "99999999999999999999", 1, 50);
    assert_paging("200", NULL, 200, 50);
    assert_paging("10000", "1", 10000, 1);
}
END_TEST

START_TEST(a_parameter_that_is_no_number_or_leads_too_deep_is_named) {
    static const char *const bad[][4] = {
        {"0", NULL, NULL, "page"},      {"-1", NULL, NULL, "page"},   {"x", NULL, NULL, "page"},
        {"", NULL, NULL, "page"},       {"+1", NULL, NULL, "page"},   {"1.5", NULL, NULL, "page"},
        {"201", NULL, NULL, "page"},    {"10001", "1", NULL, "page"}, {"99999999999999999999", "1", NULL, "page"},
        {NULL, "-1", NULL, "pageSize"}, {NULL, "", NULL, "pageSize"}, {NULL, NULL, "x", "cursor"},
        {"1", NULL, "x", "cursor"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct paging paging;
        struct paging_error error = {"", ""};
        ck_assert_int_eq(paging_parse(bad[i][0], bad[i][1], bad[i][2], CURSOR_MESSAGE, &paging, &error), -1);
        ck_assert_str_eq(error.parameter, bad[i][3]);
    }
}
END_TEST

START_TEST(a_cursor_carries_the_number_of_its_page) {
    struct cursor cursor = {.page = 300, .time_us = 5, .id.number = 3};
    struct paging paging;
    struct paging_error error;
    char text[CURSOR_SIZE];
    cursor_format(CURSOR_CONVERSATION, &cursor, text);
    ck_assert_int_eq(paging_parse(NULL, "10", text, CURSOR_CONVERSATION, &paging, &error), 0);
    ck_assert_int_eq(paging.page, 300);
    ck_assert_int_eq(paging_offset(&paging), 0);
}
END_TEST

Suite *suite_read_cursor(void) {
    Suite *suite = suite_create("read_cursor");
    TCase *tests = tcase_create("cursor");
    tcase_add_test(tests, a_conversations_cursor_comes_back_as_it_went);
    tcase_add_test(tests, a_messages_cursor_comes_back_as_it_went);
    tcase_add_test(tests, a_messages_cursor_of_an_older_release_is_read);
    tcase_add_test(tests, a_dead_letters_cursor_comes_back_as_it_went_and_is_no_other_lists);
    tcase_add_test(tests, a_cursor_of_the_other_list_is_refused);
    tcase_add_test(tests, a_cursor_that_was_altered_is_refused);
    tcase_add_test(tests, a_time_or_an_id_out_of_range_is_refused);
    tcase_add_test(tests, its_time_is_written_to_the_microsecond);
    tcase_add_test(tests, a_page_has_50_entries_unless_fewer_are_asked_for);
    tcase_add_test(tests, a_parameter_that_is_no_number_or_leads_too_deep_is_named);
    tcase_add_test(tests, a_cursor_carries_the_number_of_its_page);
    suite_add_tcase(suite, tests);
    return suite;
}
