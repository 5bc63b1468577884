// SPDX-License-Identifier: MIT
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/buf.h"
#include "shared/base/form.h"

Suite *suite_base_form(void);

static struct form parsed(const char *body) {
    struct form form;
    ck_assert_int_eq(form_parse(body, strlen(body), &form), 0);
    return form;
}

static void assert_field(const struct form *form, size_t index, const char *name, const char *value) {
    ck_assert_uint_lt(index, form->count);
    ck_assert_str_eq(form->fields[index].name, name);
    ck_assert_str_eq(form->fields[index].value, value);
    ck_assert_uint_eq(form->fields[index].value_length, strlen(value));
}

START_TEST(fields_are_decoded_and_stay_in_their_order) {
    struct form form = parsed("To=%2B1+8&&b%20c=%F0%9f%98%80&empty=&bare&=x&a=1=2&100%=%&");
    ck_assert_uint_eq(form.count, 7);
    assert_field(&form, 0, "To", "+1 8");
    assert_field(&form, 1, "b c", "😀");
    assert_field(&form, 2, "empty", "");
    assert_field(&form, 3, "bare", "");
    assert_field(&form, 4, "", "x");
    assert_field(&form, 5, "a", "1=2");
    assert_field(&form, 6, "100%", "%");
    form_free(&form);
    form = parsed("");
    ck_assert_uint_eq(form.count, 0);
    form_free(&form);
}
END_TEST

START_TEST(of_several_fields_of_one_name_the_first_is_found_and_all_are_counted) {
    struct form form = parsed("a=1&A=2&a=3&%61=4&a%00=5");
    ck_assert_str_eq(form_get(&form, "a"), "1");
    ck_assert_uint_eq(form_count(&form, "a"), 3);
    ck_assert_str_eq(form_get(&form, "A"), "2");
    ck_assert_ptr_null(form_get(&form, "b"));
    ck_assert_ptr_null(form_find(&form, ""));
    form_free(&form);
}
END_TEST

static const struct {
    const char *value, *text;
} texts[] = {
    {"", ""},
    {"Gr%C3%BC%C3%9Fe", "Grüße"},
    {"a%00b", "a\uFFFDb"},
    {"a%FFb%C3", "a\uFFFDb\uFFFD"},
    {"%ED%A0%80", "\uFFFD\uFFFD\uFFFD"}, // half of a surrogate pair
    {"%00", "\uFFFD"},
};

START_TEST(a_text_is_utf_8_whatever_came) {
    struct buf body = {0};
    buf_printf(&body, "a=%s&b=c", texts[_i].value);
    struct form form = parsed(body.data);
    char *text = form_text(form_find(&form, "a"));
    ck_assert_str_eq(text, texts[_i].text);
    free(text);
    form_free(&form);
    buf_free(&body);
}
END_TEST

START_TEST(fields_are_bounded) {
    struct buf body = {0};
    struct form form;
    for (int i = 0; i < FORM_FIELDS_MAX; i++) {
        buf_puts(&body, "&a");
    }
    ck_assert_int_eq(form_parse(body.data, body.length, &form), 0);
    ck_assert_uint_eq(form.count, FORM_FIELDS_MAX);
    form_free(&form);
    buf_puts(&body, "&a");
    ck_assert_int_eq(form_parse(body.data, body.length, &form), -1);
    ck_assert_uint_eq(form.count, 0);
    form_free(&form);
    buf_free(&body);
}
END_TEST

Suite *suite_base_form(void) {
    Suite *suite = suite_create("base_form");
    TCase *tests = tcase_create("form");
    tcase_add_test(tests, fields_are_decoded_and_stay_in_their_order);
    tcase_add_test(tests, of_several_fields_of_one_name_the_first_is_found_and_all_are_counted);
    tcase_add_loop_test(tests, a_text_is_utf_8_whatever_came, 0, sizeof texts / sizeof *texts);
    tcase_add_test(tests, fields_are_bounded);
    suite_add_tcase(suite, tests);
    return suite;
}
