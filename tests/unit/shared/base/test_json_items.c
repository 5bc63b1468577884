// SPDX-License-Identifier: MIT
#include "shared/base/json_items.h"

#include <check.h>
#include <string.h>

#include "shared/base/buf.h"

Suite *suite_base_json_items(void);

// The elements, each in <>, and what is wrong.
static void assert_items(const char *text, const char *expected) {
    struct json_items items;
    struct buf got = {0};
    const char *element;
    size_t length;
    json_items_begin(&items, text, strlen(text));
    while (json_items_next(&items, &element, &length)) {
        buf_printf(&got, "<%.*s>", (int)length, element);
    }
    ck_assert(!json_items_next(&items, &element, &length));
    buf_puts(&got, items.error != NULL ? items.error : "");
    ck_assert_str_eq(got.data, expected);
    buf_free(&got);
}

#define NO_END "The array doesn't end."
#define NO_ARRAY "The document is no array."
#define MORE "Something stands behind the array."

START_TEST(each_element_comes_as_it_is_written) {
    assert_items("[]", "");
    assert_items(" [ \r\n]\r\n", "");
    assert_items("[1, \"a\" ,{\"b\":[1,2],\"c\":{}},[3],null ]\r\n", "<1><\"a\"><{\"b\":[1,2],\"c\":{}}><[3]><null>");
}
END_TEST

START_TEST(what_stands_in_a_string_ends_nothing) {
    assert_items("[\"a,]}\",{\"k\":\"]\\\",[\"},\"\\\\\",2]", "<\"a,]}\"><{\"k\":\"]\\\",[\"}><\"\\\\\"><2>");
}
END_TEST

START_TEST(what_is_malformed_is_an_element_of_its_own) {
    assert_items("[{\"a\":1},{\"a\" 1},,nul,{} {},}]", "<{\"a\":1}><{\"a\" 1}><><nul><{} {}><}>");
    assert_items("[1,]", "<1><>");
    assert_items("[,]", "<><>");
}
END_TEST

START_TEST(what_is_no_whole_array_says_so) {
    assert_items("", NO_ARRAY);
    assert_items(" ", NO_ARRAY);
    assert_items("{}", NO_ARRAY);
    assert_items("\xef\xbb\xbf[]", NO_ARRAY);
    assert_items("[", "<>" NO_END);
    assert_items("[1", "<1>" NO_END);
    assert_items("[1,2", "<1><2>" NO_END);
    assert_items("[\"a]", "<\"a]>" NO_END);
    assert_items("[\"a\\", "<\"a\\>" NO_END);
    assert_items("[{\"a\":[},1]", "<{\"a\":[},1]>" NO_END);
    assert_items("[1]2", "<1>" MORE);
    assert_items("[] []", MORE);
    assert_items("[1]]", "<1>" MORE);
}
END_TEST

START_TEST(nothing_is_read_beyond_the_length_that_is_given) {
    struct json_items items;
    const char *element;
    size_t length;
    json_items_begin(&items, "[\"a\\\"]", 4);
    ck_assert(json_items_next(&items, &element, &length));
    ck_assert_uint_eq(length, 3);
    ck_assert(!json_items_next(&items, &element, &length));
    ck_assert_str_eq(items.error, NO_END);
}
END_TEST

Suite *suite_base_json_items(void) {
    Suite *suite = suite_create("base_json_items");
    TCase *tcase = tcase_create("json_items");
    tcase_add_test(tcase, each_element_comes_as_it_is_written);
    tcase_add_test(tcase, what_stands_in_a_string_ends_nothing);
    tcase_add_test(tcase, what_is_malformed_is_an_element_of_its_own);
    tcase_add_test(tcase, what_is_no_whole_array_says_so);
    tcase_add_test(tcase, nothing_is_read_beyond_the_length_that_is_given);
    suite_add_tcase(suite, tcase);
    return suite;
}
