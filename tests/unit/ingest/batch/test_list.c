// SPDX-License-Identifier: MIT
#include "ingest/batch/list.h"

#include <check.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/buf.h"

Suite *suite_batch_list(void);

static void assert_messages(const char *text, const char *expected) {
    struct batch_list list;
    struct payload_error error = {.reason = ""};
    struct buf got = {0};
    ck_assert_msg(batch_list_read(text, strlen(text), &list, &error) == 0, "%s: %s %s", text, error.field,
                  error.reason);
    for (size_t i = 0; i < list.count; i++) {
        buf_printf(&got, "<%.*s>", (int)list.spans[i].length, text + list.spans[i].at);
    }
    ck_assert_str_eq(got.data, expected);
    buf_free(&got);
    batch_list_free(&list);
}

static void assert_refused(const char *text, const char *field, const char *reason) {
    struct batch_list list;
    struct payload_error error;
    ck_assert_msg(batch_list_read(text, strlen(text), &list, &error) == -1, "was taken: %s", text);
    ck_assert_str_eq(error.field, field);
    ck_assert_msg(strstr(error.reason, reason) != NULL, "%s: %s", text, error.reason);
    ck_assert_ptr_null(list.spans);
    ck_assert_uint_eq(list.count, 0);
}

START_TEST(each_message_is_found_where_it_stands) {
    assert_messages("{\"messages\":[{}]}", "<{}>");
    assert_messages(" {\"a\":[1,{}], \"messages\" : [ {\"b\":\"]},\"} , 7,null ] ,\"z\":\"messages\"}\r\n",
                    "<{\"b\":\"]},\"}><7><null>");
    assert_messages("{\"me\\u0073sages\":[[]]}", "<[]>");
    assert_messages("{\"Messages\":1,\"messages\":[1]}", "<1>");
}
END_TEST

START_TEST(what_is_wrong_within_a_message_is_its_own_error) {
    assert_messages("{\"messages\":[{\"body\":\"\\ud83d\"},{\"a\":1,\"a\":2},\"\\u0000\"]}",
                    "<{\"body\":\"\\ud83d\"}><{\"a\":1,\"a\":2}><\"\\u0000\">");
}
END_TEST

START_TEST(what_is_no_document_is_refused_as_a_whole) {
    assert_refused("", "", "is empty");
    assert_refused("{\"messages\":[{}]", "", "not closed");
    assert_refused("{\"messages\":[{},]}", "", "comma");
    assert_refused("{\"messages\":[{\"a\":NaN}]}", "", "NaN");
    assert_refused("{\"messages\":[{}]}}", "", "Bytes follow");
    assert_refused("{\"messages\":[\"\xff\"]}", "", "UTF-8");
    assert_refused("{\"messages\":[{}],\"messages\":[{}]}", "", "twice");
    assert_refused("{\"messages\":[{}],\"me\\u0073sages\":[{}]}", "", "twice");
    assert_refused("{\"messages\":[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]}", "", "deeper than 16");
}
END_TEST

START_TEST(what_is_no_list_names_the_field) {
    assert_refused("[]", "", "must be an object");
    assert_refused("7", "", "must be an object");
    assert_refused("{}", "messages", "is required");
    assert_refused("{\"message\":[{}]}", "messages", "is required");
    assert_refused("{\"messages\":null}", "messages", "is required");
    assert_refused("{\"messages\":{}}", "messages", "must be an array");
    assert_refused("{\"messages\":\"[]\"}", "messages", "must be an array");
    assert_refused("{\"messages\":[ ]}", "messages", "at least one");
}
END_TEST

// "[0,1,2…]", or such members.
static void add_many(struct buf *text, size_t count, bool members) {
    for (size_t i = 0; i < count; i++) {
        buf_printf(text, members ? "%s\"m%zu\":1" : "%s%zu", i > 0 ? "," : "", i);
    }
}

static char *many_messages(size_t count) {
    struct buf text = {0};
    buf_puts(&text, "{\"messages\":[");
    add_many(&text, count, false);
    buf_puts(&text, "]}");
    return text.data;
}

static char *many_members(size_t count) {
    struct buf text = {0};
    buf_puts(&text, "{");
    add_many(&text, count, true);
    buf_puts(&text, ",\"messages\":[1]}");
    return text.data;
}

START_TEST(a_thousand_messages_are_taken_and_one_more_is_not) {
    struct batch_list list;
    struct payload_error error;
    char *thousand = many_messages(BATCH_MOST_MESSAGES);
    ck_assert_int_eq(batch_list_read(thousand, strlen(thousand), &list, &error), 0);
    ck_assert_uint_eq(list.count, BATCH_MOST_MESSAGES);
    batch_list_free(&list);
    free(thousand);
    char *more = many_messages(BATCH_MOST_MESSAGES + 1);
    assert_refused(more, "messages", "at most 1000");
    free(more);
}
END_TEST

// Each would be a node of a tree, of many times its bytes.
START_TEST(members_beside_the_messages_are_bounded) {
    char *few = many_members(63);
    assert_messages(few, "<1>");
    free(few);
    char *lots = many_members(64);
    assert_refused(lots, "", "more than 64");
    free(lots);
}
END_TEST

static void digest_of(const char *one, const char *other, uint8_t out[SHA256_SIZE]) {
    memset(out, 0, SHA256_SIZE);
    batch_list_digest(out, one, strlen(one));
    batch_list_digest(out, other, strlen(other));
}

static bool same(const char *one, const char *other) {
    uint8_t digest[SHA256_SIZE], other_digest[SHA256_SIZE];
    digest_of("{}", one, digest);
    digest_of("{}", other, other_digest);
    return memcmp(digest, other_digest, SHA256_SIZE) == 0;
}

START_TEST(a_list_is_the_same_however_its_values_are_written) {
    ck_assert(same("{\"a\":1,\"b\":[true,null]}", " { \"b\" : [true ,null], \"a\":1.0 }"));
    ck_assert(same("{\"a\":\"\\u0041\\/\"}", "{\"a\":\"A/\"}"));
    ck_assert(same("{\"a\":{\"x\":1,\"y\":2}}", "{\"a\":{\"y\":2,\"x\":1}}"));
    ck_assert(same("{\"a\":1,\"a\":2}", "{\"a\":1,\"a\":2}"));
}
END_TEST

START_TEST(a_list_is_another_where_a_value_is) {
    uint8_t one[SHA256_SIZE], other[SHA256_SIZE];
    ck_assert(!same("{\"a\":1}", "{\"a\":2}"));
    ck_assert(!same("{\"a\":1}", "{\"a\":\"1\"}"));
    ck_assert(!same("{\"a\":[1,2]}", "{\"a\":[2,1]}"));
    ck_assert(!same("{\"a\":\"x\"}", "{\"a\":\"X\"}"));
    ck_assert(!same("{\"a\\\":1,\\\"b\":1}", "{\"a\":1,\"b\":1}"));
    ck_assert(!same("{\"a\":1,\"a\":2}", "{\"a\":2,\"a\":1}"));
    ck_assert(!same("{\"a\":\"\\ud800\"}", "{\"a\":\"\\udc00\"}"));
    digest_of("1", "2", one);
    digest_of("2", "1", other);
    ck_assert_int_ne(memcmp(one, other, SHA256_SIZE), 0);
}
END_TEST

Suite *suite_batch_list(void) {
    Suite *suite = suite_create("batch_list");
    TCase *tests = tcase_create("batch_list");
    tcase_add_test(tests, each_message_is_found_where_it_stands);
    tcase_add_test(tests, what_is_wrong_within_a_message_is_its_own_error);
    tcase_add_test(tests, what_is_no_document_is_refused_as_a_whole);
    tcase_add_test(tests, what_is_no_list_names_the_field);
    tcase_add_test(tests, a_thousand_messages_are_taken_and_one_more_is_not);
    tcase_add_test(tests, members_beside_the_messages_are_bounded);
    tcase_add_test(tests, a_list_is_the_same_however_its_values_are_written);
    tcase_add_test(tests, a_list_is_another_where_a_value_is);
    suite_add_tcase(suite, tests);
    return suite;
}
