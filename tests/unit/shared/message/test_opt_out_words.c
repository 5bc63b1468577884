// SPDX-License-Identifier: MIT
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"
#include "shared/message/opt_out_words.h"

static const struct {
    const char *text;
    enum opt_out_word word;
} cases[] = {
    // each of the words, in any case
    {"STOP", OPT_OUT_WORD_STOP},
    {"STOPALL", OPT_OUT_WORD_STOP},
    {"UNSUBSCRIBE", OPT_OUT_WORD_STOP},
    {"CANCEL", OPT_OUT_WORD_STOP},
    {"END", OPT_OUT_WORD_STOP},
    {"QUIT", OPT_OUT_WORD_STOP},
    {"REVOKE", OPT_OUT_WORD_STOP},
    {"OPTOUT", OPT_OUT_WORD_STOP},
    {"START", OPT_OUT_WORD_START},
    {"YES", OPT_OUT_WORD_START},
    {"UNSTOP", OPT_OUT_WORD_START},
    {"HELP", OPT_OUT_WORD_HELP},
    {"INFO", OPT_OUT_WORD_HELP},
    {"stop", OPT_OUT_WORD_STOP},
    {"sToP", OPT_OUT_WORD_STOP},
    {"Unsubscribe", OPT_OUT_WORD_STOP},
    // in two, as they are spoken
    {"opt out", OPT_OUT_WORD_STOP},
    {"OPT-OUT", OPT_OUT_WORD_STOP},
    {"Stop all", OPT_OUT_WORD_STOP},
    // with blanks, punctuation and symbols
    {" stop ", OPT_OUT_WORD_STOP},
    {"\r\n\tSTOP\n", OPT_OUT_WORD_STOP},
    {"\u00a0STOP\u3000", OPT_OUT_WORD_STOP},
    {"Stop.", OPT_OUT_WORD_STOP},
    {"STOP!!!", OPT_OUT_WORD_STOP},
    {"\u00abstop\u00bb", OPT_OUT_WORD_STOP},
    {"\u201cStop\u201d", OPT_OUT_WORD_STOP},
    {"'STOP'", OPT_OUT_WORD_STOP},
    {"*STOP*", OPT_OUT_WORD_STOP},
    {"\u00bfSTOP?", OPT_OUT_WORD_STOP},
    {"STOP\u2026", OPT_OUT_WORD_STOP},
    {"STOP\U0001f6d1", OPT_OUT_WORD_STOP},
    {"\U0001f44e\U0001f3fd stop", OPT_OUT_WORD_STOP},
    {"stop \u2764\ufe0f", OPT_OUT_WORD_STOP},
    {"=> start <=", OPT_OUT_WORD_START},
    // said again
    {"stop stop", OPT_OUT_WORD_STOP},
    {"STOP! STOP! STOP!", OPT_OUT_WORD_STOP},
    {"opt out, opt out", OPT_OUT_WORD_STOP},
    // with marks that show nothing, and in letters that look alike to Unicode
    {"\ufeffSTOP\u200b", OPT_OUT_WORD_STOP},
    {"ST\u200bOP", OPT_OUT_WORD_STOP},
    {"ST\u00adOP", OPT_OUT_WORD_STOP},
    {"\u202aSTOP\u202c", OPT_OUT_WORD_STOP},
    {"\uff33\uff34\uff2f\uff30", OPT_OUT_WORD_STOP},
    {"\uff53\uff54\uff4f\uff50\uff01", OPT_OUT_WORD_STOP},
    {"\U0001d412\U0001d413\U0001d40e\U0001d40f", OPT_OUT_WORD_STOP},
    {"\u24c8\u24c9\u24c4\u24c5", OPT_OUT_WORD_STOP},
    {"STOP\xff", OPT_OUT_WORD_STOP},
    // something else
    {"", OPT_OUT_WORD_NONE},
    {" ", OPT_OUT_WORD_NONE},
    {"...", OPT_OUT_WORD_NONE},
    {"stop it", OPT_OUT_WORD_NONE},
    {"please stop", OPT_OUT_WORD_NONE},
    {"don't stop", OPT_OUT_WORD_NONE},
    {"nonstop", OPT_OUT_WORD_NONE},
    {"stops", OPT_OUT_WORD_NONE},
    {"stopstop", OPT_OUT_WORD_NONE},
    {"stop 1", OPT_OUT_WORD_NONE},
    {"st op", OPT_OUT_WORD_NONE},
    {"s.t.o.p", OPT_OUT_WORD_NONE},
    {"stop start", OPT_OUT_WORD_NONE},
    {"opt", OPT_OUT_WORD_NONE},
    {"opt in", OPT_OUT_WORD_NONE},
    {"all stop", OPT_OUT_WORD_NONE},
    {"st\u00f6p", OPT_OUT_WORD_NONE},
    {"\u0441\u0442\u043e\u043f", OPT_OUT_WORD_NONE},
    {"\u505c\u6b62", OPT_OUT_WORD_NONE},
    {"yes please", OPT_OUT_WORD_NONE},
    {"yess", OPT_OUT_WORD_NONE},
    {"the end", OPT_OUT_WORD_NONE},
    {"<html>stop</html>", OPT_OUT_WORD_NONE},
};

START_TEST(a_word_counts_where_it_is_all_that_is_said) {
    ck_assert_msg(opt_out_word_of(cases[_i].text) == cases[_i].word, "\"%s\" is %d", cases[_i].text,
                  opt_out_word_of(cases[_i].text));
}
END_TEST

START_TEST(a_long_text_is_no_word_whatever_stands_around_it) {
    enum { LENGTH = 100000 };
    char *text = xmalloc(LENGTH + sizeof "stop");
    memset(text, ' ', LENGTH);
    memcpy(text + LENGTH, "stop", sizeof "stop");
    ck_assert_int_eq(opt_out_word_of(text), OPT_OUT_WORD_STOP);
    memset(text, 'a', LENGTH);
    ck_assert_int_eq(opt_out_word_of(text), OPT_OUT_WORD_NONE);
    for (size_t i = 0; i + 5 <= LENGTH; i += 5) {
        memcpy(text + i, "stop ", 5);
    }
    ck_assert_int_eq(opt_out_word_of(text), OPT_OUT_WORD_NONE);
    free(text);
}
END_TEST

START_TEST(stop_opts_out_start_opts_in_and_help_does_nothing) {
    ck_assert_int_eq(opt_out_word_state(OPT_OUT_WORD_STOP), OPT_OUT_OUT);
    ck_assert_int_eq(opt_out_word_state(OPT_OUT_WORD_START), OPT_OUT_IN);
    ck_assert_int_eq(opt_out_word_state(OPT_OUT_WORD_HELP), OPT_OUT_NONE);
    ck_assert_int_eq(opt_out_word_state(OPT_OUT_WORD_NONE), OPT_OUT_NONE);
}
END_TEST

Suite *suite_message_opt_out_words(void);
Suite *suite_message_opt_out_words(void) {
    Suite *suite = suite_create("message_opt_out_words");
    TCase *tests = tcase_create("words");
    tcase_add_loop_test(tests, a_word_counts_where_it_is_all_that_is_said, 0, sizeof cases / sizeof *cases);
    tcase_add_test(tests, a_long_text_is_no_word_whatever_stands_around_it);
    tcase_add_test(tests, stop_opts_out_start_opts_in_and_help_does_nothing);
    suite_add_tcase(suite, tests);
    return suite;
}
