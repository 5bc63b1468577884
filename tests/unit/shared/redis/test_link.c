// SPDX-License-Identifier: MIT
#include "shared/redis/link.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/redis/library.h"
#include "tests/support/fake_server.h"
#include "tests/support/port.h"
#include "tests/support/private_redis.h"
#include "tests/support/target.h"
#include "tests/support/wait.h"

enum { TIMEOUT_MS = 400 };

// A link under test and what it has told.
struct subject {
    struct redis_link *link;
    int ups, downs;
    int ok, errors, no_library, lost; // results of calls
    char text[128];                   // the last reply's
    bool destroy_in_reply, reconnect_in_reply, repeat_in_reply, destroy_in_down;
};

static uv_loop_t loop;
static struct private_redis *redis;

static void setup(void) {
    uv_loop_init(&loop);
    redis = private_redis_start(NULL);
}

static void teardown(void) {
    wait_closed(&loop);
    private_redis_destroy(redis);
}

static void on_up(void *argument) {
    struct subject *subject = argument;
    subject->ups++;
}

static void on_down(void *argument) {
    struct subject *subject = argument;
    subject->downs++;
    ck_assert(!redis_link_is_up(subject->link));
    if (subject->destroy_in_down) {
        redis_link_destroy(subject->link);
    }
}

static void open_link_for(struct subject *subject, const char *url, int timeout_ms) {
    const struct redis_link_options options = {
        .target = target_at(url),
        .name = "a test-0",
        .timeout_ms = timeout_ms,
        .on_up = on_up,
        .on_down = on_down,
        .argument = subject,
    };
    subject->link = redis_link_create(&loop, &options);
}

static void open_link(struct subject *subject, const char *url) {
    open_link_for(subject, url, TIMEOUT_MS);
}

static void open_up(struct subject *subject, const char *url) {
    open_link(subject, url);
    RUN_UNTIL(&loop, 5000, subject->ups == 1);
}

static void call_accept(struct subject *subject);

static void on_reply(void *argument, enum redis_result result, const redisReply *reply) {
    struct subject *subject = argument;
    subject->ok += result == REDIS_LINK_OK;
    subject->errors += result == REDIS_LINK_ERROR;
    subject->no_library += result == REDIS_LINK_NO_LIBRARY;
    subject->lost += result == REDIS_LINK_LOST;
    ck_assert_int_eq(reply == NULL, result == REDIS_LINK_LOST);
    if (reply && reply->str) {
        snprintf(subject->text, sizeof subject->text, "%s", reply->str);
    }
    if (subject->repeat_in_reply && result == REDIS_LINK_NO_LIBRARY) {
        call_accept(subject);
    }
    if (subject->reconnect_in_reply) {
        redis_link_reconnect(subject->link, "the test wants it");
    }
    if (subject->destroy_in_reply) {
        redis_link_destroy(subject->link);
    }
}

static void call(struct subject *subject, const char *first, const char *second, const char *third) {
    const char *argv[] = {first, second, third};
    int argc = third ? 3 : second ? 2 : 1;
    ck_assert_int_eq(redis_link_call(subject->link, on_reply, subject, argc, argv, NULL), 0);
}

// Any function of the library will do: a wrong number of keys is an error of its own, after it was found.
static void call_accept(struct subject *subject) {
    const char *argv[] = {"FCALL", library_function(LIBRARY_RENEW), "0"};
    ck_assert_int_eq(redis_link_call(subject->link, on_reply, subject, 3, argv, NULL), 0);
}

static void close_link(struct subject *subject) {
    redis_link_destroy(subject->link);
}

static unsigned long long connections_of(const char *field) {
    redisReply *reply = private_redis_command(redis, "INFO stats");
    const char *found = strstr(reply->str, field);
    unsigned long long value = found ? strtoull(found + strlen(field) + 1, NULL, 10) : 0;
    freeReplyObject(reply);
    return value;
}

START_TEST(it_comes_up_named_and_with_the_library_loaded) {
    struct subject subject = {0};
    open_up(&subject, private_redis_url(redis));
    ck_assert(redis_link_is_up(subject.link));
    ck_assert_uint_eq(redis_link_connection(subject.link), 1);
    redisReply *clients = private_redis_command(redis, "CLIENT LIST");
    ck_assert_ptr_nonnull(strstr(clients->str, "name=a-test-0"));
    freeReplyObject(clients);
    call_accept(&subject);
    call(&subject, "PING", NULL, NULL);
    RUN_UNTIL(&loop, 5000, subject.ok + subject.errors == 2);
    ck_assert_int_eq(subject.no_library, 0);
    ck_assert_str_eq(subject.text, "PONG");
    close_link(&subject);
}
END_TEST

START_TEST(it_selects_the_database_and_finds_localhost_by_name) {
    struct subject subject = {0};
    char url[64];
    snprintf(url, sizeof url, "redis://localhost:%u/3", (unsigned)private_redis_port(redis));
    open_up(&subject, url);
    call(&subject, "SET", "a", "b");
    RUN_UNTIL(&loop, 5000, subject.ok == 1);
    redisReply *info = private_redis_command(redis, "INFO keyspace");
    ck_assert_ptr_nonnull(strstr(info->str, "db3:keys=1"));
    freeReplyObject(info);
    close_link(&subject);
}
END_TEST

START_TEST(it_knows_the_time_and_the_memory_of_redis) {
    struct subject subject = {0};
    private_redis_do(redis, "CONFIG SET maxmemory 2000000");
    open_up(&subject, private_redis_url(redis));
    int64_t apart = redis_link_now_ms(subject.link) - clock_unix_ms();
    ck_assert_msg(apart > -1000 && apart < 1000, "%d ms apart", (int)apart);
    ck_assert_int_eq(redis_link_memory_max(subject.link), 2000000);
    int before = redis_link_memory_pct(subject.link);
    ck_assert_int_gt(before, 10);
    private_redis_do(redis, "SETRANGE big 600000 x");
    RUN_UNTIL(&loop, 5000, redis_link_memory_pct(subject.link) >= before + 20);
    private_redis_do(redis, "CONFIG SET maxmemory 0");
    RUN_UNTIL(&loop, 5000, redis_link_memory_pct(subject.link) == 0);
    ck_assert_int_eq(redis_link_memory_max(subject.link), 0);
    close_link(&subject);
}
END_TEST

// As where the machine has too much to do.
static void stand_still(int64_t ms) {
    int64_t until_us = clock_monotonic_us() + ms * 1000;
    while (clock_monotonic_us() < until_us)
        continue;
}

START_TEST(a_reply_that_is_read_late_does_not_put_the_time_back) {
    enum { LATE_MS = 300 };
    struct subject subject = {0};
    open_link_for(&subject, private_redis_url(redis), 5000);
    RUN_UNTIL(&loop, 5000, subject.ups == 1);
    redis_link_doubt_time(subject.link);
    call(&subject, "PING", NULL, NULL);
    uv_run(&loop, UV_RUN_NOWAIT); // both leave
    stand_still(LATE_MS);
    RUN_UNTIL(&loop, 5000, subject.ok == 1);
    int64_t apart = redis_link_now_ms(subject.link) - clock_unix_ms();
    ck_assert_int_gt(apart, -LATE_MS / 2);
    ck_assert_int_lt(apart, LATE_MS / 2);
    close_link(&subject);
}
END_TEST

START_TEST(a_call_is_not_taken_while_it_is_down) {
    struct subject subject = {0};
    const char *argv[] = {"PING"};
    open_link(&subject, private_redis_url(redis));
    ck_assert_int_eq(redis_link_call(subject.link, on_reply, &subject, 1, argv, NULL), -1);
    ck_assert_int_eq(redis_link_steady_ms(subject.link), 0);
    close_link(&subject);
    run_for(&loop, 20);
    ck_assert_int_eq(subject.lost, 0);
}
END_TEST

START_TEST(all_calls_get_one_lost_when_redis_dies_and_it_comes_back) {
    struct subject subject = {0};
    open_up(&subject, private_redis_url(redis));
    private_redis_freeze(redis); // so that nothing is answered before it dies
    for (int i = 0; i < 50; i++) {
        call(&subject, "INCR", "n", NULL);
    }
    run_for(&loop, 20);
    private_redis_kill(redis);
    RUN_UNTIL(&loop, 5000, subject.downs == 1);
    ck_assert_int_eq(subject.lost, 50);
    run_for(&loop, 200);
    private_redis_restart(redis);
    RUN_UNTIL(&loop, 10000, subject.ups == 2);
    ck_assert_uint_eq(redis_link_connection(subject.link), 2);
    ck_assert_int_eq(subject.lost, 50);
    ck_assert_int_eq(subject.downs, 1);
    call(&subject, "PING", NULL, NULL);
    RUN_UNTIL(&loop, 5000, subject.ok == 1);
    close_link(&subject);
}
END_TEST

START_TEST(a_silent_redis_is_dropped_after_the_time_out) {
    struct subject subject = {0};
    open_up(&subject, private_redis_url(redis));
    private_redis_freeze(redis);
    int64_t begun_us = clock_monotonic_us();
    call(&subject, "PING", NULL, NULL);
    RUN_UNTIL(&loop, TIMEOUT_MS + 1000, subject.lost == 1);
    ck_assert_int_ge((clock_monotonic_us() - begun_us) / 1000, TIMEOUT_MS);
    run_for(&loop, 1000); // several attempts that connect and get no reply
    ck_assert_int_eq(subject.ups, 1);
    private_redis_thaw(redis);
    RUN_UNTIL(&loop, 10000, subject.ups == 2);
    close_link(&subject);
}
END_TEST

START_TEST(an_idle_link_finds_a_silent_redis_by_itself) {
    struct subject subject = {0};
    open_up(&subject, private_redis_url(redis));
    private_redis_freeze(redis);
    RUN_UNTIL(&loop, 5000, subject.downs == 1);
    private_redis_thaw(redis);
    close_link(&subject);
}
END_TEST

START_TEST(a_blocking_call_may_take_its_time_on_top_of_the_time_out) {
    struct subject subject = {0};
    const char *argv[] = {"BLPOP", "nothing", "1.2"};
    open_up(&subject, private_redis_url(redis));
    ck_assert_int_eq(redis_link_call_blocking(subject.link, 1200, on_reply, &subject, 3, argv, NULL), 0);
    call(&subject, "PING", NULL, NULL);
    RUN_UNTIL(&loop, 5000, subject.ok == 2);
    ck_assert_int_eq(subject.downs, 0);
    close_link(&subject);
}
END_TEST

START_TEST(a_repeat_after_no_library_finds_the_library) {
    struct subject subject = {.repeat_in_reply = true};
    open_up(&subject, private_redis_url(redis));
    private_redis_do(redis, "FUNCTION FLUSH");
    for (int i = 0; i < 3; i++) {
        call_accept(&subject);
    }
    RUN_UNTIL(&loop, 5000, subject.ok + subject.errors == 3);
    ck_assert_int_eq(subject.no_library, 3);
    ck_assert_int_eq(subject.downs, 0);
    close_link(&subject);
}
END_TEST

START_TEST(an_error_reply_is_handed_on) {
    struct subject subject = {0};
    open_up(&subject, private_redis_url(redis));
    call(&subject, "NO-SUCH-COMMAND", NULL, NULL);
    RUN_UNTIL(&loop, 5000, subject.errors == 1);
    ck_assert_int_eq(strncmp(subject.text, "ERR ", 4), 0);
    ck_assert_int_eq(subject.downs, 0);
    close_link(&subject);
}
END_TEST

START_TEST(a_readonly_reply_is_handed_on_and_makes_it_reconnect) {
    struct subject subject = {0};
    open_up(&subject, private_redis_url(redis));
    private_redis_do(redis, "REPLICAOF 127.0.0.1 1");
    call(&subject, "SET", "a", "b");
    call(&subject, "SET", "a", "b");
    RUN_UNTIL(&loop, 5000, subject.downs == 1);
    ck_assert_int_eq(subject.errors, 2);
    ck_assert_int_eq(subject.lost, 0);
    ck_assert_int_eq(strncmp(subject.text, "READONLY", 8), 0);
    private_redis_do(redis, "REPLICAOF NO ONE");
    RUN_UNTIL(&loop, 10000, subject.ups == 2);
    close_link(&subject);
}
END_TEST

START_TEST(a_full_redis_does_not_keep_it_down) {
    struct subject subject = {0};
    private_redis_do(redis, "CONFIG SET maxmemory 1");
    open_up(&subject, private_redis_url(redis));
    call(&subject, "SET", "a", "b");
    RUN_UNTIL(&loop, 5000, subject.errors == 1);
    ck_assert_int_eq(strncmp(subject.text, "OOM", 3), 0);
    close_link(&subject);
}
END_TEST

static void expect_trouble(struct subject *subject, const char *part) {
    RUN_UNTIL(&loop, 5000, redis_link_trouble(subject->link) != NULL);
    ck_assert_msg(strstr(redis_link_trouble(subject->link), part) != NULL, "%s", redis_link_trouble(subject->link));
}

START_TEST(a_master_that_becomes_a_replica_is_left_and_taken_again_when_it_is_one) {
    struct subject subject = {0};
    open_up(&subject, private_redis_url(redis));
    ck_assert_ptr_null(redis_link_trouble(subject.link));
    private_redis_do(redis, "REPLICAOF 127.0.0.1 1");
    expect_trouble(&subject,
                   "is a replica, of 127.0.0.1 port 1, and takes no writes of ours: REDIS_URL must name its master");
    run_for(&loop, 300);
    ck_assert_int_eq(subject.ups, 1);
    private_redis_do(redis, "REPLICAOF NO ONE");
    RUN_UNTIL(&loop, 10000, subject.ups == 2);
    close_link(&subject);
}
END_TEST

START_TEST(a_replica_that_can_be_written_to_is_none_of_ours_either) {
    struct subject subject = {0};
    private_redis_do(redis, "CONFIG SET replica-read-only no");
    private_redis_do(redis, "REPLICAOF 127.0.0.1 1");
    open_link(&subject, private_redis_url(redis));
    expect_trouble(&subject, "is a replica");
    close_link(&subject);
}
END_TEST

START_TEST(a_master_that_wants_more_replicas_than_follow_is_told_of) {
    struct subject subject = {0};
    private_redis_do(redis, "CONFIG SET min-replicas-to-write 1");
    open_link(&subject, private_redis_url(redis));
    expect_trouble(&subject, "fewer replicas follow than its min-replicas-to-write");
    private_redis_do(redis, "CONFIG SET min-replicas-to-write 0");
    RUN_UNTIL(&loop, 10000, subject.ups == 1);
    close_link(&subject);
}
END_TEST

START_TEST(one_master_of_a_cluster_that_lacks_slots_is_refused) {
    struct subject subject = {0};
    char port[8];
    snprintf(port, sizeof port, "%u", (unsigned)free_port());
    struct private_redis *node =
        private_redis_start((const char *const[]){"--cluster-enabled", "yes", "--cluster-port", port, NULL});
    open_link(&subject, private_redis_url(node));
    expect_trouble(&subject,
                   "by which 0 of 16384 slots are served, and clusters aren't supported yet: REDIS_URL must name");
    close_link(&subject);
    private_redis_destroy(node);
}
END_TEST

START_TEST(without_the_library_and_the_right_to_load_it_it_stays_down) {
    struct subject subject = {0};
    char url[96];
    snprintf(url, sizeof url, "redis://poor:x@127.0.0.1:%u", (unsigned)private_redis_port(redis));
    private_redis_do(redis, "ACL SETUSER poor on >x ~* &* +@all -function");
    open_link(&subject, url);
    expect_trouble(&subject, "may not load it");
    private_redis_do(redis, "ACL SETUSER poor +function");
    RUN_UNTIL(&loop, 10000, subject.ups == 1);
    close_link(&subject);
}
END_TEST

START_TEST(a_password_is_needed_where_redis_has_one) {
    struct subject without = {0}, wrong = {0}, right = {0}, named = {0};
    char url[96];
    unsigned port = private_redis_port(redis);
    private_redis_do(redis, "CONFIG SET requirepass s3/cret");
    open_link(&without, private_redis_url(redis));
    snprintf(url, sizeof url, "redis://:wrong@127.0.0.1:%u", port);
    open_link(&wrong, url);
    snprintf(url, sizeof url, "redis://:s3%%2Fcret@127.0.0.1:%u", port);
    open_link(&right, url);
    snprintf(url, sizeof url, "redis://default:s3%%2fcret@127.0.0.1:%u", port);
    open_link(&named, url);
    RUN_UNTIL(&loop, 5000, right.ups == 1 && named.ups == 1);
    run_for(&loop, 300);
    ck_assert_int_eq(without.ups + wrong.ups, 0);
    close_link(&without);
    close_link(&wrong);
    close_link(&right);
    close_link(&named);
}
END_TEST

START_TEST(destroying_it_gives_every_call_its_lost_at_once) {
    struct subject subject = {0};
    open_up(&subject, private_redis_url(redis));
    for (int i = 0; i < 10; i++) {
        call(&subject, "PING", NULL, NULL);
    }
    redis_link_destroy(subject.link);
    ck_assert_int_eq(subject.lost, 10);
    ck_assert_int_eq(subject.downs, 0);
}
END_TEST

START_TEST(it_can_be_destroyed_in_a_reply) {
    struct subject subject = {.destroy_in_reply = true};
    open_up(&subject, private_redis_url(redis));
    for (int i = 0; i < 10; i++) {
        call(&subject, "PING", NULL, NULL);
    }
    RUN_UNTIL(&loop, 5000, subject.ok + subject.lost == 10);
    ck_assert_int_eq(subject.ok, 1);
}
END_TEST

START_TEST(it_can_be_destroyed_when_it_goes_down) {
    struct subject subject = {.destroy_in_down = true};
    open_up(&subject, private_redis_url(redis));
    private_redis_kill(redis);
    RUN_UNTIL(&loop, 5000, subject.downs == 1);
}
END_TEST

START_TEST(it_can_be_made_to_reconnect_in_a_reply) {
    struct subject subject = {.reconnect_in_reply = true};
    open_up(&subject, private_redis_url(redis));
    for (int i = 0; i < 10; i++) {
        call(&subject, "PING", NULL, NULL);
    }
    RUN_UNTIL(&loop, 5000, subject.ok + subject.lost == 10);
    RUN_UNTIL(&loop, 5000, subject.ups == 2);
    ck_assert_int_eq(subject.ok, 1);
    ck_assert_int_eq(subject.downs, 1);
    close_link(&subject);
}
END_TEST

START_TEST(arguments_may_hold_any_bytes) {
    struct subject subject = {0};
    const char *argv[] = {"SET", "bin", "a\0b\r\n"};
    const size_t lengths[] = {3, 3, 5};
    open_up(&subject, private_redis_url(redis));
    ck_assert_int_eq(redis_link_call(subject.link, on_reply, &subject, 3, argv, lengths), 0);
    RUN_UNTIL(&loop, 5000, subject.ok == 1);
    redisReply *reply = private_redis_command(redis, "GET bin");
    ck_assert_int_eq((int)reply->len, 5);
    ck_assert_int_eq(memcmp(reply->str, "a\0b\r\n", 5), 0);
    freeReplyObject(reply);
    close_link(&subject);
}
END_TEST

START_TEST(a_burst_larger_than_the_socket_takes_gets_through) {
    enum { COUNT = 40, BYTES = 1000000 };
    struct subject subject = {0};
    char *value = malloc(BYTES);
    const char *argv[] = {"ECHO", value};
    const size_t lengths[] = {4, BYTES};
    ck_assert_ptr_nonnull(value);
    memset(value, 'v', BYTES);
    open_link_for(&subject, private_redis_url(redis), 20000); // 40 MB are not a moment's work everywhere
    RUN_UNTIL(&loop, 5000, subject.ups == 1);
    for (int i = 0; i < COUNT; i++) {
        ck_assert_int_eq(redis_link_call(subject.link, on_reply, &subject, 2, argv, lengths), 0);
    }
    RUN_UNTIL(&loop, 20000, subject.ok == COUNT);
    ck_assert_int_eq(subject.downs, 0);
    free(value);
    close_link(&subject);
}
END_TEST

START_TEST(a_refused_connection_is_tried_again_until_it_is_taken) {
    struct subject subject = {0};
    private_redis_kill(redis);
    open_link(&subject, private_redis_url(redis));
    run_for(&loop, 300);
    ck_assert_int_eq(subject.ups, 0);
    private_redis_restart(redis);
    RUN_UNTIL(&loop, 10000, subject.ups == 1);
    ck_assert_uint_ge(connections_of("total_connections_received"), 2);
    close_link(&subject);
}
END_TEST

// Links to whatever answers there, and sees that it stays down, trying again, and leaves nothing behind.
static void link_to_fake(const struct fake_behaviour *behaviour) {
    struct subject subject = {0};
    char url[64];
    struct fake_server *server = fake_server_start(&loop, behaviour);
    snprintf(url, sizeof url, "redis://127.0.0.1:%u", (unsigned)fake_server_port(server));
    open_link(&subject, url);
    RUN_UNTIL(&loop, 10000, fake_server_connections(server) >= 3);
    ck_assert_int_eq(subject.ups + subject.downs, 0);
    close_link(&subject);
    fake_server_destroy(server);
}

START_TEST(a_server_that_is_no_redis_keeps_it_down) {
    static const char *const greetings[] = {
        "HTTP/1.1 400 Bad Request\r\n\r\n",
        "+OK\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n",
        "-ERR max number of clients reached\r\n",
        "*-3\r\n",
        "$5\r\nab",
    };
    for (size_t i = 0; i < sizeof greetings / sizeof *greetings; i++) {
        const struct fake_behaviour rubbish = {.greeting = greetings[i]};
        link_to_fake(&rubbish);
    }
}
END_TEST

// Says it in place of its first answer, and is gone.
START_TEST(a_redis_that_lets_nobody_in_is_told_by_its_words) {
    static const struct {
        const char *greeting, *user, *trouble;
    } doors[] = {
        {"-DENIED Redis is running in protected mode because\r\n", "", "gives Redis a password"},
        {"-ERR max number of clients reached\r\n", "", "maxclients"},
        {"-ERR max number of clients reached\r\n", ":secret@", "maxclients"},
    };
    struct subject subject = {0};
    const struct fake_behaviour shut = {.greeting = doors[_i].greeting, .hang_up = true};
    struct fake_server *server = fake_server_start(&loop, &shut);
    char *url = xasprintf("redis://%s127.0.0.1:%u", doors[_i].user, (unsigned)fake_server_port(server));
    open_link(&subject, url);
    expect_trouble(&subject, doors[_i].trouble);
    close_link(&subject);
    fake_server_destroy(server);
    free(url);
}
END_TEST

START_TEST(a_server_that_hangs_up_is_tried_again) {
    const struct fake_behaviour hanging_up = {.hang_up = true};
    link_to_fake(&hanging_up);
}
END_TEST

START_TEST(a_server_that_never_answers_is_tried_again) {
    const struct fake_behaviour silent = {0};
    link_to_fake(&silent);
}
END_TEST

// A Redis that says yes to everything but TIME: one reply for each command that begins in the input.
static bool say_yes(void *argument, const char *input, size_t length, struct buf *answer) {
    static const char time[] = "*1\r\n$4\r\nTIME";
    (void)argument;
    for (size_t i = 0; i < length; i++) {
        if (input[i] != '*' || (i > 0 && input[i - 1] != '\n')) {
            continue;
        }
        bool asks_time = length - i >= sizeof time - 1 && memcmp(input + i, time, sizeof time - 1) == 0;
        buf_puts(answer, asks_time ? "*2\r\n$1\r\n1\r\n$1\r\n2\r\n" : "+OK\r\n");
    }
    return true;
}

START_TEST(the_calls_of_one_turn_leave_with_one_write) {
    struct subject subject = {0};
    char url[64];
    const struct fake_behaviour yes = {.on_input = say_yes};
    struct fake_server *server = fake_server_start(&loop, &yes);
    snprintf(url, sizeof url, "redis://127.0.0.1:%u", (unsigned)fake_server_port(server));
    open_up(&subject, url);
    unsigned before = fake_server_reads(server);
    for (int i = 0; i < 100; i++) {
        call(&subject, "PING", NULL, NULL);
    }
    RUN_UNTIL(&loop, 5000, subject.ok == 100);
    ck_assert_uint_eq(fake_server_reads(server), before + 1);
    close_link(&subject);
    fake_server_destroy(server);
}
END_TEST

Suite *suite_redis_link(void);

Suite *suite_redis_link(void) {
    Suite *suite = suite_create("redis_link");
    TCase *tcase = tcase_create("redis_link");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, it_comes_up_named_and_with_the_library_loaded);
    tcase_add_test(tcase, it_selects_the_database_and_finds_localhost_by_name);
    tcase_add_test(tcase, it_knows_the_time_and_the_memory_of_redis);
    tcase_add_test(tcase, a_reply_that_is_read_late_does_not_put_the_time_back);
    tcase_add_test(tcase, a_call_is_not_taken_while_it_is_down);
    tcase_add_test(tcase, all_calls_get_one_lost_when_redis_dies_and_it_comes_back);
    tcase_add_test(tcase, a_silent_redis_is_dropped_after_the_time_out);
    tcase_add_test(tcase, an_idle_link_finds_a_silent_redis_by_itself);
    tcase_add_test(tcase, a_blocking_call_may_take_its_time_on_top_of_the_time_out);
    tcase_add_test(tcase, a_repeat_after_no_library_finds_the_library);
    tcase_add_test(tcase, an_error_reply_is_handed_on);
    tcase_add_test(tcase, a_readonly_reply_is_handed_on_and_makes_it_reconnect);
    tcase_add_test(tcase, a_full_redis_does_not_keep_it_down);
    tcase_add_test(tcase, a_master_that_becomes_a_replica_is_left_and_taken_again_when_it_is_one);
    tcase_add_test(tcase, a_replica_that_can_be_written_to_is_none_of_ours_either);
    tcase_add_test(tcase, a_master_that_wants_more_replicas_than_follow_is_told_of);
    tcase_add_test(tcase, one_master_of_a_cluster_that_lacks_slots_is_refused);
    tcase_add_test(tcase, without_the_library_and_the_right_to_load_it_it_stays_down);
    tcase_add_test(tcase, a_password_is_needed_where_redis_has_one);
    tcase_add_test(tcase, destroying_it_gives_every_call_its_lost_at_once);
    tcase_add_test(tcase, it_can_be_destroyed_in_a_reply);
    tcase_add_test(tcase, it_can_be_destroyed_when_it_goes_down);
    tcase_add_test(tcase, it_can_be_made_to_reconnect_in_a_reply);
    tcase_add_test(tcase, arguments_may_hold_any_bytes);
    tcase_add_test(tcase, a_burst_larger_than_the_socket_takes_gets_through);
    tcase_add_test(tcase, a_refused_connection_is_tried_again_until_it_is_taken);
    tcase_add_test(tcase, a_server_that_is_no_redis_keeps_it_down);
    tcase_add_loop_test(tcase, a_redis_that_lets_nobody_in_is_told_by_its_words, 0, 3);
    tcase_add_test(tcase, a_server_that_hangs_up_is_tried_again);
    tcase_add_test(tcase, a_server_that_never_answers_is_tried_again);
    tcase_add_test(tcase, the_calls_of_one_turn_leave_with_one_write);
    suite_add_tcase(suite, tcase);
    return suite;
}
