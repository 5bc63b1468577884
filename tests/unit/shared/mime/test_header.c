// SPDX-License-Identifier: MIT
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "shared/mime/header.h"
#include "shared/mime/word.h"

Suite *suite_mime_header(void);

static struct span text_of(const char *text) {
    return (struct span){text, strlen(text)};
}

static const struct {
    const char *mail, *name, *value; // NULL: there is none
} fields[] = {
    {"Subject: hi\r\nMessage-ID: <a@x>\r\n\r\nMessage-ID: <body@x>\r\n", "Message-ID", "<a@x>"},
    {"subject: hi\nmessage-id:<a@x>\n\n", "Message-ID", "<a@x>"},
    {"MESSAGE-ID \t: \t<a@x> \t\r\n", "Message-Id", "<a@x>"},
    {"Message-ID:\r\n <a@x>\r\nDate: now\r\n", "Message-ID", "<a@x>"},
    {"Message-ID:\n\t<a@x>\n", "Message-ID", "<a@x>"},
    {"Subject: one\r\n two\r\n\tthree\r\nX: y\r\n", "Subject", "one two\tthree"},
    {"Message-ID: <a@x>\r\nMessage-ID: <b@x>\r\n", "Message-ID", "<a@x>"},
    {"X-Message-ID: <a@x>\r\n", "Message-ID", NULL},
    {"Message-IDs: <a@x>\r\n", "Message-ID", NULL},
    {"Received: by x;\r\n Message-ID: <inner@x>\r\nDate: now\r\n", "Message-ID", NULL}, // that line is folded
    {"Subject: hi\r\n\r\nMessage-ID: <body@x>\r\n", "Message-ID", NULL},
    {"From jane@x.com Fri Nov  1\nMessage-ID: <a@x>\n", "Message-ID", "<a@x>"},
    {"Message-ID: <a@x>", "Message-ID", "<a@x>"},
    {"Message-ID:", "Message-ID", ""},
    {"Message-ID", "Message-ID", NULL},
    {"", "Message-ID", NULL},
};

START_TEST(a_field_is_found_by_its_name_and_unfolded) {
    struct buf value = {0};
    buf_puts(&value, "from before");
    bool found = header_get(text_of(fields[_i].mail), fields[_i].name, &value);
    ck_assert_int_eq(found, fields[_i].value != NULL);
    ck_assert_str_eq(value.data, found ? fields[_i].value : "");
    ck_assert_uint_eq(value.length, strlen(value.data));
    buf_free(&value);
}
END_TEST

START_TEST(a_header_ends_with_an_empty_line) {
    ck_assert_uint_eq(header_length(text_of("A: b\r\n\r\nbody")), 8);
    ck_assert_uint_eq(header_length(text_of("A: b\n\nbody")), 6);
    ck_assert_uint_eq(header_length(text_of("\r\nbody")), 2);
    ck_assert_uint_eq(header_length(text_of("A: b\r\n \r\nC: d")), 13);
    ck_assert_uint_eq(header_length(text_of("A: b")), 4);
    ck_assert_uint_eq(header_length(text_of("")), 0);
}
END_TEST

static const struct {
    const char *value, *id; // NULL: there is none
} ids[] = {
    {"<a.b@x.com>", "a.b@x.com"},
    {"(a comment) <a@x> and more", "a@x"},
    {"<a b\t@x>", "ab@x"},
    {"a@x", "a@x"},
    {"  bare id ", "bareid"},
    {"<>", "<>"},
    {"<open@x", "<open@x"},
    {"<\"quo ted\"@x>", "\"quoted\"@x"},
    {"", NULL},
    {" \t", NULL},
};

START_TEST(a_message_id_is_what_stands_in_its_brackets) {
    char *id = header_message_id(text_of(ids[_i].value));
    if (ids[_i].id == NULL) {
        ck_assert_ptr_null(id);
    } else {
        ck_assert_str_eq(id, ids[_i].id);
    }
    free(id);
}
END_TEST

static const struct {
    const char *text, *decoded;
} words[] = {
    {"plain", "plain"},
    {"=?utf-8?Q?Gr=C3=BC=C3=9Fe?=", "Grüße"},
    {"=?UTF-8?b?R3LDvMOfZQ==?=", "Grüße"},
    {"=?iso-8859-1?q?caf=E9_au_lait?= now", "café au lait now"},
    {"=?iso-2022-jp?B?GyRCJDMkcxsoQg==?=", "こん"},
    {"a =?utf-8?q?b?= =?utf-8?q?c?= d", "a bc d"},
    {"=?utf-8?q?b?=\r\n =?utf-8?q?c?=", "bc"},
    {"=?utf-8?Q?Gr=C3?= =?utf-8?Q?=BC?=", "Gr\u00fc"}, // a character in two halves
    {"=?utf-8?Q?a?= =?iso-8859-1?Q?=E9?=", "aé"},
    {"=?utf-8?Q?a?=b =?utf-8?Q?c?=", "ab c"},
    {"=?utf-8*de?Q?a?=", "a"},
    {"=?utf-8?Q?"
     "?=",
     ""},
    {"=?utf-8?Q?a b?=", "a b"}, // not allowed, and written
    {"=?utf-8?X?a?=", "=?utf-8?X?a?="},
    {"=?utf-8?Q?open", "=?utf-8?Q?open"},
    {"=?"
     "?Q?a?=",
     "=?"
     "?Q?a?="},
    {"=?=?=?", "=?=?=?"},
    {"=?x-unknown?Q?caf=E9?=", "caf\uFFFD"},
    {"=?utf-8?Q?100=?= %", "100= %"},
    {"raw \xC3\xBC \xFF", "raw ü \uFFFD"},
    {"", ""},
};

START_TEST(encoded_words_are_decoded) {
    struct buf out = {0};
    word_decode(&out, text_of(words[_i].text));
    ck_assert_str_eq(out.data, words[_i].decoded);
    buf_free(&out);
}
END_TEST

Suite *suite_mime_header(void) {
    Suite *suite = suite_create("mime_header");
    TCase *tests = tcase_create("header");
    tcase_add_loop_test(tests, a_field_is_found_by_its_name_and_unfolded, 0, sizeof fields / sizeof *fields);
    tcase_add_test(tests, a_header_ends_with_an_empty_line);
    tcase_add_loop_test(tests, a_message_id_is_what_stands_in_its_brackets, 0, sizeof ids / sizeof *ids);
    tcase_add_loop_test(tests, encoded_words_are_decoded, 0, sizeof words / sizeof *words);
    suite_add_tcase(suite, tests);
    return suite;
}
