// SPDX-License-Identifier: MIT
#include "shared/message/html_text.h"

#include <check.h>
#include <stdint.h>
#include <string.h>

#include "shared/base/clock.h"

Suite *suite_message_html_text(void);

static void check_form(const char *html, enum html_text_form form, const char *expected) {
    struct buf out = {0};
    buf_puts(&out, ">"); // it appends
    ck_assert(html_text_append(&out, html, strlen(html), form, SIZE_MAX));
    ck_assert_msg(strcmp(out.data + 1, expected) == 0, "%s: '%s', not '%s'", html, out.data + 1, expected);
    buf_free(&out);
}

static void check_text(const char *html, const char *expected) {
    check_form(html, HTML_TEXT_WHOLE, expected);
}

START_TEST(tags_comments_and_their_like_are_no_text) {
    check_text("<p>Hi <b>you</b>!</p>", "Hi you!");
    check_text("a<!-- b -- > <p>c</p> -->d", "ad");
    check_text("a<!--> b <!---> c", "a b c");
    check_text("a<!-- b --!>c", "ac");
    check_text("<!DOCTYPE html PUBLIC \"-//W3C//DTD HTML 4.01//EN\">a<?php echo 1 ?>b", "ab");
    check_text("a<![CDATA[ b > c ]]>d", "ad");
    check_text("<!--[if mso]>a<![endif]--><![if !mso]>b<![endif]>", "b");
    check_text("a<custom-tag>b</custom-tag><o:p></o:p>c</>d", "abcd");
    check_text("a<!-- unclosed <p>b</p>", "a");
}
END_TEST

START_TEST(what_scripts_styles_and_titles_hold_is_no_text) {
    check_text("<head><title>T &amp; T</title><style>p > a { color: red }</style></head>a", "a");
    check_text("<script>if (a < b) document.write('<p>x</p>');</script>a", "a");
    check_text("<SCRIPT type='x'>a</script foo>b", "b");
    check_text("<script>a</scripts>b</script>c", "c");
    check_text("<style>unclosed <p>a</p>", "");
    check_text("a<template><p>b</p></template>c<svg><text>d</text></svg>e<iframe>f</iframe>", "ace");
    check_text("a<noscript>b</noscript>", "ab");
}
END_TEST

START_TEST(what_is_hidden_is_no_text) {
    check_text("<div style=\"display:none\">pre</div>a", "a");
    check_text("<div style='color:red; DISPLAY : none !important;max-height:0'>a<div>b</div>c</div>d", "d");
    check_text("<span hidden>a</span>b<p style=visibility:hidden>c<p>d", "b\n\nd");
    check_text("<div style=\"display:none\">a<br><img src=x><p>b</div>c", "c");
    check_text("<ul><li hidden>a<li>b</ul>c", "- b\n\nc");
    check_text("<table><tr><td hidden>a<td>b</table>", "b");
    check_text("<table><tr><td hidden><table><tr><td>a<td>b</table></td><td>c</table>", "c");
    check_text("<div>a<span hidden>b</div>c", "a\nc");
    check_text("<div style=\"display:block;x:none\">a</div>", "a");
    check_text("<div hidden>a</span>b</div>c", "c");
}
END_TEST

START_TEST(references_are_decoded_once) {
    check_text("&lt;b&gt; &amp;amp; &eacute;&#233;&#xe9;&copy 1&nbsp;2&euro;",
               "<b> &amp; \xc3\xa9\xc3\xa9\xc3\xa9\xc2\xa9 1 2\xe2\x82\xac");
    check_text("&#x93;q&#x94; &#0; a&#1;b&#127;c AT&T R&D &unknown; &",
               "\xe2\x80\x9cq\xe2\x80\x9d \xef\xbf\xbd abc AT&T R&D &unknown; &");
    check_text("&nGt;", "\xe2\x89\xab\xe2\x83\x92");
    check_text("a&#10;b&#13;c", "a b c");
}
END_TEST

START_TEST(an_angle_bracket_that_begins_no_tag_is_text) {
    check_text("<p>a < b, I <3 you, 1<2</p>", "a < b, I <3 you, 1<2");
    check_text("Jane <jane@x.com><br>see <https://x.com/a?b=1>", "Jane <jane@x.com>\nsee <https://x.com/a?b=1>");
    check_text("<p>a</p><", "a\n\n<");
    check_text("<<b>b</b>>", "<b>");
    check_text("a > b", "a > b");
}
END_TEST

START_TEST(malformed_tags_are_taken_as_browsers_do) {
    check_text("<p class=\"a>b\" title='c>d'>e", "e");
    check_text("<p a=b\"c>d", "d");
    check_text("<p =>a<p a= >b", "a\n\nb");
    check_text("<b><i>a</b>b</i>c", "abc");
    check_text("a<b", "a");
    check_text("a<a href=\"b>c</a>d", "a");
    check_text("</p>a</x>b", "a"
                             "b");
    check_text("<br/ >a<br/>b", "a\nb");
    check_text("a</p", "a");
}
END_TEST

START_TEST(white_space_is_collapsed_but_in_pre) {
    check_text("  a \n\t b&nbsp; &nbsp;c  ", "a b c");
    check_text("<p> a </p> \n <p> b </p>", "a\n\nb");
    check_text("<pre>a\n  b\n\n\n\nc  d\n</pre>e", "a\n  b\n\nc  d\n\ne");
    check_text("a <b> b</b>", "a b");
}
END_TEST

START_TEST(blocks_and_breaks_are_lines) {
    check_text("<div>a</div><div>b</div>c", "a\nb\nc");
    check_text("a<br>b<br><br>c<br><br><br><br>d", "a\nb\n\nc\n\nd");
    check_text("<h1>a</h1>b<blockquote>c</blockquote><div><div><p>d</p></div></div>", "a\n\nb\n\nc\n\nd");
    check_text("<ul><li>a</li><li><p>b</p></li><li></li></ul>c", "- a\n\n- b\n\nc");
    check_text("<table><tr><td>a</td><td>b</td></tr><tr><th>c</th><td></td><td>d</td></tr></table>", "a b\nc d");
    check_text("<br><p>a</p><br>", "a");
    check_form("<ul><li>a<li>b</ul>", HTML_TEXT_WORDS, "a\nb");
}
END_TEST

START_TEST(a_links_target_stands_behind_its_text) {
    check_text("<a href=\"https://x.com/a\">here</a>.", "here (https://x.com/a).");
    check_text("<a href=' http://x.com/?a=1&amp;b=2&copy=3 '>a <b>b</b></a>", "a b (http://x.com/?a=1&b=2&copy=3)");
    check_text("<a href=\"https://x.com/\">x.com</a> <a href=https://x.com>https://x.com</a>", "x.com https://x.com");
    check_text("<a href=\"https://x.com/a b\n\"><img src=y></a>", "https://x.com/a%20b");
    check_text(
        "<a href=\"mailto:a@x.com\">mail</a> <a href=\"javascript:x\">run</a> <a>c</a> <a href>d</a> <a href=#e>e</a>",
        "mail run c d e");
    check_text("<a href=https://x.com>a<a href=https://y.com>b", "a (https://x.com)b (https://y.com)");
    check_text("<p>a <a href=https://x.com>b </a></p>c", "a b (https://x.com)\n\nc");
    check_form("<a href=\"https://x.com\">here</a>", HTML_TEXT_WORDS, "here");
}
END_TEST

START_TEST(a_target_of_more_than_2048_bytes_is_not_shown) {
    struct buf html = {0};
    buf_puts(&html, "<a href=https://x.com/");
    while (html.length < 2100) {
        buf_puts(&html, "abcdefghij");
    }
    buf_puts(&html, ">a</a>");
    check_text(html.data, "a");
    buf_free(&html);
}
END_TEST

START_TEST(invisible_fillers_are_no_text) {
    check_text("a&zwnj;&nbsp;&zwnj;&nbsp;&#847; &#x200b;&shy; b&zwnj; c", "a b c");
    check_text("&zwnj;&nbsp;&#8199;&#65279;a", "a");
    check_text("dis&shy;count wo&#8288;rd", "discount word");
    check_text("\xd9\x85\xdb\x8c&zwnj;\xd8\xae\xd9\x88",
               "\xd9\x85\xdb\x8c\xe2\x80\x8c\xd8\xae\xd9\x88"); // within a word
    check_text("&#x1f468;&zwj;&#x1f467;", "\xf0\x9f\x91\xa8\xe2\x80\x8d\xf0\x9f\x91\xa7");
    check_text("a&zwj;&zwj;&zwj;&zwj;&zwj;&zwj;b", "a\xe2\x80\x8d\xe2\x80\x8d\xe2\x80\x8d\xe2\x80\x8d"
                                                   "b");
}
END_TEST

START_TEST(malformed_utf_8_becomes_the_replacement_character) {
    check_text("<p>a\xff"
               "b\xc3</p>",
               "a\xef\xbf\xbd"
               "b\xef\xbf\xbd");
}
END_TEST

START_TEST(characters_at_the_end_of_a_run_stay_whole) {
    struct buf html = {0};
    buf_puts(&html, "a");
    while (html.length < 4000) {
        buf_puts(&html, "\xe2\x82\xac");
    }
    check_text(html.data, html.data);
    buf_free(&html);
}
END_TEST

START_TEST(no_more_is_made_than_is_wanted) {
    struct buf html = {0}, out = {0};
    buf_puts(&html, "<p>");
    while (html.length < 100000) {
        buf_puts(&html, "word ");
    }
    ck_assert(!html_text_append(&out, html.data, html.length, HTML_TEXT_WORDS, 100));
    ck_assert_uint_ge(out.length, 100);
    ck_assert_uint_lt(out.length, 2000);
    buf_free(&html);
    buf_free(&out);
}
END_TEST

START_TEST(no_html_takes_long) {
    static const char *const repeated[] = {"<",
                                           "<a ",
                                           "<a x=\"",
                                           "<!--",
                                           "<![CDATA[",
                                           "</",
                                           "&",
                                           "&a",
                                           "<b>",
                                           "<pre>",
                                           "<div hidden>",
                                           "<style>",
                                           "</style",
                                           "<script><",
                                           "&zwnj;",
                                           "<p hidden>",
                                           "<a href=https://x.com/>"};
    for (size_t i = 0; i < sizeof repeated / sizeof *repeated; i++) {
        struct buf html = {0}, out = {0};
        while (html.length < 1 << 20) {
            buf_puts(&html, repeated[i]);
        }
        int64_t begin_us = clock_monotonic_us();
        (void)html_text_append(&out, html.data, html.length, HTML_TEXT_WHOLE, SIZE_MAX);
        ck_assert_msg(clock_monotonic_us() - begin_us < 4000000, "%s", repeated[i]); // some ms: it is linear
        buf_free(&html);
        buf_free(&out);
    }
}
END_TEST

Suite *suite_message_html_text(void) {
    Suite *suite = suite_create("message_html_text");
    TCase *tests = tcase_create("html_text");
    tcase_add_test(tests, tags_comments_and_their_like_are_no_text);
    tcase_add_test(tests, what_scripts_styles_and_titles_hold_is_no_text);
    tcase_add_test(tests, what_is_hidden_is_no_text);
    tcase_add_test(tests, references_are_decoded_once);
    tcase_add_test(tests, an_angle_bracket_that_begins_no_tag_is_text);
    tcase_add_test(tests, malformed_tags_are_taken_as_browsers_do);
    tcase_add_test(tests, white_space_is_collapsed_but_in_pre);
    tcase_add_test(tests, blocks_and_breaks_are_lines);
    tcase_add_test(tests, a_links_target_stands_behind_its_text);
    tcase_add_test(tests, a_target_of_more_than_2048_bytes_is_not_shown);
    tcase_add_test(tests, invisible_fillers_are_no_text);
    tcase_add_test(tests, malformed_utf_8_becomes_the_replacement_character);
    tcase_add_test(tests, characters_at_the_end_of_a_run_stay_whole);
    tcase_add_test(tests, no_more_is_made_than_is_wanted);
    tcase_add_test(tests, no_html_takes_long);
    suite_add_tcase(suite, tests);
    return suite;
}
