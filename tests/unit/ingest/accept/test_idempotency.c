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

START_TEST(a_lists_key_holds_within_its_route_and_owner_in_no_partitions_slot) {
    char one[IDEMPOTENCY_KEY_SIZE], other[IDEMPOTENCY_KEY_SIZE];
    idempotency_key_of_list("/r", "shop", "k", one);
    idempotency_key_of_list("/r", "shop", "k", other);
    ck_assert_str_eq(one, other);
    ck_assert_int_eq(strncmp(one, "idem:list:", 10), 0);
    ck_assert_uint_eq(strlen(one), 10 + 32);
    idempotency_key_of_list("/r", "", "k", other);
    ck_assert_str_ne(one, other);
    idempotency_key_of_list("/r", "shop", "l", other);
    ck_assert_str_ne(one, other);
    idempotency_key_of_list("/s", "shop", "k", other);
    ck_assert_str_ne(one, other);
}
END_TEST

START_TEST(each_place_of_a_list_has_a_key_of_its_own_that_is_the_lists) {
    char one[IDEMPOTENCY_PART_SIZE], other[IDEMPOTENCY_PART_SIZE];
    const uint8_t list[SHA256_SIZE] = {1}, other_list[SHA256_SIZE] = {2};
    idempotency_part("idem:list:a", list, 7, one);
    idempotency_part("idem:list:a", list, 7, other);
    ck_assert_str_eq(one, other);
    ck_assert(idempotency_key_is_valid(one));
    idempotency_part("idem:list:a", list, 8, other);
    ck_assert_str_ne(one, other);
    idempotency_part("idem:list:b", list, 7, other);
    ck_assert_str_ne(one, other);
    idempotency_part("idem:list:a", other_list, 7, other);
    ck_assert_str_ne(one, other);
    idempotency_part("idem:list:a", list, SIZE_MAX, other);
    ck_assert_uint_eq(strlen(other), 32 + 1 + 20);
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

START_TEST(a_providers_id_holds_within_its_provider_and_its_pair) {
    const struct message_pair pair = {from, to, to}, back = {to, from, from}, alone = {from, from, from};
    char one[IDEMPOTENCY_KEY_SIZE], other[IDEMPOTENCY_KEY_SIZE];
    idempotency_key_of_provider("t", PROVIDER_EMAIL, "m", &pair, one);
    idempotency_key_of_provider("t", PROVIDER_EMAIL, "m", &pair, other);
    ck_assert_str_eq(one, other);
    idempotency_key_of_provider("t", PROVIDER_SMS_MMS, "m", &pair, other);
    ck_assert_str_ne(one, other);
    idempotency_key_of_provider("t", PROVIDER_EMAIL, "m", &back, other);
    ck_assert_str_ne(one, other);
    idempotency_key_of_provider("t", PROVIDER_EMAIL, "m", &alone, other);
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
    struct message changed[] = {sample(), sample(), sample(), sample(), sample(), sample(),
                                sample(), sample(), sample(), sample(), sample(), sample()};
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
    changed[8].subject = body;
    changed[9].subject = to;
    changed[10].send_at_ms = 2;
    changed[11].send_at_ms = 3;
    struct message original = sample();
    uint8_t a[IDEMPOTENCY_HASH_SIZE], b[IDEMPOTENCY_HASH_SIZE];
    digest(&original, false, a);
    for (size_t i = 0; i < sizeof changed / sizeof *changed; i++) {
        digest(&changed[i], false, b);
        ck_assert_mem_ne(a, b, sizeof a);
    }
}
END_TEST

// A client may repeat across an upgrade: what a release without subjects made of these fields.
START_TEST(the_digest_of_a_message_without_subject_and_send_at_is_that_of_former_releases) {
    static const uint8_t former[IDEMPOTENCY_HASH_SIZE] = {0x11, 0xf5, 0xaa, 0x18, 0x8f, 0x2b, 0x3b, 0xf2,
                                                          0x8e, 0x49, 0x23, 0xfa, 0x36, 0x85, 0xc9, 0x23};
    struct message message = sample();
    uint8_t now[IDEMPOTENCY_HASH_SIZE];
    digest(&message, false, now);
    ck_assert_mem_eq(now, former, sizeof now);
    message.send_at_ms = MESSAGE_SEND_NOW;
    digest(&message, false, now);
    ck_assert_mem_eq(now, former, sizeof now);
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

Suite *suite_accept_idempotency(void) {
    Suite *suite = suite_create("accept_idempotency");
    TCase *tests = tcase_create("idempotency");
    tcase_add_test(tests, a_key_is_1_to_255_printable_characters);
    tcase_add_test(tests, a_lists_key_holds_within_its_route_and_owner_in_no_partitions_slot);
    tcase_add_test(tests, each_place_of_a_list_has_a_key_of_its_own_that_is_the_lists);
    tcase_add_test(tests, a_clients_key_holds_within_its_route_and_sender);
    tcase_add_test(tests, a_providers_id_holds_within_its_provider_and_its_pair);
    tcase_add_test(tests, the_same_fields_have_the_same_digest);
    tcase_add_test(tests, each_field_changes_the_digest);
    tcase_add_test(tests, the_digest_of_a_message_without_subject_and_send_at_is_that_of_former_releases);
    tcase_add_test(tests, texts_that_differ_or_are_missing_have_another_digest);
    tcase_add_test(tests, a_time_that_the_arrival_gave_does_not_count);
    suite_add_tcase(suite, tests);
    return suite;
}
