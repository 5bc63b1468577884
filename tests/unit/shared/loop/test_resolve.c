// SPDX-License-Identifier: MIT
#include "shared/loop/resolve.h"

#include <arpa/inet.h>
#include <check.h>
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>

#include "tests/support/wait.h"

struct outcome {
    int calls;
    char address[64], error[128];
};

static uv_loop_t loop;

static void setup(void) {
    uv_loop_init(&loop);
}

static void teardown(void) {
    wait_closed(&loop);
}

static void on_done(void *argument, const char *address, const char *error) {
    struct outcome *outcome = argument;
    outcome->calls++;
    snprintf(outcome->address, sizeof outcome->address, "%s", address ? address : "");
    snprintf(outcome->error, sizeof outcome->error, "%s", error ? error : "");
}

START_TEST(a_numeric_address_comes_back_as_it_is) {
    static const char *const addresses[] = {"127.0.0.1", "::1", "192.0.2.17"};
    for (size_t i = 0; i < 3; i++) {
        struct outcome outcome = {0};
        resolve_start(&loop, addresses[i], 0, on_done, &outcome);
        ck_assert_int_eq(outcome.calls, 0);
        RUN_UNTIL(&loop, 5000, outcome.calls == 1);
        ck_assert_str_eq(outcome.address, addresses[i]);
    }
}
END_TEST

START_TEST(each_attempt_gets_an_address_of_localhost) {
    for (unsigned attempt = 0; attempt < 4; attempt++) {
        struct outcome outcome = {0};
        resolve_start(&loop, "localhost", attempt, on_done, &outcome);
        RUN_UNTIL(&loop, 5000, outcome.calls == 1);
        ck_assert_msg(strcmp(outcome.address, "127.0.0.1") == 0 || strcmp(outcome.address, "::1") == 0, "%s",
                      outcome.address);
    }
}
END_TEST

// libuv's getaddrinfo is this one: of one name it knows the address that a test has set.
#define MOVING "moving.test"
static const char *moved_to;

int getaddrinfo(const char *restrict name, const char *restrict service, const struct addrinfo *restrict hints,
                struct addrinfo **restrict out) {
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    void *found = dlsym(RTLD_NEXT, "getaddrinfo");
    memcpy(&real, &found, sizeof real);
    return real(name != NULL && strcmp(name, MOVING) == 0 ? moved_to : name, service, hints, out);
}

START_TEST(each_look_up_asks_anew) {
    static const char *const addresses[] = {"192.0.2.1", "192.0.2.2", "2001:db8::1"};
    for (size_t i = 0; i < 3; i++) {
        struct outcome outcome = {0};
        moved_to = addresses[i];
        resolve_start(&loop, MOVING, 0, on_done, &outcome);
        RUN_UNTIL(&loop, 5000, outcome.calls == 1);
        ck_assert_str_eq(outcome.address, addresses[i]);
    }
}
END_TEST

START_TEST(an_unknown_name_is_one_line_of_error) {
    struct outcome outcome = {0};
    resolve_start(&loop, "no-such-host.invalid", 0, on_done, &outcome);
    RUN_UNTIL(&loop, 20000, outcome.calls == 1);
    ck_assert_str_eq(outcome.address, "");
    ck_assert_str_ne(outcome.error, "");
}
END_TEST

START_TEST(a_name_that_is_too_long_is_an_error_from_the_loop) {
    char name[600];
    struct outcome outcome = {0};
    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    resolve_start(&loop, name, 0, on_done, &outcome);
    ck_assert_int_eq(outcome.calls, 0);
    RUN_UNTIL(&loop, 5000, outcome.calls == 1);
    ck_assert_str_ne(outcome.error, "");
}
END_TEST

START_TEST(a_cancelled_look_up_calls_nobody) {
    struct outcome outcome = {0};
    resolve_cancel(resolve_start(&loop, "localhost", 0, on_done, &outcome));
    RUN_UNTIL(&loop, 5000, !uv_loop_alive(&loop));
    ck_assert_int_eq(outcome.calls, 0);
}
END_TEST

Suite *suite_loop_resolve(void);

Suite *suite_loop_resolve(void) {
    Suite *suite = suite_create("loop_resolve");
    TCase *tcase = tcase_create("resolve");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_numeric_address_comes_back_as_it_is);
    tcase_add_test(tcase, each_attempt_gets_an_address_of_localhost);
    tcase_add_test(tcase, each_look_up_asks_anew);
    tcase_add_test(tcase, an_unknown_name_is_one_line_of_error);
    tcase_add_test(tcase, a_name_that_is_too_long_is_an_error_from_the_loop);
    tcase_add_test(tcase, a_cancelled_look_up_calls_nobody);
    suite_add_tcase(suite, tcase);
    return suite;
}
