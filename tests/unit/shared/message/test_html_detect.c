// SPDX-License-Identifier: MIT
#include "shared/message/html_detect.h"

#include <check.h>
#include <stdint.h>
#include <string.h>

#include "shared/base/buf.h"
#include "shared/base/clock.h"

Suite *suite_message_html_detect(void);

static void check_all(const char *const *bodies, size_t count, bool html) {
    for (size_t i = 0; i < count; i++) {
        ck_assert_msg(html_detect(bodies[i], strlen(bodies[i])) == html, "%s", bodies[i]);
    }
}

START_TEST(tags_of_html_make_a_body_html) {
    static const char *const html[] = {
        "<html><body>x</body></html>",
        "<!DOCTYPE html>x",
        "<!doctype HTML PUBLIC \"-//W3C//DTD XHTML 1.0 Transitional//EN\" \"x\">x",
        "Hello<br>world",
        "Hello<br/>world",
        "Hello<BR />world",
        "<p>unclosed",
        "a <P CLASS=x>b",
        "Dear <b>you</b>",
        "Hello<b>you</b>",
        "<b>unclosed",
        "\n <div>Hello",
        "<div><span>x",
        "<a href=\"https://x.com\">x",
        "click <a href=https://x.com>",
        "<!-- x --><p>y",
        "<table><tr><td>1",
        "2 < 3 and <i>so</i> on",
        "<td>&nbsp;</td>",
        ("<h1>\xc3\x9c"
         "ber</h1>"),
    };
    check_all(html, sizeof html / sizeof *html, true);
}
END_TEST

START_TEST(a_body_with_an_angle_bracket_in_it_is_text) {
    static const char *const text[] = {
        "",
        "<",
        "<>",
        "</>",
        "I <3 you",
        "</3",
        "a < b > c",
        "a <b> c",
        "a<b>c",
        "5 <a and b> 4",
        "Write to <jane@x.com> or Jane <j@x.com>",
        "see <https://x.com/p> and <mailto:b@x.com>",
        "vector<int> and List<Map> and Map<String, List<Button>>x",
        "#include <vector>\n#include <map>\nint main() { return 0 <p; }",
        "std::map<a, b>",
        "the <a> element, the <div>",
        "Dear <name>, <placeholder>text</placeholder>",
        "<note><to>Ann</to></note>",
        "x <p",
        "<b href=\"x",
        "<!-- only a comment -->",
        "<?xml version=\"1.0\"?><x/>",
        "<paragraph>x</paragraph>",
        "<pre-release>x</pre-release>",
        "end</b> without a begin",
        "->- <- -> <--",
    };
    check_all(text, sizeof text / sizeof *text, false);
}
END_TEST

START_TEST(the_end_of_the_length_is_the_end_of_the_body) {
    ck_assert(!html_detect("<p>x", 2));
    ck_assert(html_detect("<p>x", 3));
}
END_TEST

START_TEST(no_body_takes_long) {
    static const char *const repeated[] = {"<",    "<a ",       "<a x=\"", "<x ", "<x y='", "<!",
                                           "<!--", "<![CDATA[", "</",      "<b>", "</b"};
    for (size_t i = 0; i < sizeof repeated / sizeof *repeated; i++) {
        struct buf body = {0};
        while (body.length < 1 << 20) {
            buf_puts(&body, repeated[i]);
        }
        buf_puts(&body, " y='>");
        int64_t begin_us = clock_monotonic_us();
        (void)html_detect(body.data, body.length);
        ck_assert_int_lt(clock_monotonic_us() - begin_us, 2000000); // some ms: it is linear
        buf_free(&body);
    }
}
END_TEST

Suite *suite_message_html_detect(void) {
    Suite *suite = suite_create("message_html_detect");
    TCase *tests = tcase_create("html_detect");
    tcase_add_test(tests, tags_of_html_make_a_body_html);
    tcase_add_test(tests, a_body_with_an_angle_bracket_in_it_is_text);
    tcase_add_test(tests, the_end_of_the_length_is_the_end_of_the_body);
    tcase_add_test(tests, no_body_takes_long);
    suite_add_tcase(suite, tests);
    return suite;
}
