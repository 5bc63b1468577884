// SPDX-License-Identifier: MIT
#include <check.h>
#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <string.h>

#include "persister/replay_job.h"
#include "shared/base/buf.h"

Suite *suite_persister_replay_job(void);

static const char *const usual[] = {"v",          "1",         "provider",   "email", "reason",     "",
                                    "since",      "-infinity", "last",       "90",    "per_second", "200",
                                    "partitions", "4",         "request_id", "req-1", "matched",    "7"};
#define USUAL_COUNT (sizeof usual / sizeof *usual)

static void put(struct buf *resp, const char *text) {
    buf_printf(resp, "$%zu\r\n%s\r\n", strlen(text), text);
}

// A reply of replay_take, whose field `name` has another value (NULL: it is missing).
static redisReply *reply_with(const char *name, const char *value, const char *after) {
    struct buf resp = {0};
    size_t count = USUAL_COUNT;
    for (size_t i = 0; i < USUAL_COUNT; i += 2) {
        count -= name != NULL && strcmp(usual[i], name) == 0 && value == NULL ? 2 : 0;
    }
    buf_puts(&resp, "*6\r\n");
    const char *const head[] = {"JOB", "5-1", after, "3", "2"};
    for (size_t i = 0; i < 5; i++) {
        put(&resp, head[i]);
    }
    buf_printf(&resp, "*%zu\r\n", count);
    for (size_t i = 0; i < USUAL_COUNT; i += 2) {
        bool other = name != NULL && strcmp(usual[i], name) == 0;
        if (!other || value != NULL) {
            put(&resp, usual[i]);
            put(&resp, other ? value : usual[i + 1]);
        }
    }
    redisReader *reader = redisReaderCreate();
    void *reply = NULL;
    ck_assert_int_eq(redisReaderFeed(reader, resp.data, resp.length), REDIS_OK);
    ck_assert_int_eq(redisReaderGetReply(reader, &reply), REDIS_OK);
    ck_assert_ptr_nonnull(reply);
    redisReaderFree(reader);
    buf_free(&resp);
    return reply;
}

START_TEST(a_job_is_read_with_how_far_it_has_come) {
    struct replay_job job;
    redisReply *reply = reply_with(NULL, NULL, "40");
    ck_assert_ptr_null(replay_job_read(reply, &job));
    ck_assert_str_eq(job.entry, "5-1");
    ck_assert_str_eq(job.provider, "email");
    ck_assert_str_eq(job.class, "");
    ck_assert_str_eq(job.since, "-infinity");
    ck_assert_str_eq(job.request_id, "req-1");
    ck_assert_int_eq(job.last, 90);
    ck_assert_int_eq(job.matched, 7);
    ck_assert_int_eq(job.per_second, 200);
    ck_assert_int_eq(job.partitions, 4);
    ck_assert_int_eq(job.after, 40);
    ck_assert_int_eq(job.replayed, 3);
    ck_assert_int_eq(job.skipped, 2);
    freeReplyObject(reply);
}
END_TEST

static void assert_refused(const char *name, const char *value) {
    struct replay_job job;
    redisReply *reply = reply_with(name, value, "0");
    ck_assert_msg(replay_job_read(reply, &job) != NULL, "%s %s was taken", name, value != NULL ? value : "missing");
    ck_assert_str_eq(job.entry, "5-1"); // so that it can be set aside
    freeReplyObject(reply);
}

START_TEST(a_job_that_anyone_could_have_added_is_trusted_in_nothing) {
    static const char *const names[] = {"provider",   "reason",     "since",   "last",
                                        "per_second", "partitions", "matched", "request_id"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_refused(names[i], NULL);
    }
    assert_refused("since", "yesterday");
    assert_refused("since", "2024-11-01T14:00:00.000000000Z");
    assert_refused("last", "-1");
    assert_refused("last", "99999999999999999999");
    assert_refused("per_second", "0");
    assert_refused("per_second", "10001");
    assert_refused("per_second", "1.5");
    assert_refused("partitions", "0");
    assert_refused("partitions", "257");
    char long_text[400];
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    assert_refused("provider", long_text);
    assert_refused("request_id", long_text);
}
END_TEST

START_TEST(progress_that_is_no_number_is_refused) {
    struct replay_job job;
    redisReply *reply = reply_with(NULL, NULL, "far");
    ck_assert_ptr_nonnull(replay_job_read(reply, &job));
    freeReplyObject(reply);
}
END_TEST

Suite *suite_persister_replay_job(void) {
    Suite *suite = suite_create("persister_replay_job");
    TCase *tests = tcase_create("replay_job");
    tcase_add_test(tests, a_job_is_read_with_how_far_it_has_come);
    tcase_add_test(tests, a_job_that_anyone_could_have_added_is_trusted_in_nothing);
    tcase_add_test(tests, progress_that_is_no_number_is_refused);
    suite_add_tcase(suite, tests);
    return suite;
}
