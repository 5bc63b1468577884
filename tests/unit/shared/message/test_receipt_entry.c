// SPDX-License-Identifier: MIT
#include "shared/message/receipt_entry.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

Suite *suite_message_receipt_entry(void);

static const char *decode(const char *text, struct receipt_entry *out) {
    return receipt_entry_decode(text, strlen(text), out);
}

static char *encode(const struct receipt_entry *receipt) {
    struct buf text = {0};
    receipt_entry_encode(receipt, &text);
    return text.data;
}

// What decode says to an object of a provider, a status and `member`.
static const char *verdict_on(const char *member) {
    struct receipt_entry receipt;
    char *text = xasprintf("{\"provider\":\"email\",\"status\":\"delivered\",%s}", member);
    const char *error = decode(text, &receipt);
    free(text);
    if (error == NULL) {
        receipt_entry_free(&receipt);
    }
    return error;
}

static char *member_of(const char *name, size_t length) {
    char *value = xmalloc(length + 1);
    memset(value, 'x', length);
    value[length] = '\0';
    char *member = xasprintf("\"%s\":\"%s\"", name, value);
    free(value);
    return member;
}

START_TEST(a_receipt_reads_back_as_it_was_written) {
    struct receipt_entry back, receipt = {
                                   .provider = PROVIDER_EMAIL,
                                   .status = RECEIPT_UNDELIVERED,
                                   .at_ms = 1730469600123,
                                   .code = (char[]){"5.1.1"},
                                   .reason = (char[]){"550 \"no such user\" \xc3\xa9\n"},
                                   .provider_message_id = (char[]){"14c5d75ce93"},
                               };
    char *text = encode(&receipt);
    ck_assert_ptr_null(decode(text, &back));
    ck_assert_int_eq(back.provider, PROVIDER_EMAIL);
    ck_assert_int_eq(back.status, RECEIPT_UNDELIVERED);
    ck_assert_int_eq(back.at_ms, 1730469600123);
    ck_assert_str_eq(back.code, receipt.code);
    ck_assert_str_eq(back.reason, receipt.reason);
    ck_assert_str_eq(back.provider_message_id, receipt.provider_message_id);
    receipt_entry_free(&back);
    ck_assert_ptr_null(back.code);
    free(text);
}
END_TEST

START_TEST(what_the_provider_does_not_say_is_left_out) {
    struct receipt_entry back, receipt = {.provider = PROVIDER_SMS_MMS, .at_ms = RECEIPT_NO_TIME};
    char *text = encode(&receipt);
    ck_assert_str_eq(text, "{\"provider\":\"sms-mms\",\"status\":\"delivered\"}");
    ck_assert_ptr_null(decode(text, &back));
    ck_assert_int_eq(back.provider, PROVIDER_SMS_MMS);
    ck_assert_int_eq(back.status, RECEIPT_DELIVERED);
    ck_assert_int_eq(back.at_ms, RECEIPT_NO_TIME);
    ck_assert(back.code == NULL && back.reason == NULL && back.provider_message_id == NULL);
    free(text);
}
END_TEST

START_TEST(a_time_may_be_the_first_instant_of_1970_and_none_before) {
    struct receipt_entry back, receipt = {.provider = PROVIDER_SMS_MMS, .at_ms = 0};
    char *text = encode(&receipt);
    ck_assert_ptr_null(decode(text, &back));
    ck_assert_int_eq(back.at_ms, 0);
    free(text);
    static const char *const others[] = {"-1", "253402300800000", "1.5", "1e300", "\"1730469600123\"", "true", "[]"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        char *member = xasprintf("\"at\":%s", others[i]);
        ck_assert_str_eq(verdict_on(member), "at is not a time until the year 9999 in milliseconds since 1970");
        free(member);
    }
    ck_assert_ptr_null(verdict_on("\"at\":253402300799999"));
}
END_TEST

START_TEST(null_counts_as_missing_and_other_members_are_passed_over) {
    ck_assert_ptr_null(
        verdict_on("\"at\":null,\"code\":null,\"reason\":null,\"provider_message_id\":null,\"new\":[1]"));
}
END_TEST

START_TEST(each_text_has_its_bounds) {
    static const struct {
        const char *name;
        size_t max;
        const char *error;
    } cases[] = {
        {"code", RECEIPT_CODE_MAX, "code is not a string of 1 to 64 printable characters"},
        {"reason", RECEIPT_REASON_MAX, "reason is not a string of 1 to 1024 bytes"},
        {"provider_message_id", RECEIPT_PROVIDER_ID_MAX, "provider_message_id is not a string of 1 to 1024 bytes"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *most = member_of(cases[i].name, cases[i].max), *more = member_of(cases[i].name, cases[i].max + 1);
        char *none = member_of(cases[i].name, 0), *number = xasprintf("\"%s\":30003", cases[i].name);
        ck_assert_ptr_null(verdict_on(most));
        ck_assert_str_eq(verdict_on(more), cases[i].error);
        ck_assert_str_eq(verdict_on(none), cases[i].error);
        ck_assert_str_eq(verdict_on(number), cases[i].error);
        free(most);
        free(more);
        free(none);
        free(number);
    }
    ck_assert_str_eq(verdict_on("\"code\":\"5\\n1\""), cases[0].error);
    ck_assert_str_eq(verdict_on("\"code\":\"\xc3\xa9\""), cases[0].error);
}
END_TEST

START_TEST(what_is_no_receipt_is_told_why) {
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"[]", "the payload is not an object"},
        {"{}", "provider is not sms-mms or email"},
        {"{\"provider\":\"sms\",\"status\":\"delivered\"}", "provider is not sms-mms or email"},
        {"{\"provider\":1,\"status\":\"delivered\"}", "provider is not sms-mms or email"},
        {"{\"provider\":\"email\"}", "status is not delivered or undelivered"},
        {"{\"provider\":\"email\",\"status\":\"Delivered\"}", "status is not delivered or undelivered"},
        {"{\"provider\":\"email\",\"status\":\"sent\"}", "status is not delivered or undelivered"},
    };
    struct receipt_entry receipt;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_str_eq(decode(cases[i].text, &receipt), cases[i].error);
        ck_assert(receipt.code == NULL && receipt.reason == NULL && receipt.provider_message_id == NULL);
    }
    ck_assert_ptr_nonnull(decode("", &receipt));
    ck_assert_ptr_nonnull(decode("{\"provider\":\"email\"", &receipt));
}
END_TEST

START_TEST(nothing_of_a_receipt_that_is_refused_stays) {
    struct receipt_entry receipt;
    const char *text = "{\"provider\":\"email\",\"status\":\"undelivered\",\"code\":\"1\",\"reason\":\"r\","
                       "\"provider_message_id\":\"\"}";
    ck_assert_ptr_nonnull(decode(text, &receipt));
    ck_assert(receipt.code == NULL && receipt.reason == NULL);
    ck_assert_int_eq(receipt.at_ms, RECEIPT_NO_TIME);
}
END_TEST

Suite *suite_message_receipt_entry(void) {
    Suite *suite = suite_create("message_receipt_entry");
    TCase *tcase = tcase_create("receipt_entry");
    tcase_add_test(tcase, a_receipt_reads_back_as_it_was_written);
    tcase_add_test(tcase, what_the_provider_does_not_say_is_left_out);
    tcase_add_test(tcase, a_time_may_be_the_first_instant_of_1970_and_none_before);
    tcase_add_test(tcase, null_counts_as_missing_and_other_members_are_passed_over);
    tcase_add_test(tcase, each_text_has_its_bounds);
    tcase_add_test(tcase, what_is_no_receipt_is_told_why);
    tcase_add_test(tcase, nothing_of_a_receipt_that_is_refused_stays);
    suite_add_tcase(suite, tcase);
    return suite;
}
