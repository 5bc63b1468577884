// SPDX-License-Identifier: MIT
#include <check.h>
#include <string.h>

#include "persister/staging.h"

Suite *suite_persister_staging(void);

#define COLUMNS 56 // of sql/staging.sql

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

static const struct staging_row row = {7, 3, 99, INT64_C(1730469600003004)};

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
    ck_assert_str_eq(columns[12], "b"); // the greater one sent it
    ck_assert_str_eq(columns[17], "\\N");
    ck_assert_str_eq(columns[18], "hello");
    ck_assert_str_eq(columns[19], "\\N");
    ck_assert_str_eq(columns[20], "2024-11-01T14:00:00.001Z");
    ck_assert_str_eq(columns[21], "2024-11-01T14:00:00.003004Z"); // when Redis took it
    ck_assert_str_eq(columns[22], "");                            // request_id
    ck_assert_str_eq(columns[35], "queued");
    for (int i = 23; i < COLUMNS - 1; i++) {
        ck_assert(i == 35 || strcmp(columns[i], "\\N") == 0);
    }
    ck_assert_str_eq(columns[COLUMNS - 1], "99"); // mark
}
END_TEST

START_TEST(the_sender_is_the_first_participant_where_both_are_the_same) {
    char body[] = "to myself";
    struct event event = sms(body);
    event.message.sender = event.message.recipient;
    staging_event(&line, &row, &event);
    split();
    ck_assert_str_eq(columns[12], "a");
}
END_TEST

START_TEST(a_subject_has_a_column) {
    char body[] = "b", subject[] = "Re:\tyour order";
    struct event event = sms(body);
    event.message.subject = subject;
    staging_event(&line, &row, &event);
    ck_assert_int_eq(split(), COLUMNS);
    ck_assert_str_eq(columns[17], "Re:\\tyour order");
}
END_TEST

START_TEST(a_body_cannot_end_its_column_or_its_line) {
    char body[] = "a\tb\nc\rd\\e\\N";
    struct event event = sms(body);
    staging_event(&line, &row, &event);
    ck_assert_int_eq(split(), COLUMNS);
    ck_assert_str_eq(columns[18], "a\\tb\\nc\\rd\\\\e\\\\N");
}
END_TEST

START_TEST(a_body_that_reads_like_the_end_of_the_data_is_escaped) {
    char body[] = "\\.";
    struct event event = sms(body);
    staging_event(&line, &row, &event);
    ck_assert_int_eq(split(), COLUMNS);
    ck_assert_str_eq(columns[18], "\\\\.");
}
END_TEST

START_TEST(an_empty_text_is_not_null) {
    char body[] = "";
    struct event event = sms(body);
    staging_event(&line, &row, &event);
    split();
    ck_assert_str_eq(columns[18], "");
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
    ck_assert_str_eq(columns[19], "[\"https://a/\\\\\"x\\\\\"\",\"https://b\"]");
}
END_TEST

// Its last byte says which of them counts, and so isn't a part of what stays.
START_TEST(of_a_webhook_with_several_recipients_the_part_of_the_id_that_stays_has_a_column) {
    char body[] = "b", id[] = "1", region[] = "", several[] = "+12016661234, +12016661235";
    struct event event = sms(body);
    event.message.direction = MESSAGE_INBOUND;
    event.message.provider_message_id = id;
    event.message.region = region;
    staging_event(&line, &row, &event);
    ck_assert_int_eq(split(), COLUMNS);
    ck_assert_str_eq(columns[24], "\\N");
    buf_free(&line);
    event.message.to = several;
    staging_event(&line, &row, &event);
    ck_assert_int_eq(split(), COLUMNS);
    ck_assert_str_eq(columns[24], "018f3c5e-0000-7000-8000-000000000000");
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
    for (int i = 8; i <= 24; i++) {
        ck_assert_str_eq(columns[i], "\\N");
    }
    ck_assert_str_eq(columns[25], "failed");
    ck_assert_str_eq(columns[28], "\\N");
    ck_assert_str_eq(columns[29], "t");
    ck_assert_str_eq(columns[30], "rejected");
    ck_assert_str_eq(columns[33], "1970-01-01T00:00:00.000Z");
    ck_assert_str_eq(columns[34], "no\\tway");
}
END_TEST

START_TEST(a_send_says_what_it_waits_for_and_when_it_was_to_be_sent) {
    static const struct {
        enum event_state state;
        int64_t send_at_ms;
        const char *expected[2];
    } cases[] = {{EVENT_STATE_QUEUED, MESSAGE_SEND_NOW, {"queued", "\\N"}},
                 {EVENT_STATE_HELD, 0, {"held", "\\N"}},
                 {EVENT_STATE_QUEUED, 1, {"queued", "1970-01-01T00:00:00.001Z"}},
                 {EVENT_STATE_SCHEDULED, 1730469601000, {"scheduled", "2024-11-01T14:00:01.000Z"}}};
    char body[] = "b", id[] = "1";
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct event event = sms(body);
        event.state = cases[i].state;
        event.message.send_at_ms = cases[i].send_at_ms;
        staging_event(&line, &row, &event);
        ck_assert_int_eq(split(), COLUMNS);
        ck_assert_str_eq(columns[35], cases[i].expected[0]);
        ck_assert_str_eq(columns[36], cases[i].expected[1]);
        buf_free(&line);
    }
    struct event event = sms(body);
    event.message.direction = MESSAGE_INBOUND;
    event.message.provider_message_id = id;
    event.message.send_at_ms = 1;
    staging_event(&line, &row, &event);
    ck_assert_int_eq(split(), COLUMNS);
    ck_assert_str_eq(columns[35], "\\N");
    ck_assert_str_eq(columns[36], "\\N");
}
END_TEST

START_TEST(a_replay_says_what_it_waits_for) {
    struct event event = {
        .kind = EVENT_REPLAYED, .id = "018f3c5e-0000-7000-8000-000000000001", .state = EVENT_STATE_SCHEDULED};
    staging_event(&line, &row, &event);
    ck_assert_int_eq(split(), COLUMNS);
    ck_assert_str_eq(columns[35], "scheduled");
    for (int i = 6; i < COLUMNS - 1; i++) {
        ck_assert(i == 35 || strcmp(columns[i], "\\N") == 0);
    }
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
    ck_assert_str_eq(columns[37], "events:{email:0}");
    ck_assert_str_eq(columns[38], "1-0");
    ck_assert_str_eq(columns[39], "why");
    ck_assert_str_eq(columns[40], "{\"a\":\"\\\\n\"}");
}
END_TEST

START_TEST(a_webhook_that_is_no_message_fills_its_own_columns) {
    struct event event = {.kind = EVENT_UNREAD,
                          .at_ms = 1730469600000,
                          .unread = {.channel = CHANNEL_SMS,
                                     .hash = "abc",
                                     .field = "",
                                     .reason = "no\tJSON",
                                     .media_type = "application/json",
                                     .address = "192.0.2.1",
                                     .request_id = "r-1",
                                     .raw = "e30="}};
    static const char *const expected[] = {"sms",       "abc", "\\N",  "no\\tJSON", "application/json",
                                           "192.0.2.1", "r-1", "e30=", "\\N"};
    staging_event(&line, &row, &event);
    ck_assert_int_eq(split(), COLUMNS);
    ck_assert_str_eq(columns[2], "unread");
    ck_assert_str_eq(columns[3], "\\N");
    ck_assert_str_eq(columns[6], "sms-mms");
    for (int i = 7; i < 41; i++) {
        ck_assert_str_eq(columns[i], "\\N");
    }
    for (int i = 0; i < 9; i++) {
        ck_assert_str_eq(columns[41 + i], expected[i]);
    }
}
END_TEST

START_TEST(a_webhook_that_is_read_again_fills_the_column_of_its_dead_letter) {
    struct event event = {.kind = EVENT_REREAD, .id = "018f3c5e-0000-7000-8000-000000000001", .letter = "abc"};
    staging_event(&line, &row, &event);
    ck_assert_int_eq(split(), COLUMNS);
    ck_assert_str_eq(columns[2], "reread");
    ck_assert_str_eq(columns[48], "\\N");
    ck_assert_str_eq(columns[49], "abc");
}
END_TEST

START_TEST(a_receipt_fills_its_own_columns) {
    char code[] = "30003", reason[] = "not\treached", provider_id[] = "SM1";
    struct event event = {.kind = EVENT_RECEIPT,
                          .id = "018f3c5e-0000-7000-8000-000000000001",
                          .at_ms = 1730469600000,
                          .receipt = {.provider = PROVIDER_SMS_MMS,
                                      .status = RECEIPT_UNDELIVERED,
                                      .at_ms = 1730469601000,
                                      .code = code,
                                      .reason = reason,
                                      .provider_message_id = provider_id}};
    static const char *const expected[] = {"undelivered", "30003", "not\\treached", "2024-11-01T14:00:01.000Z",
                                           "\\N",         "99"};
    staging_event(&line, &row, &event);
    ck_assert_int_eq(split(), COLUMNS);
    ck_assert_str_eq(columns[2], "receipt");
    ck_assert_str_eq(columns[5], "2024-11-01T14:00:00.000Z");
    ck_assert_str_eq(columns[6], "sms-mms");
    ck_assert_str_eq(columns[7], "SM1");
    for (int i = 8; i < 50; i++) {
        ck_assert_str_eq(columns[i], "\\N");
    }
    for (int i = 0; i < 6; i++) {
        ck_assert_str_eq(columns[50 + i], expected[i]);
    }
}
END_TEST

START_TEST(a_receipt_need_say_no_more_than_its_status) {
    struct event event = {.kind = EVENT_RECEIPT,
                          .id = "018f3c5e-0000-7000-8000-000000000001",
                          .receipt = {.provider = PROVIDER_EMAIL, .at_ms = RECEIPT_NO_TIME}};
    staging_event(&line, &row, &event);
    ck_assert_int_eq(split(), COLUMNS);
    ck_assert_str_eq(columns[6], "email");
    ck_assert_str_eq(columns[7], "\\N");
    ck_assert_str_eq(columns[50], "delivered");
    for (int i = 51; i < 54; i++) {
        ck_assert_str_eq(columns[i], "\\N");
    }
}
END_TEST

// A STOP of +1 to +2, which came by Redis's clock at 14:00.
static struct event stop(int64_t said_ms) {
    static char ours[] = "+2", theirs[] = "+1", id[] = "SM1", body[] = "Stop";
    struct event event = sms(body);
    event.message.direction = MESSAGE_INBOUND;
    event.message.provider_message_id = id;
    event.message.sender = event.message.from = theirs;
    event.message.recipient = event.message.to = ours;
    event.message.opt_out = OPT_OUT_OUT;
    event.message.opt_out_ms = said_ms;
    event.message.opt_out_came_ms = 1730469600001;
    return event;
}

START_TEST(a_message_that_opts_out_says_so_in_a_column_of_its_own) {
    struct event event = stop(1730469599000);
    staging_event(&line, &row, &event);
    ck_assert_int_eq(split(), COLUMNS);
    ck_assert_str_eq(columns[2], "message");
    ck_assert_str_eq(columns[COLUMNS - 2], "{\"provider\":\"sms-mms\",\"our\":\"+2\",\"their\":\"+1\",\"state\":"
                                           "\"out\",\"at\":1730469599000,\"came\":1730469600001,\"by\":\"recipient\"}");
}
END_TEST

START_TEST(no_word_is_believed_to_be_later_than_it_came) {
    struct event event = stop(1730469999000);
    staging_event(&line, &row, &event);
    ck_assert_int_eq(split(), COLUMNS);
    ck_assert_ptr_nonnull(strstr(columns[COLUMNS - 2], "\"at\":1730469600000,"));
}
END_TEST

START_TEST(an_opt_out_by_itself_fills_the_same_column) {
    char ours[] = "a@b.example", theirs[] = "c@d.example";
    struct event event = {
        .kind = EVENT_OPT_OUT,
        .id = "018f3c5e-0000-7000-8000-000000000001",
        .at_ms = 1730469600000,
        .opt_out = {PROVIDER_EMAIL, ours, theirs, OPT_OUT_IN, 1730469600000, 1730469600000, OPT_OUT_BY_OPERATOR}};
    staging_event(&line, &row, &event);
    ck_assert_int_eq(split(), COLUMNS);
    ck_assert_str_eq(columns[2], "optout");
    ck_assert_str_eq(columns[6], "email");
    for (int i = 7; i < COLUMNS - 2; i++) {
        ck_assert_str_eq(columns[i], "\\N");
    }
    ck_assert_ptr_nonnull(strstr(columns[COLUMNS - 2], "\"state\":\"in\""));
    ck_assert_ptr_nonnull(strstr(columns[COLUMNS - 2], "\"by\":\"operator\""));
}
END_TEST

START_TEST(an_erasure_fills_the_columns_of_its_conversation) {
    char theirs[] = "+2", ours[] = "+1";
    struct event event = {.kind = EVENT_ERASE,
                          .id = "018f3c5e-0000-7000-8000-000000000001",
                          .at_ms = 1730469600000,
                          .erasure = {CHANNEL_SMS, theirs, ours}};
    staging_event(&line, &row, &event);
    ck_assert_int_eq(split(), COLUMNS);
    ck_assert_str_eq(columns[2], "erase");
    ck_assert_str_eq(columns[5], "2024-11-01T14:00:00.000Z");
    ck_assert_str_eq(columns[8], "sms");
    ck_assert_str_eq(columns[9], "sms:+1<->+2");
    ck_assert_str_eq(columns[10], "+1");
    ck_assert_str_eq(columns[11], "+2");
    for (int i = 12; i < COLUMNS - 1; i++) {
        ck_assert_str_eq(columns[i], "\\N");
    }
}
END_TEST

Suite *suite_persister_staging(void) {
    Suite *suite = suite_create("persister_staging");
    TCase *tcase = tcase_create("staging");
    tcase_add_checked_fixture(tcase, NULL, tear_down);
    tcase_add_test(tcase, a_message_fills_its_columns_and_leaves_the_others_null);
    tcase_add_test(tcase, the_sender_is_the_first_participant_where_both_are_the_same);
    tcase_add_test(tcase, a_subject_has_a_column);
    tcase_add_test(tcase, a_body_cannot_end_its_column_or_its_line);
    tcase_add_test(tcase, a_body_that_reads_like_the_end_of_the_data_is_escaped);
    tcase_add_test(tcase, an_empty_text_is_not_null);
    tcase_add_test(tcase, attachments_are_a_json_array);
    tcase_add_test(tcase, of_a_webhook_with_several_recipients_the_part_of_the_id_that_stays_has_a_column);
    tcase_add_test(tcase, an_outcome_fills_its_columns_and_leaves_the_message_null);
    tcase_add_test(tcase, a_send_says_what_it_waits_for_and_when_it_was_to_be_sent);
    tcase_add_test(tcase, a_replay_says_what_it_waits_for);
    tcase_add_test(tcase, poison_carries_its_entry_and_reason);
    tcase_add_test(tcase, a_webhook_that_is_no_message_fills_its_own_columns);
    tcase_add_test(tcase, a_webhook_that_is_read_again_fills_the_column_of_its_dead_letter);
    tcase_add_test(tcase, a_receipt_fills_its_own_columns);
    tcase_add_test(tcase, a_receipt_need_say_no_more_than_its_status);
    tcase_add_test(tcase, a_message_that_opts_out_says_so_in_a_column_of_its_own);
    tcase_add_test(tcase, no_word_is_believed_to_be_later_than_it_came);
    tcase_add_test(tcase, an_opt_out_by_itself_fills_the_same_column);
    tcase_add_test(tcase, an_erasure_fills_the_columns_of_its_conversation);
    suite_add_tcase(suite, tcase);
    return suite;
}
