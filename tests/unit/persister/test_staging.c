// SPDX-License-Identifier: MIT
#include <check.h>
#include <string.h>

#include "persister/staging.h"

Suite *suite_persister_staging(void);

#define COLUMNS 36 // of sql/staging.sql

static struct buf line;
static char *columns[COLUMNS + 1];

static void tear_down(void) {
    buf_free(&line);
}

// Splits the line at its tabs; returns how many columns it has.
static int split(void) {
    int count = 0;
    ck_assert_int_eq(line.data[line.length - 1], '\n');
    ck_assert_ptr_eq(strchr(line.data, '\n'), line.data + line.length - 1);
    line.data[line.length - 1] = '\0';
    for (char *at = line.data, *column; (column = strsep(&at, "\t")) != NULL;) {
        ck_assert_int_le(count, COLUMNS);
        columns[count++] = column;
    }
    return count;
}

static const struct staging_row row = {7, 3, 99};

static struct event sms(char *body) {
    static char one[] = "+2", other[] = "+1";
    return (struct event){.kind = EVENT_MESSAGE,
                          .id = "018f3c5e-0000-7000-8000-000000000001",
                          .at_ms = 1730469600000,
                          .message = {.type = MESSAGE_SMS,
                                      .direction = MESSAGE_OUTBOUND,
                                      .from = one,
                                      .to = other,
                                      .sender = one,
                                      .recipient = other,
                                      .body = body,
                                      .occurred_ms = 1730469600001,
                                      .accepted_ms = 1730469600002}};
}

START_TEST(a_message_fills_its_columns_and_leaves_the_others_null) {
    char body[] = "hello";
    struct event event = sms(body);
    staging_event(&line, &row, &event);
    ck_assert_int_eq(split(), COLUMNS);
    ck_assert_str_eq(columns[0], "7");
    ck_assert_str_eq(columns[1], "3");
    ck_assert_str_eq(columns[2], "message");
    ck_assert_str_eq(columns[5], "2024-11-01T14:00:00.000Z");
    ck_assert_str_eq(columns[6], "sms-mms");
    ck_assert_str_eq(columns[7], "\\N");
    ck_assert_str_eq(columns[9], "sms:+1<->+2");
    ck_assert_str_eq(columns[10], "+1");
    ck_assert_str_eq(columns[11], "+2");
    ck_assert_str_eq(columns[16], "hello");
    ck_assert_str_eq(columns[17], "\\N");
    ck_assert_str_eq(columns[20], ""); // request_id
    for (int i = 21; i < COLUMNS - 1; i++) {
        ck_assert_str_eq(columns[i], "\\N");
    }
    ck_assert_str_eq(columns[COLUMNS - 1], "99"); // mark
}
END_TEST

START_TEST(a_body_cannot_end_its_column_or_its_line) {
    char body[] = "a\tb\nc\rd\\e\\N";
    struct event event = sms(body);
    staging_event(&line, &row, &event);
    ck_assert_int_eq(split(), COLUMNS);
    ck_assert_str_eq(columns[16], "a\\tb\\nc\\rd\\\\e\\\\N");
}
END_TEST

START_TEST(a_body_that_reads_like_the_end_of_the_data_is_escaped) {
    char body[] = "\\.";
    struct event event = sms(body);
    staging_event(&line, &row, &event);
    ck_assert_int_eq(split(), COLUMNS);
    ck_assert_str_eq(columns[16], "\\\\.");
}
END_TEST

START_TEST(an_empty_text_is_not_null) {
    char body[] = "";
    struct event event = sms(body);
    staging_event(&line, &row, &event);
    split();
    ck_assert_str_eq(columns[16], "");
}
END_TEST

START_TEST(attachments_are_a_json_array) {
    char body[] = "b", first[] = "https://a/\"x\"", second[] = "https://b";
    char *urls[] = {first, second};
    struct event event = sms(body);
    event.message.attachments = urls;
    event.message.attachment_count = 2;
    staging_event(&line, &row, &event);
    ck_assert_int_eq(split(), COLUMNS);
    ck_assert_str_eq(columns[17], "[\"https://a/\\\\\"x\\\\\"\",\"https://b\"]");
}
END_TEST

START_TEST(an_outcome_fills_its_columns_and_leaves_the_message_null) {
    struct event event = {.kind = EVENT_OUTCOME,
                          .id = "018f3c5e-0000-7000-8000-000000000001",
                          .generation = 1,
                          .at_ms = 0,
                          .verdict = VERDICT_FAILED,
                          .call = 4,
                          .delivery = 2,
                          .due_ms = -1,
                          .late = true,
                          .attempt = {.provider = PROVIDER_EMAIL,
                                      .outcome = "rejected",
                                      .http_status = 400,
                                      .latency_us = 9,
                                      .started_ms = 0,
                                      .error = "no\tway"}};
    staging_event(&line, &row, &event);
    ck_assert_int_eq(split(), COLUMNS);
    ck_assert_str_eq(columns[2], "outcome");
    for (int i = 8; i <= 20; i++) {
        ck_assert_str_eq(columns[i], "\\N");
    }
    ck_assert_str_eq(columns[21], "failed");
    ck_assert_str_eq(columns[24], "\\N");
    ck_assert_str_eq(columns[25], "t");
    ck_assert_str_eq(columns[26], "rejected");
    ck_assert_str_eq(columns[29], "1970-01-01T00:00:00.000Z");
    ck_assert_str_eq(columns[30], "no\\tway");
}
END_TEST

START_TEST(poison_carries_its_entry_and_reason) {
    staging_poison(&line, &row,
                   &(struct staging_poison){.provider = "email",
                                            .stream = "events:{email:0}",
                                            .entry_id = "1-0",
                                            .reason = "why",
                                            .entry = "{\"a\":\"\\n\"}"});
    ck_assert_int_eq(split(), COLUMNS);
    ck_assert_str_eq(columns[2], "poison");
    ck_assert_str_eq(columns[3], "\\N");
    ck_assert_str_eq(columns[6], "email");
    ck_assert_str_eq(columns[31], "events:{email:0}");
    ck_assert_str_eq(columns[32], "1-0");
    ck_assert_str_eq(columns[33], "why");
    ck_assert_str_eq(columns[34], "{\"a\":\"\\\\n\"}");
}
END_TEST

Suite *suite_persister_staging(void) {
    Suite *suite = suite_create("persister_staging");
    TCase *tcase = tcase_create("staging");
    tcase_add_checked_fixture(tcase, NULL, tear_down);
    tcase_add_test(tcase, a_message_fills_its_columns_and_leaves_the_others_null);
    tcase_add_test(tcase, a_body_cannot_end_its_column_or_its_line);
    tcase_add_test(tcase, a_body_that_reads_like_the_end_of_the_data_is_escaped);
    tcase_add_test(tcase, an_empty_text_is_not_null);
    tcase_add_test(tcase, attachments_are_a_json_array);
    tcase_add_test(tcase, an_outcome_fills_its_columns_and_leaves_the_message_null);
    tcase_add_test(tcase, poison_carries_its_entry_and_reason);
    suite_add_tcase(suite, tcase);
    return suite;
}
