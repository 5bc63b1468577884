// SPDX-License-Identifier: MIT
#include "shared/redis/url.h"

#include <check.h>
#include <string.h>

Suite *suite_redis_url(void);

START_TEST(a_url_is_checked_part_by_part) {
    static const char *const good[] = {
        "redis://localhost",
        "redis://127.0.0.1:6380/3",
        "redis://:p%40ss@host:1",
        "redis://user:p@ss@host",
        "redis://[::1]:6379/0",
        "redis://host.example/",
        "redis://:@host",
        "rediss://user:p@ss@host:6380/1",
        "redis+sentinel://a/m",
        "redis+sentinel://a,b:1,[::1],[::2]:3/m/2",
        "rediss+sentinel://u:p@a,b,c/m/",
    };
    static const char *const bad[] = {
        "",
        "localhost:6379",
        "rediss:/localhost",
        "REDIS://localhost",
        "redis+cluster://localhost",
        "redis://",
        "redis://host:0",
        "redis://host:65536",
        "redis://host:x",
        "redis://host:",
        "redis://[::1",
        "redis://[::1]x",
        "redis://user@host",
        "redis://user:@host",
        "redis://:a%0@host",
        "redis://:a%00@host",
        "redis://host/x",
        "redis://host/1?a=b",
        "redis://a,b",
        "redis+sentinel://a",
        "redis+sentinel://a/",
        "redis+sentinel://a//1",
        "redis+sentinel://a,/m",
        "redis+sentinel://,a/m",
        "redis+sentinel://a,,b/m",
        "redis+sentinel://a/m/x",
        "redis+sentinel://a/m/1/2",
        "redis+sentinel://a/m%0",
        "redis+sentinel://a/m?x",
        "redis+sentinel://u@a/m",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        ck_assert_msg(redis_url_check(good[i]) == NULL, "%s: %s", good[i], redis_url_check(good[i]));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_msg(redis_url_check(bad[i]) != NULL, "%s passed", bad[i]);
    }
}
END_TEST

START_TEST(what_is_not_there_yet_has_its_own_sentence) {
    ck_assert_ptr_nonnull(strstr(redis_url_check("redis+cluster://host"), "Cluster is not supported yet"));
    ck_assert_ptr_nonnull(strstr(redis_url_check("rediss+cluster://host"), "Cluster is not supported yet"));
    ck_assert_ptr_nonnull(strstr(redis_url_check("redis://a,b"), "Sentinels"));
    ck_assert_ptr_nonnull(strstr(redis_url_check("redis+sentinel://a"), "name"));
}
END_TEST

// As the keys of Azure and the tokens of ElastiCache are.
START_TEST(a_password_that_must_be_escaped_has_its_own_sentence) {
    static const char *const bad[] = {
        "rediss://:AbC/dEf=@name.redis.cache.windows.net:6380",
        "redis://user:12/3@host",
        "redis://:a#b@host:6379/1",
        "redis://:a@b?c@host",
        "rediss+sentinel://:a/b@one,two/master",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *error = redis_url_check(bad[i]);
        ck_assert_ptr_nonnull(error);
        ck_assert_msg(strstr(error, "%2F") != NULL, "%s: %s", bad[i], error);
    }
    ck_assert_ptr_null(redis_url_check("rediss://:AbC%2FdEf=@name.redis.cache.windows.net:6380"));
    ck_assert_ptr_null(redis_url_check("redis+sentinel://one,two/m@ster"));
}
END_TEST

START_TEST(one_host_has_redis_s_port) {
    struct redis_url url;
    ck_assert_ptr_null(redis_url_parse("redis://me:a%40b@[::1]/3", &url));
    ck_assert(!url.tls);
    ck_assert_str_eq(url.user, "me");
    ck_assert_str_eq(url.password, "a@b");
    ck_assert_uint_eq(url.count, 1);
    ck_assert_str_eq(url.hosts[0].host, "::1");
    ck_assert_uint_eq(url.hosts[0].port, 6379);
    ck_assert_ptr_null(url.master);
    ck_assert_int_eq(url.database, 3);
    redis_url_free(&url);
    ck_assert_ptr_null(redis_url_parse("rediss://host:7000", &url));
    ck_assert(url.tls);
    ck_assert_uint_eq(url.hosts[0].port, 7000);
    ck_assert_ptr_null(url.password);
    redis_url_free(&url);
}
END_TEST

START_TEST(sentinels_have_theirs_and_name_the_master) {
    struct redis_url url;
    ck_assert_ptr_null(redis_url_parse("rediss+sentinel://:secret@a,b:7000,[::1]/the%20one/2", &url));
    ck_assert(url.tls);
    ck_assert_ptr_null(url.user);
    ck_assert_str_eq(url.password, "secret");
    ck_assert_uint_eq(url.count, 3);
    ck_assert_str_eq(url.hosts[0].host, "a");
    ck_assert_uint_eq(url.hosts[0].port, 26379);
    ck_assert_str_eq(url.hosts[1].host, "b");
    ck_assert_uint_eq(url.hosts[1].port, 7000);
    ck_assert_str_eq(url.hosts[2].host, "::1");
    ck_assert_uint_eq(url.hosts[2].port, 26379);
    ck_assert_str_eq(url.master, "the one");
    ck_assert_int_eq(url.database, 2);
    redis_url_free(&url);
}
END_TEST

START_TEST(what_was_read_of_a_bad_one_is_let_go_of) {
    struct redis_url url;
    ck_assert_ptr_nonnull(redis_url_parse("redis+sentinel://u:p@a,b/m/x", &url));
    ck_assert_ptr_null(url.hosts);
    ck_assert_uint_eq(url.count, 0);
    ck_assert_ptr_null(url.password);
    ck_assert_ptr_null(url.master);
}
END_TEST

Suite *suite_redis_url(void) {
    Suite *suite = suite_create("redis_url");
    TCase *tests = tcase_create("redis_url");
    tcase_add_test(tests, a_url_is_checked_part_by_part);
    tcase_add_test(tests, what_is_not_there_yet_has_its_own_sentence);
    tcase_add_test(tests, a_password_that_must_be_escaped_has_its_own_sentence);
    tcase_add_test(tests, one_host_has_redis_s_port);
    tcase_add_test(tests, sentinels_have_theirs_and_name_the_master);
    tcase_add_test(tests, what_was_read_of_a_bad_one_is_let_go_of);
    suite_add_tcase(suite, tests);
    return suite;
}
