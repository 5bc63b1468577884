// SPDX-License-Identifier: MIT
// Signatures of webhooks, against vectors that openssl(1) computed. With
//   s=whsec_0123456789abcdef and BODY as below:
//   printf '1700000000.%s' "$BODY" | openssl dgst -sha256 -hmac "$s" -r
//   printf '1700000000.%s' "$BODY" | openssl dgst -sha256 -hmac 'the previous one' -r
//   printf '1700000000.' | openssl dgst -sha256 -hmac "$s" -r

#include <check.h>
#include <string.h>

#include "shared/provider/x_signature.h"

#define NOW 1700000000
#define SECRET "whsec_0123456789abcdef"
#define PREVIOUS "the previous one"
#define BODY                                                                                                           \
    "{\"from\":\"+18045551234\",\"to\":\"+12016661234\",\"type\":\"sms\",\"messaging_provider_id\":\"message-1\","     \
    "\"body\":\"text message\",\"attachments\":null,\"timestamp\":\"2024-11-01T14:00:00Z\"}"
#define BY_SECRET "a7cc85c836005052c73552ac3de0d17141bb77f5acaf011ce3c139528b57940a"
#define BY_PREVIOUS "934729d22c6a53e6692fd566781f3bcfe45e88be066811a6c615ad436c1d02a8"
#define EMPTY_BY_SECRET "0e1fd9afd303fb6f213cc511093ec9783e6286d777cfee89f917aebd54d9a963"
#define OTHER "0000000000000000000000000000000000000000000000000000000000000000"

Suite *suite_provider_x_signature(void);

static uint8_t id[SIGNATURE_ID_SIZE];
static char secret[] = SECRET, previous[] = PREVIOUS, none[] = "";
static char *both[WEBHOOK_SECRETS] = {secret, previous};
static char *only_one[WEBHOOK_SECRETS] = {secret, none};
static char *only_previous[WEBHOOK_SECRETS] = {none, previous};
static char *nothing[WEBHOOK_SECRETS] = {none, none};

static enum signature check(const char *header, char *const *secrets, int64_t now) {
    return x_signature_check(header, BODY, strlen(BODY), secrets, now, 300, id);
}

START_TEST(a_body_signed_with_the_secret_is_right) {
    ck_assert_int_eq(check("t=1700000000,v1=" BY_SECRET, only_one, NOW), SIGNATURE_RIGHT);
    ck_assert_int_eq(
        check("t=1700000000,v1=A7CC85C836005052C73552AC3DE0D17141BB77F5ACAF011CE3C139528B57940A", only_one, NOW),
        SIGNATURE_RIGHT);
    ck_assert_int_eq(x_signature_check("t=1700000000,v1=" EMPTY_BY_SECRET, "", 0, only_one, NOW, 300, id),
                     SIGNATURE_RIGHT);
}
END_TEST

START_TEST(while_a_secret_changes_both_are_taken) {
    ck_assert_int_eq(check("t=1700000000,v1=" BY_PREVIOUS, both, NOW), SIGNATURE_RIGHT);
    ck_assert_int_eq(check("t=1700000000,v1=" BY_PREVIOUS, only_previous, NOW), SIGNATURE_RIGHT);
    ck_assert_int_eq(check("t=1700000000,v1=" BY_PREVIOUS, only_one, NOW), SIGNATURE_WRONG);
    ck_assert_int_eq(check("t=1700000000,v1=" BY_SECRET, only_previous, NOW), SIGNATURE_WRONG);
}
END_TEST

START_TEST(one_right_signature_among_several_is_enough) {
    ck_assert_int_eq(check("v1=" OTHER ",v0=x, v1=" BY_SECRET ",t=1700000000", only_one, NOW), SIGNATURE_RIGHT);
    ck_assert_int_eq(check("t=1700000000,v1=" OTHER ",v1=" BY_PREVIOUS, both, NOW), SIGNATURE_RIGHT);
}
END_TEST

START_TEST(another_body_time_or_signature_is_wrong) {
    const char *header = "t=1700000000,v1=" BY_SECRET;
    ck_assert_int_eq(x_signature_check(header, BODY " ", strlen(BODY) + 1, both, NOW, 300, id), SIGNATURE_WRONG);
    ck_assert_int_eq(x_signature_check(header, "", 0, both, NOW, 300, id), SIGNATURE_WRONG);
    ck_assert_int_eq(check("t=1700000001,v1=" BY_SECRET, both, NOW), SIGNATURE_WRONG);
    ck_assert_int_eq(check("t=1700000000,v1=" OTHER, both, NOW), SIGNATURE_WRONG);
    ck_assert_int_eq(check("t=01700000000,v1=" BY_SECRET, both, NOW), SIGNATURE_WRONG); // the same number, not the text
}
END_TEST

START_TEST(without_a_secret_nothing_is_right) {
    // What an empty secret would sign: printf '1700000000.' | openssl dgst -sha256 -hmac '' -r
    const char *header = "t=1700000000,v1=c1da1b6c6b8e9da7f4bbb90f7cab0820f271ad19ccbf80c88479c4e14f37d1c6";
    ck_assert_int_eq(x_signature_check(header, "", 0, nothing, NOW, 300, id), SIGNATURE_WRONG);
}
END_TEST

START_TEST(a_signature_is_good_for_as_long_as_it_is_told_either_way) {
    const char *header = "t=1700000000,v1=" BY_SECRET;
    ck_assert_int_eq(check(header, both, NOW + 300), SIGNATURE_RIGHT);
    ck_assert_int_eq(check(header, both, NOW - 300), SIGNATURE_RIGHT);
    ck_assert_int_eq(check(header, both, NOW + 301), SIGNATURE_STALE);
    ck_assert_int_eq(check(header, both, NOW - 301), SIGNATURE_STALE);
}
END_TEST

START_TEST(what_is_not_of_the_form_is_malformed) {
    static const char *const headers[] = {
        "",
        ",",
        "t=1700000000",
        "v1=" BY_SECRET,
        "t=,v1=" BY_SECRET,
        "t=-1,v1=" BY_SECRET,
        "t=1700000000x,v1=" BY_SECRET,
        "t=1234567890123456,v1=" BY_SECRET,
        "t=1700000000,t=1700000000,v1=" BY_SECRET,
        "t=1700000000,v1=",
        "t=1700000000,v1=" BY_SECRET "0",
        "t=1700000000,v1=a7cc",
        "t=1700000000,v1=g7cc85c836005052c73552ac3de0d17141bb77f5acaf011ce3c139528b57940a",
        "T=1700000000,V1=" BY_SECRET,
        "sha256=" BY_SECRET,
    };
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        ck_assert_msg(check(headers[i], both, NOW) == SIGNATURE_MALFORMED, "%s", headers[i]);
    }
}
END_TEST

START_TEST(more_signatures_than_allowed_are_malformed) {
    char header[1024] = "t=1700000000";
    for (int i = 0; i < X_SIGNATURE_MOST_V1; i++) {
        strcat(header, ",v1=" BY_SECRET);
    }
    ck_assert_int_eq(check(header, both, NOW), SIGNATURE_RIGHT);
    strcat(header, ",v1=" BY_SECRET);
    ck_assert_int_eq(check(header, both, NOW), SIGNATURE_MALFORMED);
}
END_TEST

static void id_of(const char *header, char *const *secrets, uint8_t out[SIGNATURE_ID_SIZE]) {
    ck_assert_int_eq(check(header, secrets, NOW), SIGNATURE_RIGHT);
    memcpy(out, id, SIGNATURE_ID_SIZE);
}

START_TEST(a_signature_is_known_however_its_header_is_written) {
    uint8_t first[SIGNATURE_ID_SIZE], again[SIGNATURE_ID_SIZE];
    id_of("t=1700000000,v1=" BY_SECRET, both, first);
    static const char *const same[] = {
        "v1=" BY_SECRET ", t=1700000000",
        ("t=1700000000,v1=" OTHER ",v1=" BY_SECRET ",v0=x"),
        "t=1700000000,v1=" BY_PREVIOUS,
        "t=1700000000,v1=A7CC85C836005052C73552AC3DE0D17141BB77F5ACAF011CE3C139528B57940A",
    };
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        id_of(same[i], both, again);
        ck_assert_mem_eq(first, again, SIGNATURE_ID_SIZE);
    }
    ck_assert_int_eq(x_signature_check("t=1700000000,v1=" EMPTY_BY_SECRET, "", 0, both, NOW, 300, id), SIGNATURE_RIGHT);
    ck_assert_mem_ne(first, id, SIGNATURE_ID_SIZE);
}
END_TEST

// docs/gateways.md prints it.
START_TEST(the_example_of_the_documents_is_right_and_is_what_we_make) {
    static char shown[] = "a secret of the gateway";
    static char *const secrets[WEBHOOK_SECRETS] = {shown, none};
    const char *body = "{\"message_id\":\"01930000-0000-7000-8000-000000000001\",\"status\":\"delivered\"}";
    const char *header = "t=1700000000,v1=c01155331a8c8bef74046a7ee16770a2cf3550619dec20e31bbc6cdc32e912a0";
    struct buf made = {0};
    ck_assert_int_eq(x_signature_check(header, body, strlen(body), secrets, NOW, 300, id), SIGNATURE_RIGHT);
    x_signature_make(shown, body, strlen(body), NOW, &made);
    ck_assert_str_eq(made.data, header);
    buf_free(&made);
}
END_TEST

Suite *suite_provider_x_signature(void) {
    Suite *suite = suite_create("provider_x_signature");
    TCase *tests = tcase_create("x_signature");
    tcase_add_test(tests, a_body_signed_with_the_secret_is_right);
    tcase_add_test(tests, while_a_secret_changes_both_are_taken);
    tcase_add_test(tests, one_right_signature_among_several_is_enough);
    tcase_add_test(tests, another_body_time_or_signature_is_wrong);
    tcase_add_test(tests, without_a_secret_nothing_is_right);
    tcase_add_test(tests, a_signature_is_good_for_as_long_as_it_is_told_either_way);
    tcase_add_test(tests, what_is_not_of_the_form_is_malformed);
    tcase_add_test(tests, more_signatures_than_allowed_are_malformed);
    tcase_add_test(tests, a_signature_is_known_however_its_header_is_written);
    tcase_add_test(tests, the_example_of_the_documents_is_right_and_is_what_we_make);
    suite_add_tcase(suite, tests);
    return suite;
}
