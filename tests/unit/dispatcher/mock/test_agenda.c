// SPDX-License-Identifier: MIT
#include "dispatcher/mock/agenda.h"

#include <check.h>
#include <stdlib.h>

#include "tests/support/wait.h"

#define MOST 50
#define MOST_BYTES 5000

Suite *suite_mock_agenda(void);

struct thing {
    struct mock_due due; // first
    int number;
    int times; // that it puts itself off
};

static uv_loop_t loop;
static struct mock_agenda *agenda;
static int done[MOST], done_count, dropped;

static void on_drop(struct mock_due *due) {
    dropped++;
    free((void *)due);
}

static void on_due(struct mock_due *due) {
    struct thing *thing = (struct thing *)(void *)due;
    if (thing->times-- > 0) {
        mock_agenda_put_off(due, 1);
        return;
    }
    done[done_count++] = thing->number;
    mock_agenda_let_go(due);
    free(thing);
}

static struct thing *thing_of(int number, size_t bytes) {
    struct thing *thing = calloc(1, sizeof *thing);
    *thing = (struct thing){.due = {.run = on_due, .drop = on_drop, .bytes = bytes}, .number = number};
    return thing;
}

static bool add(int number, size_t bytes, int64_t delay_ms) {
    struct thing *thing = thing_of(number, bytes);
    bool room = mock_agenda_add(agenda, &thing->due, delay_ms);
    if (!room) {
        free(thing);
    }
    return room;
}

static void setup(void) {
    uv_loop_init(&loop);
    agenda = mock_agenda_create(&loop, MOST, MOST_BYTES);
    done_count = dropped = 0;
}

static void teardown(void) {
    mock_agenda_destroy(agenda);
    wait_closed(&loop);
}

START_TEST(each_is_done_at_its_time_and_two_of_one_time_in_their_order) {
    for (int i = 0; i < 40; i++) {
        ck_assert(add(i, 1, (i * 7) % 40 / 4));
    }
    RUN_UNTIL(&loop, 5000, done_count == 40);
    for (int i = 1; i < 40; i++) {
        int before = (done[i - 1] * 7) % 40 / 4, now = (done[i] * 7) % 40 / 4;
        ck_assert(before < now || (before == now && done[i - 1] < done[i]));
    }
}
END_TEST

START_TEST(one_that_is_put_off_has_its_place_and_comes_again) {
    struct thing *thing = thing_of(1, MOST_BYTES);
    thing->times = 3;
    ck_assert(mock_agenda_add(agenda, &thing->due, 0));
    ck_assert(!add(2, 1, 0));
    RUN_UNTIL(&loop, 5000, done_count == 1);
    ck_assert(add(2, 1, 0));
}
END_TEST

START_TEST(number_and_bytes_are_bounded_and_what_waits_is_dropped_at_the_end) {
    for (int i = 0; i < MOST; i++) {
        ck_assert(add(i, 1, 100000));
    }
    ck_assert(!add(0, 1, 0));
    mock_agenda_destroy(agenda);
    ck_assert_int_eq(dropped, MOST);
    agenda = mock_agenda_create(&loop, MOST, MOST_BYTES);
    ck_assert(add(0, MOST_BYTES - 1, 100000));
    ck_assert(!add(1, 2, 0));
    ck_assert(!add(1, SIZE_MAX, 0));
    ck_assert(add(1, 1, 100000));
}
END_TEST

Suite *suite_mock_agenda(void) {
    Suite *suite = suite_create("mock_agenda");
    TCase *tests = tcase_create("mock_agenda");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, each_is_done_at_its_time_and_two_of_one_time_in_their_order);
    tcase_add_test(tests, one_that_is_put_off_has_its_place_and_comes_again);
    tcase_add_test(tests, number_and_bytes_are_bounded_and_what_waits_is_dropped_at_the_end);
    suite_add_tcase(suite, tests);
    return suite;
}
