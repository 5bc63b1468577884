// SPDX-License-Identifier: MIT
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/json.h"
#include "shared/base/mem.h"
#include "tests/support/each.h"

Suite *suite_base_json(void);

// Parses a copy of exactly that size, so that the sanitizers see a read beyond it.
static cJSON *parse(const char *text, size_t length, const char **error) {
    char *copy = malloc(length > 0 ? length : 1);
    if (length > 0) {
        memcpy(copy, text, length);
    }
    cJSON *tree = json_parse(copy, length, error);
    free(copy);
    return tree;
}

static const char *const good[] = {
    "{}",
    "[]",
    "null",
    "true",
    "false",
    "\"\"",
    "0",
    "-0",
    "1",
    "-1.5e+10",
    "1E400",
    "0.1",
    "0e0",
    " \t\r\n{ \"a\" : [ 1 , 2 ] } \n",
    "{\"a\":{\"a\":{\"a\":1}}}",
    "{\"\":1}",
    "{\"a\":1,\"A\":2}",
    "[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0001\\u00e9\\ud83d\\ude00\"]",
    "\"\xf0\x9f\x98\x80\xc3\xa9\xef\xbf\xbf\"",
    "\"\x7f\"",
    "\"\xef\xbb\xbf\"",
    "[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]",
};

START_TEST(a_valid_document_is_read) {
    const char *error;
    cJSON *tree = parse(good[_i], strlen(good[_i]), &error);
    ck_assert_msg(tree != NULL, "%s: %s", good[_i], error);
    ck_assert_ptr_null(error);
    cJSON_Delete(tree);
}
END_TEST

struct bad {
    const char *text;
    const char *error; // a part of the sentence
};

static const struct bad bad[] = {
    {"", "empty"},
    {" \n", "empty"},
    {"\xef\xbb\xbf{}", "byte order mark"},
    {"{\"a\":1,\"a\":2}", "same name twice"},
    {"{\"a\":1,\"\\u0061\":2}", "same name twice"},
    {"[{\"x\":{\"b\":1,\"c\":2,\"b\":3}}]", "same name twice"},
    {"{\"\":1,\"\":2}", "same name twice"},
    {"\"\xff\"", "not UTF-8"},
    {"\"\xc0\x80\"", "not UTF-8"},
    {"\"\xe0\x80\xaf\"", "not UTF-8"},
    {"\"\xed\xa0\x80\"", "not UTF-8"},
    {"\"\xed\xa0\xbd\xed\xb8\x80\"", "not UTF-8"},
    {"\"\xf4\x90\x80\x80\"", "not UTF-8"},
    {"\"\xc3\"", "not UTF-8"},
    {"{\"\xff\":1}", "not UTF-8"},
    {"\"\\ud800\"", "surrogate"},
    {"\"\\udc00\"", "surrogate"},
    {"\"\\ud800x\"", "surrogate"},
    {"\"\\ud800\\n\"", "surrogate"},
    {"\"\\ud800\\ud800\"", "surrogate"},
    {"\"\\ud800\\u0041\"", "surrogate"},
    {"\"\\ude00\\ud83d\"", "surrogate"},
    {"{\"\\ud800\":1}", "surrogate"},
    {"\"\\u0000\"", "\\u0000"},
    {"\"a\\u0000b\"", "\\u0000"},
    {"{\"a\\u0000\":1}", "\\u0000"},
    {"\"\n\"", "raw control"},
    {"\"\t\"", "raw control"},
    {"\"\x01\"", "raw control"},
    {"\"\x1f\"", "raw control"},
    {"NaN", "NaN"},
    {"[NaN]", "NaN"},
    {"Infinity", "Infinity"},
    {"-Infinity", "Infinity"},
    {"01", "leading zero"},
    {"-01", "leading zero"},
    {"00", "leading zero"},
    {"{\"a\":007}", "leading zero"},
    {"+1", "plus sign"},
    {"1.", "after its decimal point"},
    {"1.e5", "after its decimal point"},
    {".5", "before its decimal point"},
    {"1e", "exponent"},
    {"1e+", "exponent"},
    {"-", "minus sign"},
    {"--1", "minus sign"},
    {"0x10", "Bytes follow"},
    {"1 2", "Bytes follow"},
    {"{} {}", "Bytes follow"},
    {"{}x", "Bytes follow"},
    {"{}}", "Bytes follow"},
    {"truex", "Bytes follow"},
    {"nul", "A value is no"},
    {"True", "A value is no"},
    {"undefined", "A value is no"},
    {"'a'", "single quotes"},
    {"{'a':1}", "double quotes"},
    {"{a:1}", "double quotes"},
    {"{1:1}", "double quotes"},
    {"{\"a\"}", "colon"},
    {"{\"a\" 1}", "colon"},
    {"{\"a\":}", "A value is no"},
    {"{\"a\":1,}", "comma stands before"},
    {"[1,]", "comma stands before"},
    {"[,1]", "A value is no"},
    {"[1,,2]", "A value is no"},
    {"[1 2]", "neither a comma nor ]"},
    {"{\"a\":1 \"b\":2}", "neither a comma nor }"},
    {"[1}", "neither a comma nor ]"},
    {"{\"a\":1]", "neither a comma nor }"},
    {"[", "ends where a value"},
    {"[1", "not closed"},
    {"{\"a\":1", "not closed"},
    {"{\"a\":", "ends where a value"},
    {"\"a", "not closed"},
    {"\"a\\", "not closed"},
    {"\"a\\\"", "not closed"},
    {"\"\\u12\"", "four hexadecimal"},
    {"\"\\u12g4\"", "four hexadecimal"},
    {"\"\\u", "four hexadecimal"},
    {"\"\\ud83d\\u12\"", "half of a surrogate"},
    {"\"\\x41\"", "no known escape"},
    {"\"\\'\"", "no known escape"},
    {"/* x */ 1", "comment"},
    {"[1] // x", "Bytes follow"},
    {"[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]", "deeper than 16"},
    {"[\v1]", "A value is no"},
    {"\xc2\xa0{}", "A value is no"},
    {"\x80", "A value is no"},
};

START_TEST(a_malformed_document_is_refused_with_its_reason) {
    const char *error = NULL;
    cJSON *tree = parse(bad[_i].text, strlen(bad[_i].text), &error);
    ck_assert_msg(tree == NULL, "%s was taken", bad[_i].text);
    ck_assert_ptr_nonnull(error);
    ck_assert_msg(strstr(error, bad[_i].error) != NULL, "%s: %s", bad[_i].text, error);
}
END_TEST

static const char *const lenient[][2] = {
    {"\\u0000", "\xef\xbf\xbd"},
    {"a\\u0000b\\u0000", "a\xef\xbf\xbd"
                         "b\xef\xbf\xbd"},
    {"\\ud83d", "\xef\xbf\xbd"},
    {"\\uDE00", "\xef\xbf\xbd"},
    {"\\ud83dx", "\xef\xbf\xbdx"},
    {"\\ud83d\\n", "\xef\xbf\xbd\n"},
    {"\\ud83d\\u0041", "\xef\xbf\xbd"
                       "A"},
    {"\\ud83d\\u0000", "\xef\xbf\xbd\xef\xbf\xbd"},
    {"\\ud83d\\ud83d\\ude00", "\xef\xbf\xbd\xf0\x9f\x98\x80"},
    {"\\ude00\\ud83d", "\xef\xbf\xbd\xef\xbf\xbd"},
    {"\xed\xa0\xbd\xed\xb8\x80", "\xef\xbf\xbd\xef\xbf\xbd"},
    {"\\ud83d\\ude00\\\\u0000", "\xf0\x9f\x98\x80\\u0000"},
};

START_TEST(a_lenient_reader_takes_half_a_character_for_a_replacement_character) {
    char *text = xasprintf("{\"n\":[1,\"%s\"],\"s\":\"%s\"}", lenient[_i][0], lenient[_i][0]);
    const char *error;
    cJSON *tree = json_parse_lenient(text, strlen(text), &error);
    ck_assert_msg(tree != NULL, "%s: %s", text, error);
    ck_assert_str_eq(json_string(tree, "s"), lenient[_i][1]);
    ck_assert_str_eq(cJSON_GetArrayItem(json_member(tree, "n"), 1)->valuestring, lenient[_i][1]);
    cJSON_Delete(tree);
    free(text);
}
END_TEST

START_TEST(a_lenient_reader_is_as_strict_about_all_else) {
    static const char *const malformed[] = {
        "\"\\ud83d\\u12\"", "\"\\ud83d", "\"\\ud83d\\x\"",    "\"\x80\"",
        "\"\xed\xa0\"",     "\"a\nb\"",  "{\"a\":1,\"a\":1}", "\\u0000",
    };
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++) {
        const char *error;
        ck_assert_msg(json_parse_lenient(malformed[i], strlen(malformed[i]), &error) == NULL, "%s", malformed[i]);
        ck_assert_ptr_nonnull(error);
    }
}
END_TEST

#define TEN "1234567890"
#define ZEROS "0000000000"
#define SEVENTY TEN TEN TEN TEN TEN TEN TEN

static const struct {
    const char *text;
    double value;
} long_numbers[] = {
    {SEVENTY, 1.2345678901234567e69},
    {"-" SEVENTY ".5", -1.2345678901234567e69},
    {"1." ZEROS ZEROS ZEROS ZEROS ZEROS ZEROS ZEROS, 1},
    {"0." ZEROS ZEROS ZEROS ZEROS ZEROS ZEROS ZEROS "1", 1e-71},
    {"25e-" ZEROS ZEROS ZEROS ZEROS ZEROS ZEROS "0001", 2.5},
};

START_TEST(a_number_of_more_digits_than_the_tree_reads_is_read_as_nearly_as_it_holds) {
    char *text = xasprintf("[%s,%s ,{\"a\":%s}]", long_numbers[_i].text, long_numbers[_i].text, long_numbers[_i].text);
    const char *error;
    cJSON *tree = parse(text, strlen(text), &error);
    ck_assert_msg(tree != NULL, "%s: %s", text, error);
    for (int i = 0; i < 2; i++) {
        ck_assert_double_eq(cJSON_GetArrayItem(tree, i)->valuedouble, long_numbers[_i].value);
    }
    ck_assert_double_eq(json_member(cJSON_GetArrayItem(tree, 2), "a")->valuedouble, long_numbers[_i].value);
    cJSON_Delete(tree);
    tree = json_parse_member(text + strlen(text) - strlen(long_numbers[_i].text) - 7, strlen(long_numbers[_i].text) + 6,
                             "a");
    ck_assert_double_eq(tree->valuedouble, long_numbers[_i].value);
    cJSON_Delete(tree);
    free(text);
}
END_TEST

START_TEST(a_number_beyond_what_a_double_holds_is_no_integer) {
    struct buf text = {0};
    buf_puts(&text, "{\"n\":-");
    for (int i = 0; i < 1000; i++) {
        buf_puts(&text, TEN);
    }
    buf_puts(&text, "}");
    const char *error;
    cJSON *tree = parse(text.data, text.length, &error);
    ck_assert_ptr_nonnull(tree);
    int64_t value;
    ck_assert(!json_integer(tree, "n", &value));
    cJSON_Delete(tree);
    char *written = json_written_integer(text.data, text.length, "n");
    ck_assert_uint_eq(strlen(written), 10001);
    free(written);
    buf_free(&text);
}
END_TEST

START_TEST(an_integers_digits_are_had_as_they_are_written) {
    static const char *const integers[][2] = {
        {"12015551234", "12015551234"},
        {" -0 ", "-0"},
        {SEVENTY "\n", SEVENTY},
        {"1.0", NULL},
        {"1e3", NULL},
        {"\"1\"", NULL},
        {"null", NULL},
        {"[1]", NULL},
    };
    for (size_t i = 0; i < sizeof integers / sizeof *integers; i++) {
        char *text = xasprintf("{\"m\":\"\\ud83d\",\"o\":{\"n\":1},\"n\":%s}", integers[i][0]);
        char *written = json_written_integer(text, strlen(text), "n");
        ck_assert_pstr_eq(written, integers[i][1]);
        ck_assert_ptr_null(json_written_integer(text, strlen(text), "p"));
        free(written);
        free(text);
    }
    ck_assert_ptr_null(json_written_integer("[1]", 3, "n"));
}
END_TEST

START_TEST(a_nul_byte_is_no_part_of_a_document) {
    const char *error;
    ck_assert_ptr_null(parse("{}\0", 3, &error));
    ck_assert_ptr_null(parse("\0{}", 3, &error));
    ck_assert_ptr_null(parse("{\0}", 3, &error));
    ck_assert_ptr_null(parse("\"a\0b\"", 5, &error));
    ck_assert_ptr_null(parse("1\0", 2, &error));
    ck_assert_ptr_null(parse("[1\0]", 4, &error));
    ck_assert_ptr_null(parse("\"\\\0\"", 4, &error));
    ck_assert_ptr_null(parse("\0", 1, &error));
}
END_TEST

START_TEST(mixed_nesting_counts_arrays_and_objects_alike) {
    struct buf text = {0};
    for (int i = 0; i < 8; i++) {
        buf_puts(&text, "[{\"a\":");
    }
    buf_puts(&text, "1");
    for (int i = 0; i < 8; i++) {
        buf_puts(&text, "}]");
    }
    const char *error;
    cJSON *tree = parse(text.data, text.length, &error);
    ck_assert_ptr_nonnull(tree);
    cJSON_Delete(tree);
    buf_free(&text);
}
END_TEST

START_TEST(a_very_deep_document_is_refused_without_recursing_into_it) {
    struct buf text = {0};
    for (int i = 0; i < 1000000; i++) {
        buf_putc(&text, '[');
    }
    const char *error;
    ck_assert_ptr_null(parse(text.data, text.length, &error));
    ck_assert_str_eq(error, "The nesting is deeper than 16.");
    buf_free(&text);
}
END_TEST

static void write_many_names(struct buf *text, int count) {
    buf_putc(text, '{');
    for (int i = 0; i < count; i++) {
        buf_printf(text, "%s\"%x\":0", i > 0 ? "," : "", (unsigned)i);
    }
}

// Comparing each name with each would take far longer than the runner waits.
START_TEST(one_repeated_name_among_very_many_is_found) {
    struct buf text = {0};
    write_many_names(&text, 200000);
    size_t before = text.length;
    buf_putc(&text, '}');
    const char *error;
    cJSON *tree = parse(text.data, text.length, &error);
    ck_assert_ptr_nonnull(tree);
    cJSON_Delete(tree);
    text.length = before;
    buf_puts(&text, ",\"7\":0}");
    ck_assert_ptr_null(parse(text.data, text.length, &error));
    ck_assert_ptr_nonnull(strstr(error, "same name twice"));
    buf_free(&text);
}
END_TEST

START_TEST(every_document_cut_short_or_changed_is_handled) {
    static const char text[] =
        "{\"from\":\"+12016661234\",\"a\":[1,-2.5e3,true,null,\"\\ud83d\\ude00\xc3\xa9\"],\"b\":{\"c\":\"\\n\"}}";
    const char *error;
    for (size_t length = 0; length < sizeof text - 1; length++) {
        ck_assert_ptr_null(parse(text, length, &error));
    }
    srandom(5);
    for (int i = 0; i < 50000; i++) {
        char changed[sizeof text];
        memcpy(changed, text, sizeof text);
        changed[(size_t)random() % (sizeof text - 1)] = (char)(random() % 256);
        cJSON *tree = parse(changed, sizeof text - 1, &error);
        ASSERT_EACH((tree == NULL) == (error != NULL));
        // What the check lets pass, cJSON must be able to read.
        ASSERT_EACH(error == NULL || strstr(error, "can't be read") == NULL);
        cJSON_Delete(tree);
    }
}
END_TEST

START_TEST(names_are_looked_up_exactly) {
    const char *error;
    cJSON *tree = parse("{\"From\":\"a\",\"n\":1,\"s\":\"x\\\"y\"}", 29, &error);
    ck_assert_ptr_null(json_member(tree, "from"));
    ck_assert_ptr_nonnull(json_member(tree, "From"));
    ck_assert_str_eq(json_string(tree, "From"), "a");
    ck_assert_str_eq(json_string(tree, "s"), "x\"y");
    ck_assert_ptr_null(json_string(tree, "n"));
    ck_assert_ptr_null(json_string(tree, "absent"));
    ck_assert_ptr_null(json_member(NULL, "x"));
    cJSON_Delete(tree);
    tree = parse("[1]", 3, &error);
    ck_assert_ptr_null(json_member(tree, "x"));
    cJSON_Delete(tree);
}
END_TEST

struct number {
    const char *text;
    bool integer;
    int64_t value;
};

static const struct number numbers[] = {
    {"0", true, 0},
    {"-0", true, 0},
    {"1", true, 1},
    {"-17", true, -17},
    {"9007199254740991", true, 9007199254740991},
    {"-9007199254740991", true, -9007199254740991},
    {"9007199254740992", false, 0},
    {"9007199254740993", false, 0},
    {"-9007199254740992", false, 0},
    {"9223372036854775807", false, 0},
    {"18446744073709551616", false, 0},
    {"1e3", true, 1000},
    {"1.0", true, 1},
    {"1.5", false, 0},
    {"0.1", false, 0},
    {"1e-3", false, 0},
    {"1e400", false, 0},
    {"-1e400", false, 0},
    {"\"1\"", false, 0},
    {"null", false, 0},
    {"true", false, 0},
    {"[1]", false, 0},
    {"{}", false, 0},
};

START_TEST(an_integer_is_exact_or_none) {
    char *text = xasprintf("{\"n\":%s}", numbers[_i].text);
    const char *error;
    cJSON *tree = parse(text, strlen(text), &error);
    ck_assert_ptr_nonnull(tree);
    int64_t value = 77;
    ck_assert_int_eq(json_integer(tree, "n", &value), numbers[_i].integer);
    ck_assert_int_eq(value, numbers[_i].integer ? numbers[_i].value : 77);
    ck_assert(!json_integer(tree, "absent", &value));
    cJSON_Delete(tree);
    free(text);
}
END_TEST

START_TEST(a_written_string_is_escaped) {
    struct buf out = {0};
    json_write_stringn(&out, "a\"b\\c/\b\f\n\r\t\x01\x1f\x7f\0\xc2\x9b\xc2\xa0z", 20);
    ck_assert_str_eq(out.data, "\"a\\\"b\\\\c/\\b\\f\\n\\r\\t\\u0001\\u001f\\u007f\\u0000\\u009b\xc2\xa0z\"");
    buf_clear(&out);
    json_write_string(&out, "");
    ck_assert_str_eq(out.data, "\"\"");
    buf_free(&out);
}
END_TEST

START_TEST(utf8_passes_and_other_bytes_become_the_replacement_character) {
    struct buf out = {0};
    json_write_string(&out, "\xc3\xa9\xf0\x9f\x98\x80\xe2\x80\xa8");
    ck_assert_str_eq(out.data, "\"\xc3\xa9\xf0\x9f\x98\x80\xe2\x80\xa8\"");
    buf_clear(&out);
    json_write_string(&out, "\xff"
                            "a\xc3");
    ck_assert_str_eq(out.data, "\"\xef\xbf\xbd"
                               "a\xef\xbf\xbd\"");
    buf_free(&out);
}
END_TEST

START_TEST(members_are_joined_by_commas) {
    struct buf out = {0};
    buf_putc(&out, '{');
    json_write_member(&out, "a", "x");
    json_write_member(&out, "b", NULL);
    json_write_member_int(&out, "c", -5);
    json_write_name(&out, "d");
    buf_puts(&out, "[{");
    json_write_member_int(&out, "e", 0);
    buf_puts(&out, "}]}");
    ck_assert_str_eq(out.data, "{\"a\":\"x\",\"b\":null,\"c\":-5,\"d\":[{\"e\":0}]}");
    buf_free(&out);
}
END_TEST

START_TEST(the_greatest_integers_are_written_whole) {
    struct buf out = {0};
    json_write_member_int(&out, "n", INT64_MIN);
    json_write_member_int(&out, "n", INT64_MAX);
    ck_assert_str_eq(out.data, "\"n\":-9223372036854775808,\"n\":9223372036854775807");
    buf_free(&out);
}
END_TEST

START_TEST(whatever_is_written_reads_back_the_same) {
    srandom(11);
    for (int i = 0; i < 5000; i++) {
        char text[33];
        size_t length = (size_t)random() % 32;
        for (size_t k = 0; k < length; k++) {
            text[k] = (char)(1 + random() % 127);
        }
        text[length] = '\0';
        struct buf out = {0};
        buf_putc(&out, '{');
        json_write_member(&out, "s", text);
        buf_putc(&out, '}');
        const char *error;
        cJSON *tree = parse(out.data, out.length, &error);
        ck_assert_msg(tree != NULL, "%s: %s", out.data, error);
        ck_assert_str_eq(json_string(tree, "s"), text);
        cJSON_Delete(tree);
        buf_free(&out);
    }
}
END_TEST

// What json_parse_member finds of "b", printed, "" when it finds nothing; owned by the caller.
static char *member_b(const char *text) {
    size_t length = strlen(text);
    char *copy = xstrndup(text, length);
    cJSON *member = json_parse_member(copy, length, "b");
    char *printed = member != NULL ? cJSON_PrintUnformatted(member) : xstrdup("");
    cJSON_Delete(member);
    free(copy);
    return printed;
}

START_TEST(one_member_can_be_parsed_alone) {
    static const struct {
        const char *text, *found;
    } cases[] = {
        {"{\"a\":1,\"b\":\"x\\n\",\"c\":[]}", "\"x\\n\""},
        {" { \"b\" : { \"b\" : [ 1 , \"}\" ] } } ", "{\"b\":[1,\"}\"]}"},
        {"{\"a\":{\"b\":1},\"b\":null}", "null"},
        {"{\"a\":\"\\\"b\\\":1\",\"b\":-1.5}", "-1.5"},
        {"{\"a\":{\"b\":1},\"bb\":2,\"\":3}", ""},
        {"{}", ""},
        {"[{\"b\":1}]", ""},
        {"\"b\"", ""},
        {"{\"b\":1,}", ""},
        {"{\"b\":01}", ""},
        {"{\"b\":1", ""},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *found = member_b(cases[i].text);
        ck_assert_msg(strcmp(found, cases[i].found) == 0, "%s gives %s", cases[i].text, found);
        free(found);
    }
}
END_TEST

Suite *suite_base_json(void) {
    Suite *suite = suite_create("base_json");
    TCase *tests = tcase_create("json");
    tcase_add_loop_test(tests, a_valid_document_is_read, 0, sizeof good / sizeof *good);
    tcase_add_loop_test(tests, a_malformed_document_is_refused_with_its_reason, 0, sizeof bad / sizeof *bad);
    tcase_add_loop_test(tests, a_lenient_reader_takes_half_a_character_for_a_replacement_character, 0,
                        sizeof lenient / sizeof *lenient);
    tcase_add_test(tests, a_lenient_reader_is_as_strict_about_all_else);
    tcase_add_loop_test(tests, a_number_of_more_digits_than_the_tree_reads_is_read_as_nearly_as_it_holds, 0,
                        sizeof long_numbers / sizeof *long_numbers);
    tcase_add_test(tests, a_number_beyond_what_a_double_holds_is_no_integer);
    tcase_add_test(tests, an_integers_digits_are_had_as_they_are_written);
    tcase_add_test(tests, a_nul_byte_is_no_part_of_a_document);
    tcase_add_test(tests, mixed_nesting_counts_arrays_and_objects_alike);
    tcase_add_test(tests, a_very_deep_document_is_refused_without_recursing_into_it);
    tcase_add_test(tests, one_repeated_name_among_very_many_is_found);
    tcase_add_test(tests, every_document_cut_short_or_changed_is_handled);
    tcase_add_test(tests, names_are_looked_up_exactly);
    tcase_add_loop_test(tests, an_integer_is_exact_or_none, 0, sizeof numbers / sizeof *numbers);
    tcase_add_test(tests, a_written_string_is_escaped);
    tcase_add_test(tests, utf8_passes_and_other_bytes_become_the_replacement_character);
    tcase_add_test(tests, one_member_can_be_parsed_alone);
    tcase_add_test(tests, members_are_joined_by_commas);
    tcase_add_test(tests, the_greatest_integers_are_written_whole);
    tcase_add_test(tests, whatever_is_written_reads_back_the_same);
    suite_add_tcase(suite, tests);
    return suite;
}
