// SPDX-License-Identifier: MIT
// Many messages, whose provider fails at first, and then says of each what became of it, in any order, some of it
// twice, some of it that it didn't arrive: each is shown as what was said of it.
//   CROWD=5000        so many (1000); `make test-crowd` runs it at full size

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/buf.h"
#include "shared/base/mem.h"
#include "tests/support/delivery.h"
#include "tests/support/stack.h"

#define FIRST 1000
#define EMAIL_FROM "us@example.org"
#define MOST_CROWD 100000

Suite *suite_receipts_crowd(void);

static struct stack *stack;

static void start(void) {
    static const char *environment[10];
    size_t count = 0;
    stack = stack_create("receipts_crowd", environment);
    environment[count++] = xasprintf("WEBHOOK_PUBLIC_URL=http://127.0.0.1:%u", stack_port(stack, "ingest-1"));
    environment[count++] = xasprintf("MOCK_RECEIPT_FILE=%s/told", stack_folder(stack));
    environment[count++] = "WEBHOOK_SMS_SECRET=0123456789abcdef0123456789abcdef";
    environment[count++] = "MOCK_RECEIPT_REPEATS_PCT=30";
    environment[count++] = "MOCK_RECEIPT_SHUFFLE_PCT=30";
    environment[count++] = "MOCK_BOUNCE_CODES=5.1.1,5.7.1,dropped";
    environment[count++] = "API_BREAKER_ERROR_THRESHOLD=1000000";
    environment[count++] = "API_WORKER_MAX_RETRIES=1000";
    stack_start(stack, "postgres");
    stack_start(stack, "mock-provider");
    stack_start(stack, "ingest-1");
    stack_start(stack, "persister-1");
    stack_start(stack, "dispatcher-1");
}

static void end(void) {
    stack_destroy(stack);
}

static unsigned crowd(void) {
    const char *given = getenv("CROWD");
    return given != NULL ? (unsigned)strtoul(given, NULL, 10) : 1000;
}

static bool all_is_told(void) {
    static const char *const providers[] = {"sms-mms", "email"};
    for (size_t i = 0; i < 2; i++) {
        int64_t scheduled = mock_count(stack, providers[i], "receipts.scheduled");
        if (scheduled == 0 || mock_count(stack, providers[i], "receipts.told") != scheduled) {
            return false;
        }
    }
    return true;
}

// What was said of messages, by the mock's own file: their ids as an array of Postgres's, owned by the caller.
struct told {
    struct buf delivered, undelivered;
    unsigned delivered_lines, undelivered_lines;
};

static void take_line(char *line, struct told *out) {
    char id[40], said[20];
    ck_assert_int_eq(sscanf(line, "%*s %*s %39s %*s %19s", id, said), 2);
    bool delivered = strcmp(said, "delivered") == 0;
    bool undelivered = strcmp(said, "undelivered") == 0 || strcmp(said, "bounce") == 0 || strcmp(said, "dropped") == 0;
    if (delivered || undelivered) {
        struct buf *list = delivered ? &out->delivered : &out->undelivered;
        *(delivered ? &out->delivered_lines : &out->undelivered_lines) += 1;
        buf_printf(list, "%s%s", list->length > 0 ? "," : "{", id);
    }
}

static struct told read_told(void) {
    struct told told = {0};
    char line[256], *path = xasprintf("%s/told", stack_folder(stack));
    FILE *file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    while (fgets(line, sizeof line, file) != NULL) {
        take_line(line, &told);
    }
    fclose(file);
    free(path);
    buf_putc(&told.delivered, '}');
    buf_putc(&told.undelivered, '}');
    return told;
}

// How many of those messages are shown so.
static int64_t shown_as(const char *ids, const char *status) {
    return stack_sql(stack,
                     "SELECT count(*) FROM deliveries AS d WHERE d.message_id = ANY ('%s'::uuid[]) AND "
                     "coalesce(d.receipt, d.status) = '%s'",
                     ids, status);
}

static int64_t distinct(const char *ids) {
    return stack_sql(stack, "SELECT count(DISTINCT id) FROM unnest('%s'::uuid[]) AS ids (id)", ids);
}

START_TEST(each_is_shown_as_what_was_said_of_it) {
    unsigned texts = crowd(), mails = texts / 5;
    ck_assert_uint_le(texts, MOST_CROWD);
    mock_configure(stack, "{\"timeout_pct\":0,\"error_pct\":10,\"ratelimit_pct\":0,\"undelivered_pct\":10,"
                          "\"receipt_delay_ms\":150}");
    send_many(stack, FIRST, texts);
    send_emails(stack, EMAIL_FROM, mails);
    WAIT_FOR(30000 + 20 * (int)texts,
             stack_sql(stack, "SELECT count(*) FROM deliveries WHERE receipt IS NOT NULL") == texts + mails);
    WAIT_FOR(30000 + 5 * (int)texts, all_is_told() && stack_is_drained(stack));
    struct told told = read_told();
    int64_t delivered = distinct(told.delivered.data), undelivered = distinct(told.undelivered.data);
    printf("%u messages: %lld delivered, %lld undelivered, each shown so; said in %u receipts\n", texts + mails,
           (long long)delivered, (long long)undelivered, told.delivered_lines + told.undelivered_lines);
    ck_assert_int_eq(delivered + undelivered, texts + mails);
    ck_assert_int_eq(undelivered, (texts + mails) / 10);
    ck_assert_int_gt(told.delivered_lines, delivered); // some was said twice
    ck_assert_int_eq(shown_as(told.delivered.data, "delivered"), delivered);
    ck_assert_int_eq(shown_as(told.undelivered.data, "undelivered"), undelivered);
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM receipts"), texts + mails);
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM dead_letters"), 0);
    buf_free(&told.delivered);
    buf_free(&told.undelivered);
}
END_TEST

START_TEST(the_programs_end_with_status_0_and_logged_nothing_unexpected) {
    stack_finish(stack);
}
END_TEST

Suite *suite_receipts_crowd(void) {
    Suite *suite = suite_create("receipts_crowd");
    TCase *tests = tcase_create("receipts_crowd");
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_test(tests, each_is_shown_as_what_was_said_of_it);
    tcase_add_test(tests, the_programs_end_with_status_0_and_logged_nothing_unexpected);
    suite_add_tcase(suite, tests);
    return suite;
}
