// SPDX-License-Identifier: MIT
#include <check.h>
#include <string.h>

#include "ingest/accept/idempotency.h"

Suite *suite_accept_idempotency(void);

static char from[] = "+1", to[] = "+2", body[] = "ab", one_url[] = "x", other_url[] = "y";
static char *urls[] = {one_url, other_url};

static struct message sample(void) {
    return (struct message){
        .type = MESSAGE_MMS,
        .from = from,
        .to = to,
        .body = body,
        .attachments = urls,
        .attachment_count = 2,
        .occurred_ms = 5,
    };
}

static void digest(const struct message *message, bool stamped, uint8_t out[IDEMPOTENCY_HASH_SIZE]) {
    static const struct uuid id = {{1, 2, 3}};
    uint8_t token[IDEMPOTENCY_TOKEN_SIZE];
    idempotency_token(&id, message, stamped, token);
    ck_assert_mem_eq(token, id.bytes, UUID_BYTES);
    memcpy(out, token + UUID_BYTES, IDEMPOTENCY_HASH_SIZE);
}

START_TEST(a_key_is_1_to_255_printable_characters) {
    char key[258];
    memset(key, '~', sizeof key);
    key[255] = '\0';
    ck_assert(idempotency_key_is_valid(key));
    key[255] = '~';
    key[256] = '\0';
    ck_assert(!idempotency_key_is_valid(key));
    ck_assert(idempotency_key_is_valid("a b"));
    ck_assert(!idempotency_key_is_valid(""));
    ck_assert(!idempotency_key_is_valid("a\tb"));
    ck_assert(!idempotency_key_is_valid("\xc3\xa9"));
}
END_TEST

START_TEST(a_clients_key_holds_within_its_route_and_sender) {
    char one[IDEMPOTENCY_KEY_SIZE], other[IDEMPOTENCY_KEY_SIZE];
    idempotency_key_of_client("sms-mms:0", "/r", "+1", "k", one);
    idempotency_key_of_client("sms-mms:0", "/r", "+1", "k", other);
    ck_assert_str_eq(one, other);
    ck_assert_int_eq(strncmp(one, "idem:{sms-mms:0}:", 17), 0);
    ck_assert_uint_eq(strlen(one), 17 + 32);
    idempotency_key_of_client("sms-mms:0", "/s", "+1", "k", other);
    ck_assert_str_ne(one, other);
    idempotency_key_of_client("sms-mms:0", "/r", "+2", "k", other);
    ck_assert_str_ne(one, other);
    idempotency_key_of_client("sms-mms:0", "/r", "+1k", "", other);
    ck_assert_str_ne(one, other);
}
END_TEST

START_TEST(a_providers_id_holds_within_its_provider) {
    char one[IDEMPOTENCY_KEY_SIZE], other[IDEMPOTENCY_KEY_SIZE];
    idempotency_key_of_provider("t", PROVIDER_EMAIL, "m", one);
    idempotency_key_of_provider("t", PROVIDER_EMAIL, "m", other);
    ck_assert_str_eq(one, other);
    idempotency_key_of_provider("t", PROVIDER_SMS_MMS, "m", other);
    ck_assert_str_ne(one, other);
}
END_TEST

START_TEST(the_same_fields_have_the_same_digest) {
    struct message one = sample(), other = sample();
    uint8_t a[IDEMPOTENCY_HASH_SIZE], b[IDEMPOTENCY_HASH_SIZE];
    digest(&one, false, a);
    digest(&other, false, b);
    ck_assert_mem_eq(a, b, sizeof a);
}
END_TEST

START_TEST(each_field_changes_the_digest) {
    static char longer[] = "abx";
    struct message changed[] = {sample(), sample(), sample(), sample(), sample(), sample(), sample(), sample()};
    changed[0].type = MESSAGE_SMS;
    changed[1].from = to;
    changed[2].to = from;
    changed[3].body = to;
    changed[4].attachment_count = 1;
    changed[5].occurred_ms = 6;
    changed[6].provider_message_id = from;
    changed[7].body = longer; // "ab" + attachment "x" must not read like "abx" without it
    changed[7].attachments = urls + 1;
    changed[7].attachment_count = 1;
    struct message original = sample();
    uint8_t a[IDEMPOTENCY_HASH_SIZE], b[IDEMPOTENCY_HASH_SIZE];
    digest(&original, false, a);
    for (size_t i = 0; i < sizeof changed / sizeof *changed; i++) {
        digest(&changed[i], false, b);
        ck_assert_mem_ne(a, b, sizeof a);
    }
}
END_TEST

START_TEST(texts_that_differ_or_are_missing_have_another_digest) {
    const char *const lists[][2] = {{"a", "bc"}, {"ab", "c"}, {"a", NULL}, {NULL, "a"}, {"a", ""}};
    const struct uuid id = {{1}};
    uint8_t tokens[5][IDEMPOTENCY_TOKEN_SIZE], again[IDEMPOTENCY_TOKEN_SIZE];
    for (size_t i = 0; i < 5; i++) {
        idempotency_token_of_texts(&id, lists[i], 2, tokens[i]);
        idempotency_token_of_texts(&id, lists[i], 2, again);
        ck_assert_mem_eq(tokens[i], again, sizeof again);
        ck_assert_mem_eq(tokens[i], id.bytes, UUID_BYTES);
        for (size_t k = 0; k < i; k++) {
            ck_assert_mem_ne(tokens[i], tokens[k], sizeof again);
        }
    }
}
END_TEST

START_TEST(a_time_that_the_arrival_gave_does_not_count) {
    struct message one = sample(), other = sample();
    other.occurred_ms = 99;
    uint8_t a[IDEMPOTENCY_HASH_SIZE], b[IDEMPOTENCY_HASH_SIZE];
    digest(&one, true, a);
    digest(&other, true, b);
    ck_assert_mem_eq(a, b, sizeof a);
}
END_TEST

START_TEST(a_redelivery_is_the_same_whatever_it_holds) {
    static const uint8_t zeros[IDEMPOTENCY_HASH_SIZE];
    uint8_t a[IDEMPOTENCY_HASH_SIZE];
    digest(NULL, false, a);
    ck_assert_mem_eq(a, zeros, sizeof a);
}
END_TEST

Suite *suite_accept_idempotency(void) {
    Suite *suite = suite_create("accept_idempotency");
    TCase *tests = tcase_create("idempotency");
    tcase_add_test(tests, a_key_is_1_to_255_printable_characters);
    tcase_add_test(tests, a_clients_key_holds_within_its_route_and_sender);
    tcase_add_test(tests, a_providers_id_holds_within_its_provider);
    tcase_add_test(tests, the_same_fields_have_the_same_digest);
    tcase_add_test(tests, each_field_changes_the_digest);
    tcase_add_test(tests, texts_that_differ_or_are_missing_have_another_digest);
    tcase_add_test(tests, a_time_that_the_arrival_gave_does_not_count);
    tcase_add_test(tests, a_redelivery_is_the_same_whatever_it_holds);
    suite_add_tcase(suite, tests);
    return suite;
}
