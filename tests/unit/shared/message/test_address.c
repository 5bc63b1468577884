// SPDX-License-Identifier: MIT
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/buf.h"
#include "shared/message/address.h"
#include "tests/support/each.h"

Suite *suite_message_address(void);

struct sample {
    const char *given;
    const char *shown;
    const char *normalized;
};

static void check_taken(enum channel channel, const struct sample *sample) {
    char *shown = NULL;
    char *normalized = NULL;
    char reason[ADDRESS_REASON_SIZE];
    const char *error = address_parse(channel, sample->given, NULL, &shown, &normalized, reason);
    ck_assert_msg(error == NULL, "'%s' was refused: %s", sample->given, error);
    ck_assert_str_eq(shown, sample->shown);
    ck_assert_str_eq(normalized, sample->normalized);
    free(shown);
    free(normalized);
}

static void check_refused(enum channel channel, const char *given, const char *part) {
    char *shown = NULL;
    char *normalized = NULL;
    char reason[ADDRESS_REASON_SIZE];
    const char *error = address_parse(channel, given, NULL, &shown, &normalized, reason);
    ck_assert_msg(error != NULL, "'%s' was taken as '%s'", given, shown);
    ck_assert_msg(strstr(error, part) != NULL, "'%s': %s", given, error);
    ck_assert_ptr_null(shown);
    ck_assert_ptr_null(normalized);
}

static const struct sample phones[] = {
    {"+12016661234", "+12016661234", "+12016661234"},
    {"12016661234", "12016661234", "12016661234"},
    {"+1 (201) 666-1234", "+1 (201) 666-1234", "+12016661234"},
    {"+1.201.666.1234", "+1.201.666.1234", "+12016661234"},
    {"  +12016661234\t\r\n", "+12016661234", "+12016661234"},
    {"123", "123", "123"},
    {"123456789012345", "123456789012345", "123456789012345"},
    {"+123456789012345", "+123456789012345", "+123456789012345"},
    {"(201)666-1234", "(201)666-1234", "2016661234"},
    {"+(1)23", "+(1)23", "+123"},
    {")1-(2.3", ")1-(2.3", "123"},
};

START_TEST(a_phone_is_its_digits_with_its_leading_plus) {
    check_taken(CHANNEL_SMS, &phones[_i]);
}
END_TEST

static const char *const bad_phones[] = {
    "12",
    "1234567890123456",
    "+",
    "()-. ()",
    "++12016661234",
    "1+2016661234",
    "(+1)2016661234",
    "2016661234+",
    "201-CALL-NOW",
    "+1201666123x",
    "+1201/6661234",
    "a@b.c",
    "[+12016661234](tel:+12016661234)",
    "[a@b.c](mailto:a@b.c)",
    "+\u0661\u0662\u0663\u0664", // digits, but not ASCII's
    "\uff0b12016661234",         // a full-width plus
    "+1,2016661234",
    "1201666 1234 ext. 5",
};

START_TEST(what_is_no_phone_is_refused) {
    check_refused(CHANNEL_SMS, bad_phones[_i], "must be a phone number");
}
END_TEST

static const struct sample emails[] = {
    {"user@usehatchapp.com", "user@usehatchapp.com", "user@usehatchapp.com"},
    {"User@UseHatchApp.COM", "User@UseHatchApp.COM", "user@usehatchapp.com"},
    {"user+tag@example.com", "user+tag@example.com", "user@example.com"},
    {"user+a+b@example.com", "user+a+b@example.com", "user@example.com"},
    {"user+@example.com", "user+@example.com", "user@example.com"},
    {"+tag@example.com", "+tag@example.com", "+tag@example.com"},
    {"+tag+more@example.com", "+tag+more@example.com", "+tag+more@example.com"},
    {"user@exa+mple.com", "user@exa+mple.com", "user@exa+mple.com"},
    {"a@b", "a@b", "a@b"},
    {"\t a@b.c \n", "a@b.c", "a@b.c"},
    {"Name <a@b.c>", "a@b.c", "a@b.c"},
    {"Name<A+x@B.c>", "A+x@B.c", "a@b.c"},
    {"<a@b.c>", "a@b.c", "a@b.c"},
    {"\"Last, First <x@y>\" <a@b.c>", "a@b.c", "a@b.c"},
    {"a@b.c <d@e.f>", "d@e.f", "d@e.f"},
    {"N\xc3\xa4me <a@b.c>", "a@b.c", "a@b.c"},
    {"[user@usehatchapp.com](mailto:user@usehatchapp.com)", "user@usehatchapp.com", "user@usehatchapp.com"},
    {" [Contact+x@gmail.com](mailto:Contact+x@gmail.com) ", "Contact+x@gmail.com", "contact@gmail.com"},
    {"[a@b.c](MAILTO:a@b.c)", "a@b.c", "a@b.c"},
    {"[a@b.c](mailto:other@b.c)", "other@b.c", "other@b.c"},
    {"[write to us](mailto:a@b.c)", "a@b.c", "a@b.c"},
    {"[a@b.c](mailto:a@b.c?subject=Hi%20there)", "a@b.c", "a@b.c"},
    {"[a+t@b.c](mailto:a%2Bt@b.c)", "a+t@b.c", "a@b.c"},
    {"[a@b.c]( mailto:a@b.c )", "a@b.c", "a@b.c"},
    {"[50%@b.c](mailto:50%@b.c)", "50%@b.c", "50%@b.c"},
    // other scripts: capitals are folded there too
    {"\xc3\x84RGER@EX\xc3\x84MPLE.de", "\xc3\x84RGER@EX\xc3\x84MPLE.de", "\xc3\xa4rger@ex\xc3\xa4mple.de"},
    {"\xd0\x98\xd0\x92@\xd0\xa0\xd0\xa4", "\xd0\x98\xd0\x92@\xd0\xa0\xd0\xa4", "\xd0\xb8\xd0\xb2@\xd1\x80\xd1\x84"},
};

START_TEST(an_email_is_compared_in_lower_case_without_its_tag) {
    check_taken(CHANNEL_EMAIL, &emails[_i]);
}
END_TEST

static const char *const bad_emails[] = {
    "plain",
    "@b.c",
    "a@",
    "@",
    "a@@b",
    "a@b@c",
    "a b@c.d",
    "a@b .c",
    "a@b\xc2\xa0.c",
    "a@b\xe3\x80\x80.c",
    "a@b.c, d@e.f",
    "Name <a@b.c> trailing",
    "Name <>",
    "<>",
    "Name <a@b@c>",
    "Name a@b.c",
    "+12016661234",
    "[a@b.c](mailto:a@b.c",
    "a@b.c](mailto:a@b.c)",
    "[a@b.c](https://b.c)",
    "[a@b.c](a@b.c)",
    "[a@b.c](mailto:)",
    "[a@b.c](mailto:?subject=x)",
    "[a@b.c](mailto:nobody)",
    "[a@b.c](mailto:a@b.c,d@e.f)",
    "[a@b.c](mailto:a%20b@c.d)",
    "[a@b.c](mailto:a%FF@c.d)",
    "[a@b.c]()",
};

START_TEST(what_is_no_email_is_refused) {
    check_refused(CHANNEL_EMAIL, bad_emails[_i], "must be an email address");
}
END_TEST

START_TEST(an_empty_address_is_refused_as_empty) {
    check_refused(CHANNEL_SMS, "", "must not be empty");
    check_refused(CHANNEL_SMS, " \t\r\n", "must not be empty");
    check_refused(CHANNEL_EMAIL, "", "must not be empty");
    check_refused(CHANNEL_EMAIL, "  ", "must not be empty");
}
END_TEST

START_TEST(a_control_character_within_is_refused) {
    check_refused(CHANNEL_SMS, "+1201\t6661234", "control characters");
    check_refused(CHANNEL_SMS,
                  "+1201\x7f"
                  "6661234",
                  "control characters");
    check_refused(CHANNEL_EMAIL, "a\nb@c.d", "control characters");
    check_refused(CHANNEL_EMAIL, "a@b\xc2\x85.c", "control characters");
    check_refused(CHANNEL_EMAIL, "Na\x01me <a@b.c>", "control characters");
    check_refused(CHANNEL_EMAIL, "[a@b.c](mailto:a%0A@b.c)", "control characters");
}
END_TEST

// An address of `length` bytes: "aaa…@b.c"
static char *long_email(size_t length) {
    char *text = malloc(length + 1);
    memset(text, 'a', length);
    memcpy(text + length - 4, "@b.c", 5);
    return text;
}

START_TEST(at_most_320_bytes_are_taken) {
    char *text = long_email(320);
    struct sample sample = {text, text, text};
    check_taken(CHANNEL_EMAIL, &sample);
    free(text);
    text = long_email(321);
    check_refused(CHANNEL_EMAIL, text, "320 bytes");
    free(text);
    struct buf phone = {0};
    buf_printf(&phone, "12%320d", 3);
    check_refused(CHANNEL_SMS, phone.data, "320 bytes");
    buf_free(&phone);
}
END_TEST

START_TEST(a_link_counts_as_the_plain_address_does) {
    char *text = long_email(320);
    struct buf link = {0};
    buf_printf(&link, "[%s](mailto:%s)", text, text);
    struct sample sample = {link.data, text, text};
    check_taken(CHANNEL_EMAIL, &sample);
    buf_free(&link);
    free(text);
    text = long_email(321);
    buf_printf(&link, "[%s](mailto:%s)", text, text);
    check_refused(CHANNEL_EMAIL, link.data, "320 bytes");
    buf_free(&link);
    free(text);
}
END_TEST

// Which a person can't tell apart at a glance, but which two people may own.
static const struct sample angles[] = {
    {"c<->d@e", "c<->d@e", "c%3C-%3Ed@e"},    {"C%3C-%3ED@E", "C%3C-%3ED@E", "c%3c-%3ed@e"},
    {"a@b<->c", "a@b<->c", "a@b%3C-%3Ec"},    {"c<-%3Ed@e", "c<-%3Ed@e", "c%3C-%3ed@e"},
    {"c%<->d@e", "c%<->d@e", "c%%3C-%3Ed@e"}, {"c%253C-d@e", "c%253C-d@e", "c%253c-d@e"},
};

START_TEST(no_two_addresses_share_an_identity_for_their_angles) {
    for (size_t i = 0; i < sizeof angles / sizeof *angles; i++) {
        check_taken(CHANNEL_EMAIL, &angles[i]);
        for (size_t k = 0; k < i; k++) {
            ck_assert_str_ne(angles[i].normalized, angles[k].normalized);
        }
    }
}
END_TEST

START_TEST(normalizing_twice_changes_nothing) {
    for (size_t i = 0; i < sizeof emails / sizeof *emails; i++) {
        struct sample again = {emails[i].normalized, emails[i].normalized, emails[i].normalized};
        check_taken(CHANNEL_EMAIL, &again);
    }
    for (size_t i = 0; i < sizeof phones / sizeof *phones; i++) {
        struct sample again = {phones[i].normalized, phones[i].normalized, phones[i].normalized};
        check_taken(CHANNEL_SMS, &again);
    }
}
END_TEST

START_TEST(random_text_is_taken_or_refused_but_never_half) {
    static const char alphabet[] = "ab@+<>[]()mailto:%2B. \t\xc3\xa9\xff?1-";
    srandom(3);
    for (int i = 0; i < 50000; i++) {
        size_t length = (size_t)random() % 24;
        char *text = malloc(length + 1);
        for (size_t k = 0; k < length; k++) {
            text[k] = alphabet[(size_t)random() % (sizeof alphabet - 1)];
        }
        text[length] = '\0';
        char *shown = NULL;
        char *normalized = NULL;
        char reason[ADDRESS_REASON_SIZE];
        const char *error = address_parse(i % 2 ? CHANNEL_SMS : CHANNEL_EMAIL, text, NULL, &shown, &normalized, reason);
        ASSERT_EACH((error == NULL) == (shown != NULL && normalized != NULL));
        free(shown);
        free(normalized);
        free(text);
    }
}
END_TEST

static void check_key(enum channel channel, const char *one, const char *other, const char *expected) {
    char *key = conversation_key(channel, one, other);
    ck_assert_str_eq(key, expected);
    free(key);
}

START_TEST(both_directions_meet_in_one_conversation) {
    check_key(CHANNEL_SMS, "+12016661234", "+18045551234", "sms:+12016661234<->+18045551234");
    check_key(CHANNEL_SMS, "+18045551234", "+12016661234", "sms:+12016661234<->+18045551234");
    check_key(CHANNEL_EMAIL, "user@x.com", "contact@gmail.com", "email:contact@gmail.com<->user@x.com");
}
END_TEST

START_TEST(participants_are_ordered_by_bytes) {
    check_key(CHANNEL_SMS, "9", "+1", "sms:+1<->9");
    check_key(CHANNEL_EMAIL, "\xc3\xa4@x", "z@x", "email:z@x<->\xc3\xa4@x"); // not by a locale, nor by signed char
    check_key(CHANNEL_EMAIL, "a@x", "a@x", "email:a@x<->a@x");
    check_key(CHANNEL_EMAIL, "ab@x", "a@x", "email:a@x<->ab@x");
}
END_TEST

static char *key_of(const char *from, const char *to) {
    char *shown, *sender, *recipient, reason[ADDRESS_REASON_SIZE];
    ck_assert_ptr_null(address_parse(CHANNEL_EMAIL, from, NULL, &shown, &sender, reason));
    free(shown);
    ck_assert_ptr_null(address_parse(CHANNEL_EMAIL, to, NULL, &shown, &recipient, reason));
    free(shown);
    char *key = conversation_key(CHANNEL_EMAIL, sender, recipient);
    free(sender);
    free(recipient);
    return key;
}

START_TEST(addresses_that_look_like_a_key_have_conversations_of_their_own) {
    char *one = key_of("a@b", "c<->d@e"), *other = key_of("a@b<->c", "d@e");
    ck_assert_str_eq(one, "email:a@b<->c%3C-%3Ed@e");
    ck_assert_str_eq(other, "email:a@b%3C-%3Ec<->d@e");
    free(one);
    free(other);
}
END_TEST

START_TEST(channels_are_called_sms_and_email) {
    ck_assert_str_eq(channel_name(CHANNEL_SMS), "sms");
    ck_assert_str_eq(channel_name(CHANNEL_EMAIL), "email");
}
END_TEST

Suite *suite_message_address(void) {
    Suite *suite = suite_create("message_address");
    TCase *tests = tcase_create("address");
    tcase_add_loop_test(tests, a_phone_is_its_digits_with_its_leading_plus, 0, sizeof phones / sizeof *phones);
    tcase_add_loop_test(tests, what_is_no_phone_is_refused, 0, sizeof bad_phones / sizeof *bad_phones);
    tcase_add_loop_test(tests, an_email_is_compared_in_lower_case_without_its_tag, 0, sizeof emails / sizeof *emails);
    tcase_add_loop_test(tests, what_is_no_email_is_refused, 0, sizeof bad_emails / sizeof *bad_emails);
    tcase_add_test(tests, an_empty_address_is_refused_as_empty);
    tcase_add_test(tests, a_control_character_within_is_refused);
    tcase_add_test(tests, at_most_320_bytes_are_taken);
    tcase_add_test(tests, a_link_counts_as_the_plain_address_does);
    tcase_add_test(tests, normalizing_twice_changes_nothing);
    tcase_add_test(tests, random_text_is_taken_or_refused_but_never_half);
    tcase_add_test(tests, both_directions_meet_in_one_conversation);
    tcase_add_test(tests, participants_are_ordered_by_bytes);
    tcase_add_test(tests, no_two_addresses_share_an_identity_for_their_angles);
    tcase_add_test(tests, addresses_that_look_like_a_key_have_conversations_of_their_own);
    tcase_add_test(tests, channels_are_called_sms_and_email);
    suite_add_tcase(suite, tests);
    return suite;
}
