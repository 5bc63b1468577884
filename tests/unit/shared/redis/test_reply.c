// SPDX-License-Identifier: MIT
#include "shared/redis/reply.h"

#include <check.h>
#include <string.h>

Suite *suite_redis_reply(void);

static redisReply *reply;

// Of what a Redis sends.
static const redisReply *parse(const char *resp) {
    redisReader *reader = redisReaderCreate();
    void *out = NULL;
    ck_assert_int_eq(redisReaderFeed(reader, resp, strlen(resp)), REDIS_OK);
    ck_assert_int_eq(redisReaderGetReply(reader, &out), REDIS_OK);
    ck_assert_ptr_nonnull(out);
    redisReaderFree(reader);
    return reply = out;
}

static void teardown(void) {
    freeReplyObject(reply);
    reply = NULL;
}

START_TEST(a_text_is_a_bulk_or_simple_string) {
    const redisReply *list = parse("*6\r\n$2\r\nab\r\n+OK\r\n-ERR no\r\n:7\r\n$-1\r\n*0\r\n");
    ck_assert_str_eq(redis_reply_text(list, 0, "-"), "ab");
    ck_assert_str_eq(redis_reply_text(list, 1, "-"), "OK");
    for (size_t i = 2; i < 8; i++) {
        ck_assert_str_eq(redis_reply_text(list, i, "-"), "-");
    }
    ck_assert_ptr_null(redis_reply_text(list, 6, NULL));
}
END_TEST

START_TEST(a_number_is_an_integer_or_a_text_of_digits) {
    const redisReply *list = parse("*6\r\n:-7\r\n$2\r\n42\r\n$1\r\nx\r\n$-1\r\n-ERR 5\r\n*0\r\n");
    ck_assert_int_eq(redis_reply_number(list, 0, -1), -7);
    ck_assert_int_eq(redis_reply_number(list, 1, -1), 42);
    ck_assert_int_eq(redis_reply_number(list, 2, -1), 0);
    for (size_t i = 3; i < 8; i++) {
        ck_assert_int_eq(redis_reply_number(list, i, -1), -1);
    }
}
END_TEST

START_TEST(a_field_is_found_by_its_name_and_not_among_the_values) {
    const redisReply *pairs = parse("*7\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nb\r\n$1\r\nc\r\n:1\r\n:2\r\n$1\r\nd\r\n");
    ck_assert_str_eq(redis_reply_field(pairs, "a", "-"), "b");
    ck_assert_str_eq(redis_reply_field(pairs, "b", "-"), "c");
    ck_assert_str_eq(redis_reply_field(pairs, "c", "-"), "-");
    ck_assert_str_eq(redis_reply_field(pairs, "d", "-"), "-"); // without a value
    ck_assert_ptr_null(redis_reply_field(pairs, "", NULL));
}
END_TEST

START_TEST(what_is_no_list_has_nothing_in_it) {
    static const char *const others[] = {"$-1\r\n", "*-1\r\n",  "*0\r\n",     ":5\r\n",
                                         "+OK\r\n", "-ERR\r\n", "$1\r\na\r\n"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        const redisReply *other = parse(others[i]);
        ck_assert_ptr_null(redis_reply_text(other, 0, NULL));
        ck_assert_int_eq(redis_reply_number(other, 0, -1), -1);
        ck_assert_ptr_null(redis_reply_field(other, "a", NULL));
        ck_assert_ptr_null(redis_reply_entries(other));
        teardown();
    }
}
END_TEST

START_TEST(the_entries_of_one_stream_are_found) {
    const redisReply *read = parse("*1\r\n*2\r\n$1\r\ns\r\n*2\r\n*2\r\n$3\r\n5-1\r\n*2\r\n$1\r\nv\r\n$1\r\n1\r\n"
                                   "*2\r\n$3\r\n5-2\r\n*-1\r\n");
    const redisReply *entries = redis_reply_entries(read);
    ck_assert_ptr_nonnull(entries);
    ck_assert_uint_eq(entries->elements, 2);
    ck_assert_str_eq(redis_reply_text(entries->element[0], 0, ""), "5-1");
    ck_assert_str_eq(redis_reply_field(entries->element[0]->element[1], "v", ""), "1");
    ck_assert_str_eq(redis_reply_text(entries->element[1], 0, ""), "5-2");
}
END_TEST

START_TEST(what_has_another_shape_has_no_entries) {
    static const char *const others[] = {"*1\r\n*1\r\n$1\r\ns\r\n", "*1\r\n*2\r\n$1\r\ns\r\n$1\r\nx\r\n",
                                         "*1\r\n:1\r\n", "*2\r\n*2\r\n$1\r\ns\r\n*0\r\n*2\r\n$1\r\nt\r\n*0\r\n"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        ck_assert_ptr_null(redis_reply_entries(parse(others[i])));
        teardown();
    }
}
END_TEST

START_TEST(info_is_read_by_whole_names_at_the_beginning_of_a_line) {
    const redisReply *info = parse("$83\r\nused_memory:1\r\n# Memory\r\nmaxmemory_policy:2\r\nmaxmemory:30\r\n"
                                   "x_run_id:4\r\nrun_id:abc\r\n\r\n");
    ck_assert_int_eq(redis_info_number(info, "used_memory", -1), 1);
    ck_assert_int_eq(redis_info_number(info, "maxmemory", -1), 30);
    ck_assert_int_eq(redis_info_number(info, "memory", -1), -1);
    ck_assert_int_eq(strncmp(redis_info_text(info, "run_id", ""), "abc\r\n", 5), 0);
    ck_assert_ptr_null(redis_info_text(info, "run_i", NULL));
}
END_TEST

START_TEST(an_info_that_was_refused_says_nothing) {
    ck_assert_int_eq(redis_info_number(parse("-maxmemory:3\r\n"), "maxmemory", -1), -1);
}
END_TEST

Suite *suite_redis_reply(void) {
    Suite *suite = suite_create("redis_reply");
    TCase *tests = tcase_create("reply");
    tcase_add_checked_fixture(tests, NULL, teardown);
    tcase_add_test(tests, a_text_is_a_bulk_or_simple_string);
    tcase_add_test(tests, a_number_is_an_integer_or_a_text_of_digits);
    tcase_add_test(tests, a_field_is_found_by_its_name_and_not_among_the_values);
    tcase_add_test(tests, what_is_no_list_has_nothing_in_it);
    tcase_add_test(tests, the_entries_of_one_stream_are_found);
    tcase_add_test(tests, what_has_another_shape_has_no_entries);
    tcase_add_test(tests, info_is_read_by_whole_names_at_the_beginning_of_a_line);
    tcase_add_test(tests, an_info_that_was_refused_says_nothing);
    suite_add_tcase(suite, tests);
    return suite;
}
