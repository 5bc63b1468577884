// SPDX-License-Identifier: MIT
// The URL that a provider is given to report a message at.

#include "shared/provider/callback.h"

#include <check.h>
#include <stdlib.h>

#define ID "01930000-0000-7000-8000-000000000001"

Suite *suite_provider_callback(void);

static char base[] = "https://u:p@hooks.example.com/a", nothing[] = "";

START_TEST(it_holds_the_message_and_its_partition_sorted_by_name) {
    const struct settings settings = {.webhook_public_url = base};
    char *url = callback_url(&settings, ID, 12);
    ck_assert_str_eq(url, "https://u:p@hooks.example.com/a/api/webhooks/sms/status?message_id=" ID "&partition=12");
    free(url);
}
END_TEST

START_TEST(there_is_none_where_nobody_knows_how_we_are_called) {
    const struct settings settings = {.webhook_public_url = nothing};
    ck_assert_ptr_null(callback_url(&settings, ID, 0));
}
END_TEST

static const struct {
    const char *text;
    unsigned partition;
} partitions[] = {
    {"0", 0},
    {"12", 12},
    {"007", 7},
    {"999999", 999999},
    {"1000000", RECEIPT_NO_PARTITION},
    {"-1", RECEIPT_NO_PARTITION},
    {"1.0", RECEIPT_NO_PARTITION},
    {" 1", RECEIPT_NO_PARTITION},
    {"x", RECEIPT_NO_PARTITION},
    {"", RECEIPT_NO_PARTITION},
    {NULL, RECEIPT_NO_PARTITION},
};

START_TEST(a_partition_is_a_number_of_a_few_digits) {
    ck_assert_uint_eq(callback_partition(partitions[_i].text), partitions[_i].partition);
}
END_TEST

Suite *suite_provider_callback(void) {
    Suite *suite = suite_create("provider_callback");
    TCase *tests = tcase_create("callback");
    tcase_add_test(tests, it_holds_the_message_and_its_partition_sorted_by_name);
    tcase_add_test(tests, there_is_none_where_nobody_knows_how_we_are_called);
    tcase_add_loop_test(tests, a_partition_is_a_number_of_a_few_digits, 0, sizeof partitions / sizeof *partitions);
    suite_add_tcase(suite, tests);
    return suite;
}
