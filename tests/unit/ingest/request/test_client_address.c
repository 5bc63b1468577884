// SPDX-License-Identifier: MIT
#include <check.h>

#include "ingest/request/client_address.h"

Suite *suite_request_client_address(void);

static void assert_client(const char *peer, const char *forwarded_for, const char *real_ip, const char *expected) {
    struct client_address_rules *rules = client_address_rules_parse("127.0.0.0/8, ::1,10.1.0.0/20");
    ck_assert_ptr_nonnull(rules);
    char client[CLIENT_ADDRESS_SIZE];
    client_address_find(rules, peer, forwarded_for, real_ip, client);
    ck_assert_str_eq(client, expected);
    client_address_rules_free(rules);
}

START_TEST(without_headers_the_peer_is_the_client) {
    assert_client("127.0.0.1", NULL, NULL, "127.0.0.1");
    assert_client("2001:db8::7", NULL, NULL, "2001:db8::7");
}
END_TEST

START_TEST(an_untrusted_peer_can_not_name_another_client) {
    assert_client("203.0.113.9", "198.51.100.1", "198.51.100.2", "203.0.113.9");
    assert_client("10.1.16.0", "198.51.100.1", NULL, "10.1.16.0");
}
END_TEST

START_TEST(forwarded_for_is_read_from_the_right_up_to_the_first_stranger) {
    assert_client("127.0.0.1", "198.51.100.1", NULL, "198.51.100.1");
    assert_client("127.0.0.1", "1.1.1.1, 198.51.100.1", NULL, "198.51.100.1");
    assert_client("127.0.0.1", "1.1.1.1, 198.51.100.1 ,10.1.15.255, 127.0.0.3", NULL, "198.51.100.1");
    assert_client("::1", "10.1.0.1, 127.0.0.3", NULL, "10.1.0.1");
}
END_TEST

START_TEST(what_is_no_address_ends_the_search_at_the_proxy_that_passed_it_on) {
    assert_client("127.0.0.1", "198.51.100.1, unknown", NULL, "127.0.0.1");
    assert_client("127.0.0.1", "198.51.100.1, _hidden, 10.1.0.1", NULL, "10.1.0.1");
    assert_client("127.0.0.1", "", NULL, "127.0.0.1");
    assert_client("127.0.0.1", "198.51.100.1,", NULL, "127.0.0.1");
}
END_TEST

START_TEST(entries_may_carry_ports_and_brackets) {
    assert_client("127.0.0.1", "198.51.100.1:4711", NULL, "198.51.100.1");
    assert_client("127.0.0.1", "[2001:DB8::1]:4711", NULL, "2001:db8::1");
    assert_client("127.0.0.1", "[2001:db8::1]", NULL, "2001:db8::1");
    assert_client("127.0.0.1", "2001:db8:0:0::1", NULL, "2001:db8::1");
    assert_client("127.0.0.1", "::ffff:198.51.100.1", NULL, "198.51.100.1");
}
END_TEST

START_TEST(real_ip_counts_where_there_is_no_forwarded_for) {
    assert_client("127.0.0.1", NULL, "198.51.100.2", "198.51.100.2");
    assert_client("127.0.0.1", "198.51.100.1", "198.51.100.2", "198.51.100.1");
    assert_client("127.0.0.1", NULL, "nobody", "127.0.0.1");
}
END_TEST

START_TEST(a_list_may_be_empty_and_must_be_well_formed) {
    static const char *const bad[] = {"localhost", "127.0.0.1/33", "::1/129", "10.0.0.0/", "10.0.0.0/8x", "1.2.3"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_msg(client_address_rules_parse(bad[i]) == NULL, "%s", bad[i]);
    }
    struct client_address_rules *none = client_address_rules_parse("");
    ck_assert_ptr_nonnull(none);
    char client[CLIENT_ADDRESS_SIZE];
    client_address_find(none, "127.0.0.1", "198.51.100.1", NULL, client);
    ck_assert_str_eq(client, "127.0.0.1");
    client_address_rules_free(none);
}
END_TEST

START_TEST(an_ipv6_address_is_counted_by_its_64_network) {
    char key[CLIENT_LIMIT_KEY_SIZE];
    client_address_limit_key("2001:db8:1:2:3:4:5:6", key);
    ck_assert_str_eq(key, "2001:db8:1:2::/64");
    client_address_limit_key("198.51.100.1", key);
    ck_assert_str_eq(key, "198.51.100.1");
}
END_TEST

Suite *suite_request_client_address(void) {
    Suite *suite = suite_create("request_client_address");
    TCase *tests = tcase_create("client_address");
    tcase_add_test(tests, without_headers_the_peer_is_the_client);
    tcase_add_test(tests, an_untrusted_peer_can_not_name_another_client);
    tcase_add_test(tests, forwarded_for_is_read_from_the_right_up_to_the_first_stranger);
    tcase_add_test(tests, what_is_no_address_ends_the_search_at_the_proxy_that_passed_it_on);
    tcase_add_test(tests, entries_may_carry_ports_and_brackets);
    tcase_add_test(tests, real_ip_counts_where_there_is_no_forwarded_for);
    tcase_add_test(tests, a_list_may_be_empty_and_must_be_well_formed);
    tcase_add_test(tests, an_ipv6_address_is_counted_by_its_64_network);
    suite_add_tcase(suite, tests);
    return suite;
}
