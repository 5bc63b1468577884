// SPDX-License-Identifier: MIT
#include "shared/http/budget.h"

#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "shared/base/mem.h"
#include "shared/http/peers.h"

Suite *suite_http_budget(void);

enum { KIB = 1024, MOST = 1600 * KIB, QUARTER = MOST / 4, THREADS = 4, ROUNDS = 20000 };

static struct http_budget *budget;
static struct http_claimant here, elsewhere;
static unsigned drops, wakes; // of `here`

static void count_drop(struct http_claim *claim) {
    (void)claim;
    drops++;
}

static void refuse_drop(struct http_claim *claim) {
    (void)claim;
    ck_abort_msg("only its own thread may free a body");
}

static void count_wake(struct http_claimant *claimant) {
    (void)claimant;
    wakes++;
}

static void setup(void) {
    budget = http_budget_create(MOST);
    here = (struct http_claimant){.drop = count_drop, .wake = count_wake};
    elsewhere = (struct http_claimant){.drop = refuse_drop, .wake = count_wake};
    drops = wakes = 0;
}

static void teardown(void) {
    ck_assert_uint_eq(http_budget_used(budget), 0);
    http_budget_destroy(budget);
}

static struct http_claim claim_of(struct http_claimant *claimant, const char *address, int64_t since_us) {
    struct http_claim claim = {.budget = budget, .claimant = claimant, .since_us = since_us};
    ck_assert(http_peers_parse(address, &claim.network));
    return claim;
}

START_TEST(what_is_small_is_not_counted) {
    struct http_claim claim = claim_of(&here, "192.0.2.1", 1);
    ck_assert(http_claim_grow(&claim, HTTP_FREE_BYTES));
    ck_assert(http_claim_keep(&claim));
    ck_assert(http_claim_hold(&claim, HTTP_FREE_BYTES));
    ck_assert_uint_eq(http_budget_used(budget), 0);
    ck_assert(http_claim_hold(&claim, HTTP_FREE_BYTES + 1));
    ck_assert_uint_eq(http_budget_used(budget), HTTP_FREE_BYTES + 1);
    ck_assert(http_claim_hold(&claim, 1));
    ck_assert_uint_eq(http_budget_used(budget), 0);
}
END_TEST

START_TEST(one_client_has_a_quarter_and_an_ipv6_64_is_one) {
    struct http_claim first = claim_of(&here, "2001:db8::1", 1), second = claim_of(&here, "2001:db8::2", 2),
                      other = claim_of(&here, "2001:db8:1::1", 3), v4 = claim_of(&here, "::ffff:192.0.2.1", 4),
                      same = claim_of(&here, "192.0.2.1", 5);
    ck_assert(http_claim_hold(&first, QUARTER - 8 * KIB));
    ck_assert_uint_eq(http_claim_room(&second), 8 * KIB);
    ck_assert(!http_claim_hold(&second, 8 * KIB + 1));
    ck_assert(http_claim_hold(&second, 8 * KIB));
    ck_assert(http_claim_hold(&other, QUARTER));
    ck_assert(!http_claim_hold(&other, QUARTER + 1));
    ck_assert(http_claim_hold(&v4, 100 * KIB));
    ck_assert(!http_claim_hold(&same, QUARTER - 100 * KIB + 1));
    struct http_claim *all[] = {&first, &second, &other, &v4, &same};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        http_claim_release(all[i]);
    }
}
END_TEST

START_TEST(a_clients_own_oldest_body_makes_way_for_its_next) {
    struct http_claim old = claim_of(&here, "192.0.2.1", 10), young = claim_of(&here, "192.0.2.1", 20),
                      foreign = claim_of(&here, "192.0.2.2", 1);
    ck_assert(http_claim_grow(&foreign, 100 * KIB));
    ck_assert(http_claim_grow(&young, 200 * KIB)); // it grew first, and began later
    ck_assert(http_claim_grow(&old, 200 * KIB));
    ck_assert(!http_claim_grow(&old, 201 * KIB)); // it would have to make way itself
    ck_assert_uint_eq(drops, 0);
    ck_assert(http_claim_grow(&young, 201 * KIB));
    ck_assert_uint_eq(drops, 1);
    ck_assert(!http_claim_grow(&old, 8 * KIB));
    ck_assert(!http_claim_keep(&old));
    ck_assert_ptr_eq(http_claimant_next(budget, &here), &old);
    ck_assert_ptr_null(http_claimant_next(budget, &here));
    ck_assert_uint_eq(http_budget_used(budget), 301 * KIB);
    http_claim_release(&young);
    http_claim_release(&foreign);
}
END_TEST

// Bodies of 16 clients that fill the budget; those with an odd number are another thread's.
enum { FILLING = 16, EACH = MOST / FILLING };

static void fill(struct http_claim claims[FILLING]) {
    for (unsigned i = 0; i < FILLING; i++) {
        char address[16];
        snprintf(address, sizeof address, "198.51.100.%u", i);
        claims[i] = claim_of(i % 2 == 0 ? &here : &elsewhere, address, (int64_t)i);
        ck_assert(http_claim_grow(&claims[i], EACH));
    }
    ck_assert_uint_eq(http_budget_used(budget), MOST);
}

START_TEST(when_it_is_full_the_oldest_body_of_all_makes_way_whosever_it_is) {
    struct http_claim claims[FILLING], next = claim_of(&here, "192.0.2.1", 100);
    fill(claims);
    ck_assert(http_claim_grow(&next, EACH)); // the first is ours: freed at once
    ck_assert_uint_eq(drops, 1);
    ck_assert_uint_eq(http_budget_used(budget), MOST);
    ck_assert(http_claim_grow(&next, 2 * EACH)); // the second is another thread's: it is told, and held meanwhile
    ck_assert_uint_eq(drops, 1);
    ck_assert_uint_eq(http_budget_used(budget), MOST + EACH);
    ck_assert_ptr_eq(http_claimant_next(budget, &elsewhere), &claims[1]);
    ck_assert_uint_eq(http_budget_used(budget), MOST);
    ck_assert_uint_eq(wakes, 2);
    http_claim_release(&next);
    for (unsigned i = 0; i < FILLING; i++) {
        http_claim_release(&claims[i]);
    }
    ck_assert_ptr_null(http_claimant_next(budget, &here)); // what is released isn't handed out any more
}
END_TEST

START_TEST(what_another_thread_has_not_let_go_of_is_exceeded_by_a_quarter_at_most) {
    struct http_claim claims[FILLING];
    fill(claims);
    for (unsigned i = 0; i < FILLING; i += 2) {
        http_claim_release(&claims[i]);
    }
    size_t half = http_budget_used(budget);
    ck_assert_uint_eq(half, MOST / 2);
    struct http_claim *kept = xcalloc(FILLING, sizeof *kept);
    size_t granted = 0;
    for (unsigned i = 0; i < FILLING; i++) {
        char address[16];
        snprintf(address, sizeof address, "203.0.113.%u", i);
        kept[i] = claim_of(&here, address, 200 + (int64_t)i);
        granted += http_claim_grow(&kept[i], EACH) ? EACH : 0;
    }
    ck_assert_uint_eq(granted, MOST / 2 + MOST / 4);
    ck_assert_uint_eq(http_budget_used(budget), MOST + MOST / 4);
    for (unsigned i = 0; i < FILLING; i++) {
        http_claim_release(&kept[i]);
        http_claim_release(&claims[i]);
    }
    free(kept);
}
END_TEST

START_TEST(a_body_that_is_complete_does_not_make_way) {
    struct http_claim done = claim_of(&here, "192.0.2.1", 1), next = claim_of(&here, "192.0.2.1", 2);
    ck_assert(http_claim_grow(&done, QUARTER));
    ck_assert(http_claim_keep(&done));
    ck_assert(!http_claim_grow(&next, 8 * KIB));
    ck_assert_uint_eq(drops, 0);
    ck_assert(http_claim_keep(&done));
    http_claim_release(&done);
    http_claim_release(&next);
}
END_TEST

START_TEST(however_many_clients_take_what_they_can_the_next_one_finds_something) {
    enum { GREEDY = 12 };
    struct http_claim claims[GREEDY];
    size_t least = MOST;
    for (unsigned i = 0; i < GREEDY; i++) {
        char address[16];
        snprintf(address, sizeof address, "198.51.100.%u", i);
        claims[i] = claim_of(&here, address, (int64_t)i);
        size_t room = http_claim_room(&claims[i]);
        ck_assert(http_claim_hold(&claims[i], room));
        ck_assert(!http_claim_hold(&claims[i], room + 3)); // rounded down
        ck_assert_uint_le(room, least);
        least = room;
    }
    ck_assert_uint_gt(least, HTTP_FREE_BYTES);
    ck_assert_uint_lt(http_budget_used(budget), MOST);
    for (unsigned i = 0; i < GREEDY; i++) {
        http_claim_release(&claims[i]);
    }
}
END_TEST

START_TEST(what_is_forced_is_counted_and_given_back) {
    struct http_claim claim = claim_of(&here, "192.0.2.1", 1);
    http_claim_force(&claim, 2 * MOST);
    ck_assert_uint_eq(http_budget_used(budget), 2 * MOST);
    ck_assert(!http_claim_hold(&claim, 2 * MOST + 1));
    ck_assert(http_claim_hold(&claim, QUARTER));
    http_claim_release(&claim);
    http_claim_release(&claim);
}
END_TEST

START_TEST(without_a_budget_everything_is_granted) {
    struct http_claim claim = {0};
    ck_assert(http_claim_grow(&claim, SIZE_MAX));
    ck_assert(http_claim_keep(&claim));
    ck_assert(http_claim_hold(&claim, SIZE_MAX));
    ck_assert_uint_eq(http_claim_room(&claim), SIZE_MAX);
    http_claim_release(&claim);
}
END_TEST

static void no_drop(struct http_claim *claim) {
    (void)claim;
}

static void no_wake(struct http_claimant *claimant) {
    (void)claimant;
}

static void *claim_and_release(void *argument) {
    unsigned number = *(unsigned *)argument;
    struct http_claimant claimant = {.drop = no_drop, .wake = no_wake};
    char address[16];
    snprintf(address, sizeof address, "192.0.2.%u", number % 2);
    for (int i = 0; i < ROUNDS; i++) {
        struct http_claim body = claim_of(&claimant, address, i), answer = claim_of(&claimant, address, i);
        if (http_claim_grow(&body, QUARTER / 2) && http_claim_grow(&body, QUARTER)) {
            (void)!http_claim_keep(&body);
        }
        (void)!http_claim_hold(&answer, QUARTER / 2);
        (void)http_claimant_next(budget, &claimant);
        http_claim_release(&body);
        http_claim_release(&answer);
    }
    return NULL;
}

START_TEST(threads_that_claim_at_once_leave_nothing_behind) {
    pthread_t threads[THREADS];
    unsigned numbers[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        numbers[i] = i;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, claim_and_release, &numbers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    }
    ck_assert_uint_eq(http_budget_used(budget), 0);
}
END_TEST

Suite *suite_http_budget(void) {
    Suite *suite = suite_create("http_budget");
    TCase *tests = tcase_create("http_budget");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, what_is_small_is_not_counted);
    tcase_add_test(tests, one_client_has_a_quarter_and_an_ipv6_64_is_one);
    tcase_add_test(tests, a_clients_own_oldest_body_makes_way_for_its_next);
    tcase_add_test(tests, when_it_is_full_the_oldest_body_of_all_makes_way_whosever_it_is);
    tcase_add_test(tests, what_another_thread_has_not_let_go_of_is_exceeded_by_a_quarter_at_most);
    tcase_add_test(tests, a_body_that_is_complete_does_not_make_way);
    tcase_add_test(tests, however_many_clients_take_what_they_can_the_next_one_finds_something);
    tcase_add_test(tests, what_is_forced_is_counted_and_given_back);
    tcase_add_test(tests, without_a_budget_everything_is_granted);
    tcase_add_test(tests, threads_that_claim_at_once_leave_nothing_behind);
    suite_add_tcase(suite, tests);
    return suite;
}
