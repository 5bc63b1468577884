// SPDX-License-Identifier: MIT
#include "shared/message/erasure.h"

#include <check.h>
#include <string.h>

Suite *suite_message_erasure(void);

START_TEST(what_is_written_is_read_again) {
    char one[] = "o'brien\"@b.example", other[] = "c@d.example";
    const struct erasure written = {.channel = CHANNEL_EMAIL, .one = one, .other = other};
    struct erasure read;
    struct buf text = {0};
    erasure_encode(&written, &text);
    ck_assert_ptr_null(erasure_decode(text.data, text.length, &read));
    ck_assert_int_eq(read.channel, CHANNEL_EMAIL);
    ck_assert_str_eq(read.one, one);
    ck_assert_str_eq(read.other, other);
    erasure_free(&read);
    buf_free(&text);
}
END_TEST

// By whichever of the two sends, and on that channel alone.
START_TEST(its_names_are_those_of_its_sends_in_both_directions) {
    char one[] = "+1804", other[] = "+1805";
    struct erasure erasure = {.channel = CHANNEL_SMS, .one = one, .other = other};
    char names[ERASURE_NAMES][CONVERSATION_SIZE], name[CONVERSATION_SIZE];
    erasure_names(&erasure, names);
    struct message message = {.type = MESSAGE_MMS, .sender = one, .recipient = other};
    conversation_name(&message, name);
    ck_assert_str_eq(names[0], name);
    message = (struct message){.type = MESSAGE_SMS, .sender = other, .recipient = one};
    conversation_name(&message, name);
    ck_assert_str_eq(names[1], name);
    message.type = MESSAGE_EMAIL;
    conversation_name(&message, name);
    ck_assert_str_ne(names[1], name);
}
END_TEST

START_TEST(what_is_no_json_says_so) {
    struct erasure read;
    ck_assert_ptr_nonnull(erasure_decode("{", 1, &read));
    ck_assert_ptr_null(read.one);
}
END_TEST

Suite *suite_message_erasure(void) {
    Suite *suite = suite_create("message_erasure");
    TCase *tests = tcase_create("erasure");
    tcase_add_test(tests, what_is_written_is_read_again);
    tcase_add_test(tests, its_names_are_those_of_its_sends_in_both_directions);
    tcase_add_test(tests, what_is_no_json_says_so);
    suite_add_tcase(suite, tests);
    return suite;
}
