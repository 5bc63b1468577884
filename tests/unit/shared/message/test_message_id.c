// SPDX-License-Identifier: MIT
#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "shared/base/crypto.h"
#include "shared/message/message_id.h"

Suite *suite_message_message_id(void);

static char plus_one[] = "+12016661234", plus_two[] = "+18045551234", national[] = "(201) 666-1234",
            digits[] = "2016661234", jane[] = "jane@example.com", support[] = "support@us.example",
            sales[] = "sales@us.example", id[] = "1", none[] = "", us[] = "US";

static struct message webhook(char *from, char *sender, char *region) {
    return (struct message){
        .type = MESSAGE_SMS,
        .direction = MESSAGE_INBOUND,
        .from = from,
        .sender = sender,
        .to = plus_two,
        .recipient = plus_two,
        .region = region,
        .provider_message_id = id,
    };
}

static struct message mail(char *to) {
    return (struct message){
        .type = MESSAGE_EMAIL,
        .direction = MESSAGE_INBOUND,
        .from = jane,
        .sender = jane,
        .to = to,
        .recipient = to,
        .region = none,
        .provider_message_id = id,
    };
}

static struct uuid make(const struct message *message) {
    struct message_pair pair;
    message_pair_of(message, &pair);
    struct uuid uuid = message_id_make(message, &pair);
    message_pair_free(&pair);
    return uuid;
}

static void assert_ids(const struct message *one, const struct message *other, bool same) {
    struct uuid first = make(one), second = make(other);
    ck_assert_int_eq(memcmp(first.bytes, second.bytes, UUID_BYTES) == 0, same);
}

static void assert_made(const struct message *message, const char *expected) {
    char text[UUID_TEXT_SIZE];
    struct uuid uuid = make(message);
    uuid_format(&uuid, text);
    ck_assert_str_eq(text, expected);
}

// printf 'sms-mms\0001\0+12016661234\0+18045551234' | sha256sum, with version and variant laid over it, and the last
// byte: printf 'sms:+12016661234<->+18045551234' | sha256sum
START_TEST(a_webhooks_id_is_made_of_the_four_and_ends_with_the_conversations_byte) {
    struct message message = webhook(plus_one, plus_one, none);
    assert_made(&message, "c3948179-11e1-8b69-b23e-3ddec4f0e5d9");
}
END_TEST

START_TEST(both_directions_and_both_kinds_end_with_the_same_byte) {
    uint8_t digest[SHA256_SIZE];
    static const char key[] = "sms:+12016661234<->+18045551234";
    crypto_sha256(key, strlen(key), digest);
    struct message message = webhook(plus_one, plus_one, none);
    struct uuid received = make(&message);
    ck_assert_uint_eq(received.bytes[15], digest[0]);
    message = webhook(plus_two, plus_two, none);
    message.to = message.recipient = plus_one;
    received = make(&message);
    ck_assert_uint_eq(received.bytes[15], digest[0]);
    message.type = MESSAGE_MMS;
    message.direction = MESSAGE_OUTBOUND;
    struct uuid sent = make(&message);
    ck_assert_uint_eq(sent.bytes[15], digest[0]);
    ck_assert_uint_eq(sent.bytes[6] >> 4, 7);
}
END_TEST

START_TEST(an_id_does_not_depend_on_the_region) {
    struct message without = webhook(national, digits, none), with = webhook(national, plus_one, us);
    struct message former = webhook(national, plus_one, NULL), complete = webhook(plus_one, plus_one, us);
    assert_ids(&without, &with, true);
    assert_ids(&without, &former, true);
    assert_ids(&with, &complete, false);
    with.direction = without.direction = MESSAGE_OUTBOUND;
    struct uuid one = make(&with), other = make(&without);
    ck_assert_uint_eq(one.bytes[15], other.bytes[15]);
}
END_TEST

// "+1… / 201…" is two numbers where the second is one, too.
START_TEST(the_id_of_a_list_of_numbers_does_not_depend_on_the_region) {
    static const char *const lists[] = {"+12016661234, (201) 666-1234", "+12016661234 / 0044",
                                        "+12016661234;2016661235", "201 666 1234, 911"};
    const struct phone_region *region = phone_region_find("US");
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        struct address_list here, there;
        char shown[64];
        snprintf(shown, sizeof shown, "%s", lists[i]);
        ck_assert_ptr_null(address_keep(CHANNEL_SMS, shown, region, &here));
        ck_assert_ptr_null(address_keep(CHANNEL_SMS, shown, NULL, &there));
        struct message with = webhook(shown, here.addresses->normalized, us);
        struct message without = webhook(shown, there.addresses->normalized, none);
        assert_ids(&with, &without, true);
        address_list_free(&here);
        address_list_free(&there);
    }
}
END_TEST

static void assert_byte(const struct message *message, const char *key) {
    uint8_t digest[SHA256_SIZE];
    crypto_sha256(key, strlen(key), digest);
    struct uuid made = make(message);
    ck_assert_uint_eq(made.bytes[MESSAGE_ID_SHARD_BYTE], digest[0]);
}

// A provider posts such a mail once for each of them.
START_TEST(the_recipient_that_an_envelope_names_names_the_message_whatever_its_header_says) {
    static char both[] = "Support <support@us.example>, sales@us.example";
    struct message one = mail(both), other = mail(both), alone = mail(sales);
    one.recipient = support;
    other.recipient = alone.recipient = sales;
    one.by_envelope = other.by_envelope = true;
    assert_ids(&one, &other, false);
    assert_ids(&other, &alone, true);
    ck_assert(!message_has_several_recipients(&other));
    assert_byte(&other, "email:jane@example.com<->sales@us.example");
}
END_TEST

START_TEST(of_several_recipients_the_first_names_the_message_and_the_one_that_counts_its_conversation) {
    static char both[] = "Support <support@us.example>, sales@us.example", phones[] = "2016661234, 2016661235",
                second[] = "+12016661235", second_digits[] = "2016661235";
    struct message first = mail(both), other = mail(both);
    first.recipient = support;
    other.recipient = sales;
    assert_byte(&first, "email:jane@example.com<->support@us.example");
    assert_byte(&other, "email:jane@example.com<->sales@us.example");
    struct uuid one = make(&first), two = make(&other);
    ck_assert_mem_eq(one.bytes, two.bytes, MESSAGE_ID_SHARD_BYTE);
    struct message here = webhook(plus_two, plus_two, us), there = webhook(plus_two, plus_two, none);
    here.to = there.to = phones;
    here.recipient = second;
    there.recipient = second_digits;
    assert_byte(&here, "sms:+18045551234<->2016661235");
    assert_ids(&here, &there, true);
}
END_TEST

START_TEST(one_mail_to_two_of_our_addresses_is_two_messages) {
    struct message one = mail(support), other = mail(sales);
    assert_ids(&one, &one, true);
    assert_ids(&one, &other, false);
}
END_TEST

START_TEST(two_providers_that_count_from_1_have_two_messages) {
    struct message one = webhook(plus_one, plus_one, none), gateway = webhook(digits, digits, none);
    assert_ids(&one, &gateway, false);
    struct message email = mail(support);
    email.from = email.sender = plus_one;
    email.to = email.recipient = plus_two;
    assert_ids(&one, &email, false);
}
END_TEST

START_TEST(a_long_id_of_a_providers_counts_to_its_last_byte) {
    char text[2][4001];
    memset(text, 'x', sizeof text);
    text[0][4000] = text[1][4000] = '\0';
    text[1][3999] = 'y';
    struct message one = webhook(plus_one, plus_one, none), other = one;
    one.provider_message_id = text[0];
    other.provider_message_id = text[1];
    assert_ids(&one, &other, false);
}
END_TEST

START_TEST(sends_ids_keep_growing) {
    struct message message = webhook(plus_one, plus_one, none);
    message.direction = MESSAGE_OUTBOUND;
    struct uuid last = make(&message);
    for (int i = 0; i < 10000; i++) {
        struct uuid next = make(&message);
        ck_assert_int_lt(memcmp(last.bytes, next.bytes, UUID_BYTES), 0);
        last = next;
    }
}
END_TEST

// printf 'sms-mms\0001' | sha256sum
START_TEST(the_former_id_is_of_the_providers_alone) {
    struct message message = webhook(plus_one, plus_one, none);
    struct uuid uuid = message_id_former(&message);
    char text[UUID_TEXT_SIZE];
    uuid_format(&uuid, text);
    ck_assert_str_eq(text, "611d2ee0-d71a-8373-bc68-098afbb8ff1d");
}
END_TEST

Suite *suite_message_message_id(void) {
    Suite *suite = suite_create("message_message_id");
    TCase *tests = tcase_create("message_id");
    tcase_add_test(tests, a_webhooks_id_is_made_of_the_four_and_ends_with_the_conversations_byte);
    tcase_add_test(tests, both_directions_and_both_kinds_end_with_the_same_byte);
    tcase_add_test(tests, an_id_does_not_depend_on_the_region);
    tcase_add_test(tests, the_id_of_a_list_of_numbers_does_not_depend_on_the_region);
    tcase_add_test(tests, the_recipient_that_an_envelope_names_names_the_message_whatever_its_header_says);
    tcase_add_test(tests, of_several_recipients_the_first_names_the_message_and_the_one_that_counts_its_conversation);
    tcase_add_test(tests, one_mail_to_two_of_our_addresses_is_two_messages);
    tcase_add_test(tests, two_providers_that_count_from_1_have_two_messages);
    tcase_add_test(tests, a_long_id_of_a_providers_counts_to_its_last_byte);
    tcase_add_test(tests, sends_ids_keep_growing);
    tcase_add_test(tests, the_former_id_is_of_the_providers_alone);
    suite_add_tcase(suite, tests);
    return suite;
}
