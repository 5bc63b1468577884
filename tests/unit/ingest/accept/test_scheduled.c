// SPDX-License-Identifier: MIT
#include <check.h>

#include "ingest/accept/scheduled.h"
#include "shared/settings/settings.h"

Suite *suite_accept_scheduled(void);

#define GIB (INT64_C(1) << 30)

START_TEST(what_is_scheduled_has_a_quarter_of_redis_shared_by_the_partitions_of_both_providers) {
    static const struct {
        int64_t setting, partitions, memory_max, most;
    } cases[] = {
        {0, 1, GIB, GIB / 8},   {0, 4, GIB, GIB / 32},  {0, 256, GIB, GIB / 2048},
        {12345, 1, GIB, 12345}, {12345, 4, GIB, 12345}, {12345, 4, 0, 12345},
        {0, 4, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct settings settings = {.scheduled_max_bytes = cases[i].setting, .stream_partitions = cases[i].partitions};
        ck_assert_int_eq(scheduled_most_bytes(&settings, cases[i].memory_max), cases[i].most);
    }
}
END_TEST

START_TEST(a_send_is_due_when_it_says) {
    struct message message = {.send_at_ms = MESSAGE_SEND_NOW};
    ck_assert_int_eq(scheduled_due_ms(&message), 0);
    ck_assert_int_eq(scheduled_format(&message, 1), 1);
    message.send_at_ms = 1730469600001;
    ck_assert_int_eq(scheduled_due_ms(&message), 1730469600001);
    ck_assert_int_eq(scheduled_format(&message, 1730469600000), 2);
    ck_assert_int_eq(scheduled_format(&message, 1730469600001), 1);
}
END_TEST

Suite *suite_accept_scheduled(void) {
    Suite *suite = suite_create("accept_scheduled");
    TCase *tests = tcase_create("scheduled");
    tcase_add_test(tests, what_is_scheduled_has_a_quarter_of_redis_shared_by_the_partitions_of_both_providers);
    tcase_add_test(tests, a_send_is_due_when_it_says);
    suite_add_tcase(suite, tests);
    return suite;
}
