// SPDX-License-Identifier: MIT
#include "shared/message/identify.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

Suite *suite_message_identify(void);

static struct message message;

static void set(enum message_type type, const char *from, const char *to, const char *sender, const char *recipient,
                const char *region) {
    message = (struct message){.type = type,
                               .from = xstrdup(from),
                               .to = xstrdup(to),
                               .sender = xstrdup(sender),
                               .recipient = xstrdup(recipient),
                               .region = region == NULL ? NULL : xstrdup(region)};
}

static void tear_down(void) {
    message_free(&message);
}

static void assert_identified(const char *sender, const char *recipient, const char *region) {
    ck_assert_str_eq(message.sender, sender);
    ck_assert_str_eq(message.recipient, recipient);
    ck_assert_str_eq(message.region, region);
}

START_TEST(a_message_of_an_older_release_is_identified_by_what_it_shows) {
    set(MESSAGE_SMS, "(201) 666-1234", "+44 (0)20 7946 0958", "2016661234", "+4402079460958", NULL);
    ck_assert(!message_is_identified(&message, NULL));
    message_identify(&message, NULL);
    ck_assert(message_is_identified(&message, NULL));
    assert_identified("2016661234", "+442079460958", "");
}
END_TEST

START_TEST(a_phone_is_identified_by_the_region_that_is_set) {
    const struct phone_region *us = phone_region_find("US");
    set(MESSAGE_MMS, "2016661234", "+18045551234", "2016661234", "+18045551234", "");
    ck_assert(message_is_identified(&message, NULL));
    ck_assert(!message_is_identified(&message, us));
    message_identify(&message, us);
    ck_assert(message_is_identified(&message, us));
    assert_identified("+12016661234", "+18045551234", "US");
}
END_TEST

START_TEST(a_region_is_taken_back) {
    set(MESSAGE_SMS, "2016661234", "+18045551234", "+12016661234", "+18045551234", "US");
    message_identify(&message, NULL);
    assert_identified("2016661234", "+18045551234", "");
}
END_TEST

START_TEST(of_several_recipients_the_one_that_was_chosen_stays) {
    set(MESSAGE_EMAIL, "Jane@Example.com", "Al <al@example.com>, bob@example.com", "jane@example.com",
        "bob@example.com", NULL);
    message_identify(&message, NULL);
    assert_identified("jane@example.com", "bob@example.com", "");
}
END_TEST

START_TEST(an_email_of_this_release_keeps_a_recipient_that_it_does_not_show) {
    set(MESSAGE_EMAIL, "jane@example.com", "list@example.com", "jane@example.com", "support@example.org", "GB");
    message_identify(&message, NULL);
    assert_identified("jane@example.com", "support@example.org", "");
}
END_TEST

START_TEST(an_identity_alone_is_completed_and_never_taken_back) {
    static const struct {
        enum channel channel;
        const char *identity, *region, *expected;
    } cases[] = {
        {CHANNEL_SMS, "02079460958", "GB", "+442079460958"},
        {CHANNEL_SMS, "00442079460958", "GB", "+442079460958"},
        {CHANNEL_SMS, "02079460958", "", "02079460958"},
        {CHANNEL_SMS, "+442079460958", "", "+442079460958"},
        {CHANNEL_SMS, "+442079460958", "DE", "+442079460958"},
        {CHANNEL_SMS, "12345", "US", "12345"},
        {CHANNEL_SMS, "MyBrand", "US", "MyBrand"},
        {CHANNEL_SMS, "2016661234 2016661235", "US", "2016661234 2016661235"},
        {CHANNEL_SMS, "", "US", ""},
        {CHANNEL_EMAIL, "2016661234", "US", "2016661234"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct phone_region *region = phone_region_find(cases[i].region);
        char *made = identity_complete(cases[i].channel, cases[i].identity, region);
        char *again = identity_complete(cases[i].channel, made, region);
        ck_assert_msg(strcmp(made, cases[i].expected) == 0, "%s in %s: %s", cases[i].identity, cases[i].region, made);
        ck_assert_str_eq(again, made);
        free(again);
        free(made);
    }
}
END_TEST

Suite *suite_message_identify(void) {
    Suite *suite = suite_create("message_identify");
    TCase *cases = tcase_create("all");
    tcase_add_checked_fixture(cases, NULL, tear_down);
    tcase_add_test(cases, a_message_of_an_older_release_is_identified_by_what_it_shows);
    tcase_add_test(cases, a_phone_is_identified_by_the_region_that_is_set);
    tcase_add_test(cases, a_region_is_taken_back);
    tcase_add_test(cases, of_several_recipients_the_one_that_was_chosen_stays);
    tcase_add_test(cases, an_email_of_this_release_keeps_a_recipient_that_it_does_not_show);
    tcase_add_test(cases, an_identity_alone_is_completed_and_never_taken_back);
    suite_add_tcase(suite, cases);
    return suite;
}
