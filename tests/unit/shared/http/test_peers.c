// SPDX-License-Identifier: MIT
#include "shared/http/peers.h"

#include <arpa/inet.h>
#include <check.h>
#include <pthread.h>
#include <string.h>

Suite *suite_http_peers(void);

enum { MOST = 3, THREADS = 4, ROUNDS = 20000 };

static struct http_peers *peers;

static void setup(void) {
    peers = http_peers_create(MOST);
}

static void teardown(void) {
    http_peers_destroy(peers);
}

static struct in6_addr network_of(const char *text) {
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    struct in6_addr network;
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
        ck_assert(http_peers_network((const struct sockaddr *)&v4, &network));
    } else {
        ck_assert_int_eq(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
        ck_assert(http_peers_network((const struct sockaddr *)&v6, &network));
    }
    return network;
}

static bool is_full(const char *text) {
    struct in6_addr network = network_of(text);
    return http_peers_is_full(peers, &network);
}

static void enter(const char *text) {
    struct in6_addr network = network_of(text);
    http_peers_enter(peers, &network);
}

static void leave(const char *text) {
    struct in6_addr network = network_of(text);
    http_peers_leave(peers, &network);
}

START_TEST(an_address_is_full_with_as_many_as_it_may_have_and_no_other_is) {
    for (int i = 0; i < MOST; i++) {
        ck_assert(!is_full("203.0.113.7"));
        enter("203.0.113.7");
    }
    ck_assert(is_full("203.0.113.7"));
    ck_assert(!is_full("203.0.113.8"));
    leave("203.0.113.7");
    ck_assert(!is_full("203.0.113.7"));
}
END_TEST

START_TEST(an_ipv6_address_counts_as_its_64_and_a_mapped_one_as_ipv4) {
    enter("2001:db8:1:2::1");
    enter("2001:db8:1:2:ffff::2");
    enter("2001:db8:1:2:3:4:5:6");
    ck_assert(is_full("2001:db8:1:2::9"));
    ck_assert(!is_full("2001:db8:1:3::1"));
    for (int i = 0; i < MOST; i++) {
        enter("::ffff:203.0.113.7");
    }
    ck_assert(is_full("203.0.113.7"));
    ck_assert(!is_full("203.0.113.8"));
}
END_TEST

START_TEST(another_family_is_nobodys) {
    const struct sockaddr local = {.sa_family = AF_UNIX};
    struct in6_addr network;
    ck_assert(!http_peers_network(&local, &network));
}
END_TEST

static void *come_and_go(void *argument) {
    (void)argument;
    struct in6_addr network = {{{0}}};
    for (unsigned i = 0; i < ROUNDS; i++) {
        network.s6_addr[0] = (uint8_t)(i % 7);
        http_peers_enter(peers, &network);
        http_peers_leave(peers, &network);
    }
    return NULL;
}

START_TEST(threads_count_together) {
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, come_and_go, NULL), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    for (unsigned i = 0; i < 7; i++) {
        struct in6_addr network = {{{0}}};
        network.s6_addr[0] = (uint8_t)i;
        for (int k = 0; k < MOST; k++) { // none is left of what came and went
            ck_assert(!http_peers_is_full(peers, &network));
            http_peers_enter(peers, &network);
        }
        ck_assert(http_peers_is_full(peers, &network));
    }
}
END_TEST

Suite *suite_http_peers(void) {
    Suite *suite = suite_create("http_peers");
    TCase *tests = tcase_create("http_peers");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, an_address_is_full_with_as_many_as_it_may_have_and_no_other_is);
    tcase_add_test(tests, an_ipv6_address_counts_as_its_64_and_a_mapped_one_as_ipv4);
    tcase_add_test(tests, another_family_is_nobodys);
    tcase_add_test(tests, threads_count_together);
    suite_add_tcase(suite, tests);
    return suite;
}
