// SPDX-License-Identifier: MIT
#include "shared/redis/server.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

Suite *suite_redis_server(void);

static char *judge(const char *info) {
    char *text = xstrdup(info);
    const redisReply reply = {.type = REDIS_REPLY_STRING, .str = text, .len = strlen(text)};
    char *why = redis_server_judge_role(&reply, false);
    free(text);
    return why;
}

// What each says in INFO server and INFO sentinel, cut short.
START_TEST(a_sentinel_is_known_as_redis_and_as_valkey_write_it) {
    static const char *const infos[] = {
        "# Server\r\nredis_version:7.0.15\r\nredis_mode:sentinel\r\n# Sentinel\r\nmaster0:name=messaging,status=ok\r\n",
        "# Server\r\nredis_version:7.2.4\r\nserver_name:valkey\r\nserver_mode:sentinel\r\n# Sentinel\r\n"
        "master0:name=messaging,status=ok\r\n"};
    for (size_t i = 0; i < sizeof infos / sizeof *infos; i++) {
        char *why = judge(infos[i]);
        ck_assert_ptr_nonnull(why);
        ck_assert_ptr_nonnull(strstr(why, "redis+sentinel://host:port,host:port/messaging"));
        free(why);
    }
}
END_TEST

START_TEST(a_master_of_either_takes_what_is_written) {
    ck_assert_ptr_null(judge("# Server\r\nredis_mode:standalone\r\n# Replication\r\nrole:master\r\n"));
    ck_assert_ptr_null(judge("# Server\r\nserver_mode:standalone\r\n# Replication\r\nrole:master\r\n"));
}
END_TEST

Suite *suite_redis_server(void) {
    Suite *suite = suite_create("redis_server");
    TCase *tests = tcase_create("server");
    tcase_add_test(tests, a_sentinel_is_known_as_redis_and_as_valkey_write_it);
    tcase_add_test(tests, a_master_of_either_takes_what_is_written);
    suite_add_tcase(suite, tests);
    return suite;
}
