// SPDX-License-Identifier: MIT
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "persister/batch.h"

Suite *suite_persister_batch(void);

static const struct batch_stream stream = {"events:{sms-mms:0}", "sms-mms", NULL};
static struct batch_queue *queue;

static void tear_down(void) {
    batch_queue_destroy(queue);
    queue = NULL;
}

// Adds a `replayed` entry "<number>-0" of generation number, with some bytes more.
static bool add(int number, size_t more) {
    struct buf packed = {0};
    char id[24], gen[24], fill[512];
    snprintf(id, sizeof id, "%d-0", number);
    snprintf(gen, sizeof gen, "%d", number);
    memset(fill, 'x', sizeof fill);
    const char *fields[] = {"v",   "1", "k",  "replayed", "id", "018f3c5e-0000-7000-8000-000000000001",
                            "gen", gen, "at", "1"};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        event_pack(&packed, fields[i], strlen(fields[i]));
    }
    event_pack(&packed, "more", 4);
    event_pack(&packed, fill, more);
    bool taken = batch_queue_add(queue, &stream, 1, id, &packed);
    buf_free(&packed);
    return taken;
}

START_TEST(entries_come_out_in_the_order_they_went_in) {
    queue = batch_queue_create(10, 1 << 20, 0, NULL);
    for (int i = 0; i < 3; i++) {
        ck_assert(add(i, 0));
    }
    struct batch *batch = batch_queue_take(queue);
    ck_assert_uint_eq(batch->count, 3);
    ck_assert_str_eq(batch->entries[0].id, "0-0");
    ck_assert_str_eq(batch->entries[2].id, "2-0");
    ck_assert(batch_queue_is_empty(queue));
    batch_free(batch);
}
END_TEST

START_TEST(no_batch_is_longer_than_allowed) {
    queue = batch_queue_create(2, 1 << 20, 0, NULL);
    for (int i = 0; i < 5; i++) {
        ck_assert(add(i, 0));
    }
    static const size_t expected[] = {2, 2, 1};
    for (size_t i = 0; i < 3; i++) {
        struct batch *batch = batch_queue_take(queue);
        ck_assert_uint_eq(batch->count, expected[i]);
        batch_free(batch);
    }
    ck_assert_ptr_null(batch_queue_take(queue));
}
END_TEST

START_TEST(bytes_close_a_batch_too) {
    queue = batch_queue_create(100, 600, 0, NULL);
    for (int i = 0; i < 4; i++) {
        ck_assert(add(i, 400));
    }
    struct batch *batch = batch_queue_take(queue);
    ck_assert_uint_lt(batch->count, 4);
    batch_free(batch);
}
END_TEST

START_TEST(there_is_room_until_a_full_batch_waits) {
    queue = batch_queue_create(2, 1 << 20, 0, NULL);
    ck_assert(add(1, 0));
    ck_assert(batch_queue_has_room(queue));
    ck_assert(add(2, 0));
    ck_assert(!batch_queue_has_room(queue));
    batch_free(batch_queue_take(queue));
    ck_assert(batch_queue_has_room(queue));
}
END_TEST

START_TEST(any_run_of_entries_is_one_run_of_lines) {
    queue = batch_queue_create(10, 1 << 20, 0, NULL);
    for (int i = 0; i < 4; i++) {
        ck_assert(add(i, 0));
    }
    struct batch *batch = batch_queue_take(queue);
    size_t length;
    const char *lines = batch_lines(batch, 1, 2, &length);
    ck_assert_int_eq(strncmp(lines, "1\t0\treplayed\t", 13), 0);
    size_t count = 0;
    for (size_t i = 0; i < length; i++) {
        count += lines[i] == '\n';
    }
    ck_assert_uint_eq(count, 2);
    ck_assert_int_eq(lines[length - 1], '\n');
    batch_lines(batch, 0, 4, &length);
    ck_assert_uint_eq(length, batch->lines.length);
    batch_free(batch);
}
END_TEST

START_TEST(the_sum_of_the_marks_tells_which_lines_they_are) {
    queue = batch_queue_create(10, 1 << 20, 0, NULL);
    for (int i = 0; i < 4; i++) {
        ck_assert(add(i, 0));
    }
    struct batch *batch = batch_queue_take(queue);
    size_t length;
    int64_t sum = 0;
    for (size_t i = 0; i < 4; i++) {
        const char *line = batch_lines(batch, i, 1, &length);
        const char *mark = line + length - 1;
        while (mark[-1] != '\t') {
            mark--;
        }
        ck_assert_int_eq(strtoll(mark, NULL, 10), batch->entries[i].mark);
        ck_assert_int_gt(batch->entries[i].mark, 0);
        sum += batch->entries[i].mark;
    }
    ck_assert_int_eq(batch_marks(batch, 0, 4), sum);
    ck_assert_int_ne(batch_marks(batch, 0, 2), batch_marks(batch, 2, 2));
    batch_free(batch);
}
END_TEST

START_TEST(garbage_becomes_a_dead_letters_line) {
    struct buf packed = {0};
    queue = batch_queue_create(10, 1 << 20, 0, NULL);
    event_pack(&packed, "a", 1);
    event_pack(&packed, "b", 1);
    ck_assert(batch_queue_add(queue, &stream, 1, "5-0", &packed));
    struct batch *batch = batch_queue_take(queue);
    ck_assert_str_eq(batch->entries[0].message_id, "");
    ck_assert_ptr_nonnull(strstr(batch->lines.data, "\tevents:{sms-mms:0}\t5-0\tv is not a format's number\t"
                                                    "{\"a\":\"b\"}\t"));
    batch_free(batch);
    buf_free(&packed);
}
END_TEST

START_TEST(a_newer_entry_is_not_taken) {
    struct buf packed = {0};
    queue = batch_queue_create(10, 1 << 20, 0, NULL);
    event_pack(&packed, "v", 1);
    event_pack(&packed, "9", 1);
    ck_assert(!batch_queue_add(queue, &stream, 1, "5-0", &packed));
    ck_assert(batch_queue_is_empty(queue));
    buf_free(&packed);
}
END_TEST

START_TEST(a_refused_entry_keeps_its_fields_for_the_dead_letters) {
    struct buf line = {0};
    queue = batch_queue_create(10, 1 << 20, 0, NULL);
    ck_assert(add(1, 0));
    ck_assert(add(2, 0));
    ck_assert(add(3, 0));
    struct batch *batch = batch_queue_take(queue);
    ck_assert_int_ne(batch_poison_line(batch, 1, 5, "23514: refused", &line), batch->entries[1].mark);
    ck_assert_int_eq(strncmp(line.data, "1\t5\tpoison\t", 11), 0);
    ck_assert_ptr_nonnull(strstr(line.data, "\t2-0\t23514: refused\t{\"v\":\"1\",\"k\":\"replayed\""));
    ck_assert_ptr_nonnull(strstr(line.data, "\"gen\":\"2\""));
    ck_assert_ptr_null(strstr(line.data, "\"gen\":\"3\""));
    buf_free(&line);
    batch_free(batch);
}
END_TEST

START_TEST(what_another_region_has_identified_is_identified_anew) {
    static const char payload[] =
        "{\"type\":\"sms\",\"direction\":\"outbound\",\"from\":\"2016661234\",\"to\":\"+18045551234\",\"sender\":"
        "\"2016661234\","
        "\"recipient\":\"+18045551234\",\"body\":\"x\",\"attachments\":[],\"occurred_ms\":1,\"accepted_ms\":1,"
        "\"request_id\":\"r\"}";
    const char *fields[] = {"v",   "1", "k",  "accepted", "id", "018f3c5e-0000-7000-8000-000000000001",
                            "gen", "0", "at", "1",        "p",  payload};
    struct buf packed = {0};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        event_pack(&packed, fields[i], strlen(fields[i]));
    }
    queue = batch_queue_create(10, 1 << 20, 0, phone_region_find("US"));
    ck_assert(batch_queue_add(queue, &stream, 1, "5-0", &packed));
    buf_free(&packed);
    struct batch *batch = batch_queue_take(queue);
    size_t length;
    const char *line = batch_lines(batch, 0, 1, &length);
    ck_assert_ptr_nonnull(memmem(line, length, "sms:+12016661234<->+18045551234", 31));
    batch_free(batch);
}
END_TEST

Suite *suite_persister_batch(void) {
    Suite *suite = suite_create("persister_batch");
    TCase *tcase = tcase_create("batch");
    tcase_add_checked_fixture(tcase, NULL, tear_down);
    tcase_add_test(tcase, entries_come_out_in_the_order_they_went_in);
    tcase_add_test(tcase, no_batch_is_longer_than_allowed);
    tcase_add_test(tcase, bytes_close_a_batch_too);
    tcase_add_test(tcase, there_is_room_until_a_full_batch_waits);
    tcase_add_test(tcase, any_run_of_entries_is_one_run_of_lines);
    tcase_add_test(tcase, the_sum_of_the_marks_tells_which_lines_they_are);
    tcase_add_test(tcase, garbage_becomes_a_dead_letters_line);
    tcase_add_test(tcase, a_newer_entry_is_not_taken);
    tcase_add_test(tcase, a_refused_entry_keeps_its_fields_for_the_dead_letters);
    tcase_add_test(tcase, what_another_region_has_identified_is_identified_anew);
    suite_add_tcase(suite, tcase);
    return suite;
}
