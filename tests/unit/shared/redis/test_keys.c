// SPDX-License-Identifier: MIT
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "shared/redis/keys.h"

Suite *suite_redis_keys(void);

START_TEST(all_keys_of_a_partition_carry_its_hash_tag) {
    struct partition_keys keys;
    partition_keys("sms-mms:0", &keys);
    ck_assert_str_eq(keys.tag, "sms-mms:0");
    ck_assert_str_eq(keys.outbound, "outbound:{sms-mms:0}");
    ck_assert_str_eq(keys.events, "events:{sms-mms:0}");
    ck_assert_str_eq(keys.parked, "parked:{sms-mms:0}");
    ck_assert_str_eq(keys.parked_due, "parked-due:{sms-mms:0}");
    ck_assert_str_eq(keys.ours, "ours:{sms-mms:0}");
    ck_assert_str_eq(keys.refused, "refused:{sms-mms:0}");
    ck_assert_str_eq(keys.senders, "senders:{sms-mms:0}");
    ck_assert_str_eq(keys.senders_at, "senders-at:{sms-mms:0}");
    ck_assert_str_eq(keys.held_senders, "held-senders:{sms-mms:0}");
}
END_TEST

START_TEST(a_tag_too_long_to_be_ours_is_cut) {
    char tag[1000];
    memset(tag, 'x', sizeof tag - 1);
    tag[sizeof tag - 1] = '\0';
    struct partition_keys keys;
    partition_keys(tag, &keys);
    ck_assert_uint_lt(strlen(keys.parked_due), KEY_SIZE);
    ck_assert_int_eq(keys.parked_due[strlen(keys.parked_due) - 1], '}');
    ck_assert_int_eq(keys.held_senders[strlen(keys.held_senders) - 1], '}');
}
END_TEST

START_TEST(the_partition_hash_is_fnv_1a) { // the test vectors of its authors, isthe.com/chongo/tech/comp/fnv
    ck_assert_uint_eq(partition_of("a", 256), 0xe40c292cu % 256);
    ck_assert_uint_eq(partition_of("foobar", 251), 0xbf9cf968u % 251);
    ck_assert_uint_eq(partition_of("", 100), 0x811c9dc5u % 100);
}
END_TEST

START_TEST(a_partition_is_named_by_provider_and_number_and_a_replays_guard_lies_in_it) {
    struct partition_keys keys;
    char guard[KEY_GUARD_SIZE];
    partition_keys_of(PROVIDER_EMAIL, 3, &keys);
    ck_assert_str_eq(keys.events, "events:{email:3}");
    replay_guard_key(keys.tag, "0192e7a1-3c00-7b5e-9d1a-0c2f5b7e8a11", 2147483647, guard);
    ck_assert_str_eq(guard, "replayed:{email:3}:0192e7a1-3c00-7b5e-9d1a-0c2f5b7e8a11:2147483647");
    static const char hash[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    replay_guard_key(keys.tag, hash, 0, guard);
    ck_assert_str_eq(guard, "replayed:{email:3}:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef:0");
}
END_TEST

START_TEST(one_partition_or_none_takes_everything) {
    ck_assert_uint_eq(partition_of("+12016661234", 1), 0);
    ck_assert_uint_eq(partition_of("+12016661234", 0), 0);
}
END_TEST

START_TEST(senders_spread_over_all_partitions) {
    unsigned counts[16] = {0};
    for (unsigned i = 0; i < 16000; i++) {
        char sender[32];
        snprintf(sender, sizeof sender, "+1201%07u", i);
        unsigned partition = partition_of(sender, 16);
        ck_assert_uint_lt(partition, 16);
        counts[partition]++;
    }
    for (int i = 0; i < 16; i++) {
        ck_assert_uint_gt(counts[i], 500);
        ck_assert_uint_lt(counts[i], 1500);
    }
}
END_TEST

START_TEST(each_provider_has_a_breaker_of_its_own) {
    ck_assert_str_eq(breaker_key(PROVIDER_SMS_MMS), "breaker:{sms-mms}");
    ck_assert_str_eq(breaker_key(PROVIDER_EMAIL), "breaker:{email}");
}
END_TEST

Suite *suite_redis_keys(void) {
    Suite *suite = suite_create("redis_keys");
    TCase *tests = tcase_create("keys");
    tcase_add_test(tests, all_keys_of_a_partition_carry_its_hash_tag);
    tcase_add_test(tests, a_tag_too_long_to_be_ours_is_cut);
    tcase_add_test(tests, the_partition_hash_is_fnv_1a);
    tcase_add_test(tests, a_partition_is_named_by_provider_and_number_and_a_replays_guard_lies_in_it);
    tcase_add_test(tests, one_partition_or_none_takes_everything);
    tcase_add_test(tests, senders_spread_over_all_partitions);
    tcase_add_test(tests, each_provider_has_a_breaker_of_its_own);
    suite_add_tcase(suite, tests);
    return suite;
}
