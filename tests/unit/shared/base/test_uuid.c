// SPDX-License-Identifier: MIT
#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/uuid.h"
#include "tests/support/each.h"

Suite *suite_base_uuid(void);

static int64_t time_of(const struct uuid *uuid) {
    int64_t ms = 0;
    for (int i = 0; i < 6; i++) {
        ms = ms << 8 | uuid->bytes[i];
    }
    return ms;
}

START_TEST(a_send_id_carries_version_variant_and_the_time) {
    int64_t before = clock_unix_ms();
    struct uuid uuid = uuid_v7();
    int64_t after = clock_unix_ms();
    ck_assert_int_eq(uuid.bytes[6] >> 4, 7);
    ck_assert_int_eq(uuid.bytes[8] >> 6, 2);
    ck_assert_int_ge(time_of(&uuid), before);
    ck_assert_int_le(time_of(&uuid), after);
}
END_TEST

START_TEST(each_send_id_of_a_thread_is_greater_than_the_one_before) {
    struct uuid last = uuid_v7();
    char last_text[UUID_TEXT_SIZE];
    uuid_format(&last, last_text);
    for (int i = 0; i < 200000; i++) { // far more in a millisecond than the counter holds
        struct uuid next = uuid_v7();
        char text[UUID_TEXT_SIZE];
        uuid_format(&next, text);
        ASSERT_EACH(memcmp(next.bytes, last.bytes, UUID_BYTES) > 0);
        ASSERT_EACH(strcmp(text, last_text) > 0);
        ASSERT_EACH(next.bytes[6] >> 4 == 7);
        ASSERT_EACH(next.bytes[8] >> 6 == 2);
        last = next;
        memcpy(last_text, text, sizeof text);
    }
}
END_TEST

#define PER_THREAD 20000
#define THREADS 4

static void *make_ids(void *argument) {
    struct uuid *ids = argument;
    for (int i = 0; i < PER_THREAD; i++) {
        ids[i] = uuid_v7();
    }
    return NULL;
}

static int compare_ids(const void *one, const void *other) {
    return memcmp(one, other, UUID_BYTES);
}

START_TEST(ids_of_several_threads_are_all_different) {
    struct uuid *ids = malloc(THREADS * PER_THREAD * sizeof *ids);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, make_ids, ids + i * PER_THREAD), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    qsort(ids, THREADS * PER_THREAD, sizeof *ids, compare_ids);
    for (int i = 1; i < THREADS * PER_THREAD; i++) {
        ck_assert_int_ne(memcmp(ids[i - 1].bytes, ids[i].bytes, UUID_BYTES), 0);
    }
    free(ids);
}
END_TEST

// printf 'sms-mms\0message-1' | sha256sum, with version and variant laid over it
START_TEST(a_webhook_id_is_the_same_for_ever) {
    struct uuid uuid = uuid_v8("sms-mms", "message-1");
    char text[UUID_TEXT_SIZE];
    uuid_format(&uuid, text);
    ck_assert_str_eq(text, "1f99f789-8ec0-86ff-88a5-888793f7d0c4");
}
END_TEST

START_TEST(a_webhook_id_tells_provider_and_message_apart) {
    struct uuid one = uuid_v8("a", "bc");
    struct uuid other = uuid_v8("ab", "c");
    ck_assert_int_ne(memcmp(one.bytes, other.bytes, UUID_BYTES), 0);
    other = uuid_v8("b", "bc");
    ck_assert_int_ne(memcmp(one.bytes, other.bytes, UUID_BYTES), 0);
    ck_assert_int_eq(one.bytes[6] >> 4, 8);
    ck_assert_int_eq(one.bytes[8] >> 6, 2);
}
END_TEST

START_TEST(an_id_reads_back_as_it_was_written) {
    for (int i = 0; i < 1000; i++) {
        struct uuid uuid = uuid_v7();
        struct uuid back;
        char text[UUID_TEXT_SIZE];
        uuid_format(&uuid, text);
        ck_assert_int_eq(uuid_parse(text, &back), 0);
        ck_assert_mem_eq(uuid.bytes, back.bytes, UUID_BYTES);
    }
}
END_TEST

START_TEST(an_id_in_capitals_is_the_same_id) {
    struct uuid small, capital;
    ck_assert_int_eq(uuid_parse("019300ab-cdef-7abc-8def-0123456789ab", &small), 0);
    ck_assert_int_eq(uuid_parse("019300AB-CDEF-7ABC-8DEF-0123456789AB", &capital), 0);
    ck_assert_mem_eq(small.bytes, capital.bytes, UUID_BYTES);
}
END_TEST

START_TEST(a_send_id_tells_when_it_was_made_and_others_do_not) {
    int64_t before_ms = clock_unix_ms(), made_ms;
    struct uuid send = uuid_v7(), webhook = uuid_v8("sms", "1");
    ck_assert(uuid_v7_time(&send, &made_ms));
    ck_assert_int_ge(made_ms, before_ms);
    ck_assert_int_le(made_ms, clock_unix_ms() + 1);
    ck_assert(!uuid_v7_time(&webhook, &made_ms));
}
END_TEST

static const char *const bad[] = {
    "",
    "1",
    "019300ab-cdef-7abc-8def-0123456789a",
    "019300ab-cdef-7abc-8def-0123456789abc",
    "019300abcdef7abc8def0123456789ab",
    "019300ab-cdef-7abc-8def_0123456789ab",
    "019300ab-cdef-7abc-8def-0123456789ag",
    "{19300ab-cdef-7abc-8def-0123456789ab}",
    " 019300ab-cdef-7abc-8def-0123456789ab",
    "019300ab-cdef-7abc-8def-0123456789ab ",
    "019300a-bcdef-7abc-8def-0123456789ab",
    "-19300ab-cdef-7abc-8def-0123456789ab",
    "019300ab-cdef-7abc-8def-",
    "019300ab-cdef-7abc-8def-0123456789\xc3\xa9",
};

START_TEST(what_is_no_id_is_refused) {
    struct uuid uuid;
    ck_assert_int_eq(uuid_parse(bad[_i], &uuid), -1);
}
END_TEST

Suite *suite_base_uuid(void) {
    Suite *suite = suite_create("base_uuid");
    TCase *tests = tcase_create("uuid");
    tcase_add_test(tests, a_send_id_carries_version_variant_and_the_time);
    tcase_add_test(tests, each_send_id_of_a_thread_is_greater_than_the_one_before);
    tcase_add_test(tests, ids_of_several_threads_are_all_different);
    tcase_add_test(tests, a_webhook_id_is_the_same_for_ever);
    tcase_add_test(tests, a_webhook_id_tells_provider_and_message_apart);
    tcase_add_test(tests, an_id_reads_back_as_it_was_written);
    tcase_add_test(tests, an_id_in_capitals_is_the_same_id);
    tcase_add_test(tests, a_send_id_tells_when_it_was_made_and_others_do_not);
    tcase_add_loop_test(tests, what_is_no_id_is_refused, 0, sizeof bad / sizeof *bad);
    suite_add_tcase(suite, tests);
    return suite;
}
