// SPDX-License-Identifier: MIT
#include "shared/redis/sentinels.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "shared/redis/link.h"
#include "tests/support/fake_server.h"
#include "tests/support/port.h"
#include "tests/support/private_redis.h"
#include "tests/support/private_sentinels.h"
#include "tests/support/target.h"
#include "tests/support/wait.h"

enum {
    FAKES = 3,
    PATIENT_MS = 60000, // what waited for a time-out would be late in every test
    SOON_MS = 5000,
    AT_ONCE_MS = 600,  // they are asked every 1000 ms
    MAJORITY_MS = 200, // sentinels.c
    SEE_MS = 300,      // how long it is looked that something doesn't happen
};

// What a Sentinel of the test's own says.
enum way {
    WAY_TELLS,
    WAY_KNOWS_OTHERS,
    WAY_KNOWS_NONE,
    WAY_SILENT,
    WAY_AWAY, // hangs up on whatever comes
    WAY_LOCKED,
    WAY_NO_SUBSCRIBERS, // who asks may ask, but not subscribe
    WAY_SAYS,           // `says`, whatever it is asked
};

struct fake {
    struct fake_server *server;
    enum way way;
    const char *host; // the master
    int port, epoch;
    const char *says;
    unsigned subscriptions;
    bool unlocked;
};

struct subject {
    struct redis_sentinels *sentinels;
    const struct redis_endpoint *endpoint;
    int masters, troubles;
    char host[64];
    uint16_t port;
    char trouble[1024];
    bool destroys;
};

static uv_loop_t loop;
static struct fake fakes[FAKES];

// ---- The Sentinels

static void put_text(struct buf *answer, const char *text) {
    buf_printf(answer, "$%zu\r\n%s\r\n", strlen(text), text);
}

static void tell_master(const struct fake *fake, struct buf *answer) {
    char epoch[16];
    snprintf(epoch, sizeof epoch, "%d", fake->epoch);
    buf_puts(answer, "*6\r\n");
    put_text(answer, "name");
    put_text(answer, "mymaster");
    put_text(answer, "ip");
    put_text(answer, "not.to.be.believed");
    put_text(answer, "config-epoch");
    put_text(answer, epoch);
}

static void tell_address(const struct fake *fake, struct buf *answer) {
    char port[16];
    snprintf(port, sizeof port, "%d", fake->port);
    buf_puts(answer, "*2\r\n");
    put_text(answer, fake->host);
    put_text(answer, port);
}

static void tell_names(struct buf *answer) {
    static const char *const names[] = {"mymaster", "other"};
    buf_puts(answer, "*2\r\n");
    for (size_t i = 0; i < 2; i++) {
        buf_puts(answer, "*2\r\n");
        put_text(answer, "name");
        put_text(answer, names[i]);
    }
}

static void answer_question(struct fake *fake, const char *question, struct buf *answer) {
    bool knows = fake->way != WAY_KNOWS_OTHERS && fake->way != WAY_KNOWS_NONE;
    if (strcmp(question, "MASTERS") == 0 && fake->way == WAY_KNOWS_OTHERS) {
        tell_names(answer);
    } else if (strcmp(question, "MASTERS") == 0) {
        buf_puts(answer, "*0\r\n");
    } else if (strcmp(question, "MASTER") == 0 && knows) {
        tell_master(fake, answer);
    } else if (strcmp(question, "MASTER") == 0) {
        buf_puts(answer, "-ERR No such master with that name\r\n");
    } else if (knows) {
        tell_address(fake, answer);
    } else {
        buf_puts(answer, "*-1\r\n");
    }
}

static void authenticate(struct fake *fake, const char *password, struct buf *answer) {
    fake->unlocked = strcmp(password, "secret") == 0;
    buf_puts(answer, fake->unlocked ? "+OK\r\n" : "-WRONGPASS invalid username-password pair\r\n");
}

static void answer_command(struct fake *fake, char *words[], struct buf *answer) {
    bool subscribes = strcmp(words[0], "SUBSCRIBE") == 0;
    if (fake->way == WAY_SAYS) {
        buf_puts(answer, fake->says);
    } else if (strcmp(words[0], "AUTH") == 0) {
        authenticate(fake, words[1], answer);
    } else if (fake->way == WAY_LOCKED && !fake->unlocked) {
        buf_puts(answer, "-NOAUTH Authentication required.\r\n");
    } else if (subscribes && fake->way == WAY_NO_SUBSCRIBERS) {
        buf_puts(answer, "-NOPERM this user has no permissions to run the 'subscribe' command\r\n");
    } else if (subscribes || strcmp(words[0], "UNSUBSCRIBE") == 0) {
        fake->subscriptions += subscribes;
        buf_printf(answer, "*3\r\n$%zu\r\n%s\r\n$14\r\n+switch-master\r\n:1\r\n", strlen(words[0]), words[0]);
    } else {
        answer_question(fake, words[1], answer);
    }
}

// The words of one command; returns what follows it.
static const char *read_command(const char *at, char *words[], size_t room) {
    size_t count = strtoul(at + 1, NULL, 10);
    ck_assert(*at == '*' && count >= 2 && count <= room);
    at = strchr(at, '\n') + 1;
    for (size_t i = 0; i < count; i++) {
        size_t length = strtoul(at + 1, NULL, 10);
        at = strchr(at, '\n') + 1;
        words[i] = strndup(at, length);
        at += length + 2;
    }
    return at;
}

// Each round of questions is small, and comes in one piece.
static bool answer_all(void *argument, const char *input, size_t length, struct buf *answer) {
    struct fake *fake = argument;
    char *text = strndup(input, length);
    for (const char *at = text; fake->way != WAY_SILENT && fake->way != WAY_AWAY && *at != '\0';) {
        char *words[4] = {0};
        at = read_command(at, words, 4);
        answer_command(fake, words, answer);
        for (size_t i = 0; i < 4; i++) {
            free(words[i]);
        }
    }
    free(text);
    return fake->way != WAY_AWAY;
}

static void set_master(struct fake *fake, const char *host, int port, int epoch) {
    fake->host = host;
    fake->port = port;
    fake->epoch = epoch;
}

static void set_masters(const char *host, int port, int epoch) {
    for (size_t i = 0; i < FAKES; i++) {
        set_master(&fakes[i], host, port, epoch);
    }
}

static void say_switch(struct fake *fake) {
    fake_server_say(fake->server, "*3\r\n$7\r\nmessage\r\n$14\r\n+switch-master\r\n$23\r\nmymaster a 1 10.0.0.2 2\r\n");
}

static void setup(void) {
    uv_loop_init(&loop);
    for (size_t i = 0; i < FAKES; i++) {
        fakes[i] = (struct fake){.host = "10.0.0.1", .port = 6379, .epoch = 1};
        const struct fake_behaviour behaviour = {.on_input = answer_all, .argument = &fakes[i]};
        fakes[i].server = fake_server_start(&loop, &behaviour);
    }
}

static void teardown(void) {
    for (size_t i = 0; i < FAKES; i++) {
        fake_server_destroy(fakes[i].server);
    }
    wait_closed(&loop);
}

// ---- Who asks them

static void on_master(void *owner) {
    struct subject *subject = owner;
    const char *host = redis_sentinels_master(subject->sentinels, &subject->port);
    snprintf(subject->host, sizeof subject->host, "%s", host);
    subject->masters++;
    if (subject->destroys) {
        redis_sentinels_destroy(subject->sentinels);
    }
}

static void on_trouble(void *owner, const char *why) {
    struct subject *subject = owner;
    snprintf(subject->trouble, sizeof subject->trouble, "%s", why);
    subject->troubles++;
    if (subject->destroys) {
        redis_sentinels_destroy(subject->sentinels);
    }
}

// 127.1 is looked up as a name is, and has no second address, as localhost has on some machines.
static char *url_of_fakes(const char *user, const char *master) {
    return xasprintf("redis+sentinel://%s127.0.0.1:%u,127.1:%u,127.0.0.1:%u/%s", user,
                     fake_server_port(fakes[0].server), fake_server_port(fakes[1].server),
                     fake_server_port(fakes[2].server), master);
}

static void ask_with(struct subject *subject, const char *user, int64_t timeout_ms) {
    char *url = url_of_fakes(user, "mymaster");
    subject->endpoint = redis_target_take(target_at(url));
    subject->sentinels = redis_sentinels_create(&loop, &(struct redis_sentinels_options){.endpoint = subject->endpoint,
                                                                                         .link = "test",
                                                                                         .timeout_ms = timeout_ms,
                                                                                         .on_master = on_master,
                                                                                         .on_trouble = on_trouble,
                                                                                         .owner = subject});
    free(url);
}

static void ask(struct subject *subject) {
    ask_with(subject, "", PATIENT_MS);
}

static void end(struct subject *subject) {
    if (!subject->destroys) {
        redis_sentinels_destroy(subject->sentinels);
    }
    run_for(&loop, 1); // the endpoint is needed until the handles have closed
    redis_endpoint_release(subject->endpoint);
}

static void assert_master(const struct subject *subject, const char *host, int port) {
    ck_assert_str_eq(subject->host, host);
    ck_assert_int_eq(subject->port, port);
}

static void assert_trouble(const struct subject *subject, const char *part) {
    ck_assert_msg(strstr(subject->trouble, part) != NULL, "%s", subject->trouble);
}

START_TEST(what_they_say_is_believed) {
    struct subject subject = {0};
    set_masters("fd00::7", 6390, 4);
    ask(&subject);
    RUN_UNTIL(&loop, SOON_MS, subject.masters == 1 && fakes[2].subscriptions == 1);
    assert_master(&subject, "fd00::7", 6390);
    run_for(&loop, SEE_MS);
    ck_assert_int_eq(subject.masters, 1);
    ck_assert_int_eq(subject.troubles, 0);
    end(&subject);
}
END_TEST

START_TEST(the_greatest_epoch_is_believed) {
    struct subject subject = {0};
    set_master(&fakes[_i], "10.0.0.2", 2, 7);
    ask(&subject);
    RUN_UNTIL(&loop, SOON_MS, strcmp(subject.host, "10.0.0.2") == 0);
    run_for(&loop, SEE_MS);
    assert_master(&subject, "10.0.0.2", 2);
    end(&subject);
}
END_TEST

static const struct {
    enum way way;
    const char *says;
} absences[] = {
    {WAY_SILENT, NULL},
    {WAY_AWAY, NULL},
    {WAY_KNOWS_OTHERS, NULL},
    {WAY_LOCKED, NULL},
    {WAY_SAYS, "HTTP/1.1 400 Bad Request\r\n\r\n"},
    {WAY_SAYS, "+OK\r\n"},
    {WAY_SAYS, "*-3\r\n"},
    {WAY_SAYS, "*0\r\n"},
    {WAY_SAYS, "*2\r\n$0\r\n\r\n$4\r\n6379\r\n"},
    {WAY_SAYS, "*2\r\n$12\r\nconfig-epoch\r\n$1\r\n9\r\n"}, // a master of that name, its port 9, or an epoch
    {WAY_SAYS, "-ERR unknown command 'SENTINEL', with args\r\n"},
    {WAY_SAYS, "-LOADING\r\n"},
    {WAY_SAYS, "$5\r\nab"},
};

START_TEST(one_that_is_away_or_something_else_delays_nothing) {
    struct subject subject = {0};
    fakes[0].way = absences[_i].way;
    fakes[0].says = absences[_i].says;
    set_master(&fakes[1], "10.0.0.2", 2, 12);
    ask(&subject);
    RUN_UNTIL(&loop, SOON_MS, strcmp(subject.host, "10.0.0.2") == 0);
    ck_assert_int_eq(subject.troubles, 0);
    end(&subject);
}
END_TEST

START_TEST(one_alone_is_believed) {
    struct subject subject = {0};
    fakes[0].way = fakes[1].way = WAY_SILENT;
    ask(&subject);
    RUN_UNTIL(&loop, SOON_MS, subject.masters == 1);
    end(&subject);
}
END_TEST

// Whether it was looked while the others' time to answer was not over: this machine may have had too much to do.
static bool hears_the_first_alone(struct subject *subject) {
    uint64_t begun_ns = uv_hrtime();
    fakes[0].subscriptions = 0;
    fakes[1].way = fakes[2].way = WAY_SILENT;
    ask(subject);
    RUN_UNTIL(&loop, SOON_MS, fakes[0].subscriptions == 1);
    run_for(&loop, 20); // what it has said arrives
    return uv_hrtime() - begun_ns < (uint64_t)MAJORITY_MS * 1000000 / 2;
}

// hears: whether it heard one of them alone, soon enough for the others to have time left.
static void assert_the_others_have_time(bool (*hears)(struct subject *)) {
    struct subject subject = {0};
    while (!hears(&subject)) {
        end(&subject);
        subject = (struct subject){0};
    }
    ck_assert_int_eq(subject.masters, 0);
    RUN_UNTIL(&loop, SOON_MS, subject.masters == 1);
    end(&subject);
}

START_TEST(the_first_to_answer_is_not_believed_before_the_others_had_time) {
    assert_the_others_have_time(hears_the_first_alone);
}
END_TEST

// The same where names are looked up for long, and nobody can have been asked in the first MAJORITY_MS.
static bool hears_the_first_alone_and_late(struct subject *subject) {
    fakes[0].subscriptions = 0;
    fakes[0].way = fakes[1].way = fakes[2].way = WAY_SILENT;
    ask(subject);
    run_for(&loop, MAJORITY_MS + SEE_MS);
    fakes[0].way = WAY_TELLS;
    uint64_t begun_ns = uv_hrtime();
    fake_server_hang_up(fakes[0].server); // it is asked anew
    RUN_UNTIL(&loop, SOON_MS, fakes[0].subscriptions == 1);
    run_for(&loop, 20);
    return uv_hrtime() - begun_ns < (uint64_t)MAJORITY_MS * 1000000 / 2;
}

START_TEST(the_others_time_begins_with_the_first_answer) {
    assert_the_others_have_time(hears_the_first_alone_and_late);
}
END_TEST

START_TEST(a_switch_is_followed_at_once) {
    struct subject subject = {0};
    ask(&subject);
    RUN_UNTIL(&loop, SOON_MS, subject.masters == 1 && fakes[2].subscriptions > 0);
    for (int epoch = 2; epoch < 5; epoch++) {
        unsigned before = fakes[2].subscriptions;
        set_master(&fakes[2], "10.0.0.2", epoch, epoch);
        say_switch(&fakes[2]);
        RUN_UNTIL(&loop, AT_ONCE_MS, subject.port == epoch && fakes[2].subscriptions > before);
    }
    ck_assert_int_eq(subject.masters, 4);
    end(&subject);
}
END_TEST

START_TEST(a_switch_that_nobody_tells_of_is_seen_all_the_same) {
    struct subject subject = {0};
    fakes[2].way = WAY_NO_SUBSCRIBERS;
    ask(&subject);
    RUN_UNTIL(&loop, SOON_MS, subject.masters == 1);
    set_master(&fakes[2], "10.0.0.2", 2, 2);
    RUN_UNTIL(&loop, SOON_MS, subject.masters == 2);
    assert_master(&subject, "10.0.0.2", 2);
    end(&subject);
}
END_TEST

// A fail-over that the two others know of; they are cut off, and the one that knows nothing comes back.
START_TEST(a_smaller_epoch_is_never_believed) {
    struct subject subject = {0};
    fakes[2].way = WAY_AWAY;
    set_master(&fakes[0], "10.0.0.2", 2, 5);
    set_master(&fakes[1], "10.0.0.2", 2, 5);
    ask(&subject);
    RUN_UNTIL(&loop, SOON_MS, subject.masters == 1);
    fakes[0].way = fakes[1].way = WAY_AWAY;
    fakes[2].way = WAY_TELLS;
    fake_server_hang_up(fakes[0].server);
    fake_server_hang_up(fakes[1].server);
    RUN_UNTIL(&loop, SOON_MS, fakes[2].subscriptions > 0);
    say_switch(&fakes[2]);
    RUN_UNTIL(&loop, SOON_MS, fakes[2].subscriptions > 1);
    run_for(&loop, SEE_MS);
    ck_assert_int_eq(subject.masters, 1);
    assert_master(&subject, "10.0.0.2", 2);
    end(&subject);
}
END_TEST

START_TEST(what_all_say_counts_whatever_the_epoch) {
    struct subject subject = {0};
    set_masters("10.0.0.1", 1, 9);
    ask(&subject);
    RUN_UNTIL(&loop, SOON_MS, fakes[0].subscriptions > 0 && fakes[1].subscriptions > 0 && fakes[2].subscriptions > 0);
    set_master(&fakes[0], "10.0.0.2", 2, 0);
    set_master(&fakes[1], "10.0.0.2", 2, 0);
    RUN_UNTIL(&loop, SOON_MS, fakes[0].subscriptions > 2 && fakes[1].subscriptions > 2);
    ck_assert_int_eq(subject.masters, 1);
    set_master(&fakes[2], "10.0.0.2", 2, 0);
    RUN_UNTIL(&loop, SOON_MS, subject.masters == 2);
    assert_master(&subject, "10.0.0.2", 2);
    end(&subject);
}
END_TEST

START_TEST(of_one_epoch_the_one_that_is_believed_stays) {
    struct subject subject = {0};
    ask(&subject);
    RUN_UNTIL(&loop, SOON_MS, subject.masters == 1);
    set_master(&fakes[0], "redis-1.example", 6379, 1); // another name for it
    say_switch(&fakes[0]);
    run_for(&loop, SEE_MS);
    ck_assert_int_eq(subject.masters, 1);
    end(&subject);
}
END_TEST

START_TEST(one_that_comes_back_is_subscribed_to_again) {
    struct subject subject = {0};
    ask(&subject);
    RUN_UNTIL(&loop, SOON_MS, subject.masters == 1 && fakes[1].subscriptions > 0);
    fakes[1].way = WAY_AWAY;
    fake_server_hang_up(fakes[1].server);
    run_for(&loop, SEE_MS);
    fakes[1].way = WAY_TELLS;
    set_master(&fakes[1], "10.0.0.2", 2, 2);
    RUN_UNTIL(&loop, SOON_MS, subject.masters == 2);
    set_master(&fakes[1], "10.0.0.3", 3, 3);
    say_switch(&fakes[1]);
    RUN_UNTIL(&loop, AT_ONCE_MS, subject.masters == 3);
    end(&subject);
}
END_TEST

START_TEST(when_all_are_away_the_master_stays_who_it_was) {
    struct subject subject = {0};
    ask(&subject);
    RUN_UNTIL(&loop, SOON_MS, subject.masters == 1);
    for (size_t i = 0; i < FAKES; i++) {
        fakes[i].way = WAY_AWAY;
        fake_server_hang_up(fakes[i].server);
    }
    run_for(&loop, SEE_MS);
    uint16_t port;
    ck_assert_str_eq(redis_sentinels_master(subject.sentinels, &port), "10.0.0.1");
    ck_assert_int_eq(subject.masters, 1);
    ck_assert_int_eq(subject.troubles, 0);
    end(&subject);
}
END_TEST

START_TEST(a_name_that_none_knows_is_told_with_those_that_they_know) {
    struct subject subject = {0};
    fakes[0].way = WAY_KNOWS_OTHERS;
    fakes[1].way = WAY_KNOWS_NONE;
    fakes[2].way = WAY_AWAY;
    ask(&subject);
    RUN_UNTIL(&loop, SOON_MS, subject.troubles > 0);
    ck_assert_int_eq(subject.masters, 0);
    assert_trouble(&subject, "no Sentinel names a master 'mymaster', as REDIS_URL has it; 127.0.0.1:");
    assert_trouble(&subject, " knows only 'mymaster', 'other'; 127.1:");
    assert_trouble(&subject, " knows no master; 127.0.0.1:");
    assert_trouble(&subject, " can't be asked: ");
    ck_assert_ptr_null(strchr(subject.trouble, '\n'));
    fakes[0].way = WAY_TELLS;
    RUN_UNTIL(&loop, SOON_MS, subject.masters == 1);
    end(&subject);
}
END_TEST

static void lock_all(void) {
    for (size_t i = 0; i < FAKES; i++) {
        fakes[i].way = WAY_LOCKED;
    }
}

START_TEST(a_password_is_told_to_those_that_ask_for_one) {
    struct subject subject = {0};
    fakes[0].way = WAY_LOCKED;
    set_master(&fakes[0], "10.0.0.2", 2, 2);
    ask_with(&subject, ":secret@", PATIENT_MS);
    RUN_UNTIL(&loop, SOON_MS, strcmp(subject.host, "10.0.0.2") == 0);
    ck_assert(fakes[0].unlocked);
    ck_assert(!fakes[1].unlocked);
    end(&subject);
}
END_TEST

START_TEST(without_a_password_that_they_ask_for_it_says_so) {
    struct subject subject = {0};
    lock_all();
    ask(&subject);
    RUN_UNTIL(&loop, SOON_MS, subject.troubles > 0);
    assert_trouble(&subject, "asks for a password: put it into REDIS_URL (redis+sentinel://:password@");
    end(&subject);
}
END_TEST

START_TEST(a_password_that_they_refuse_is_told_without_repeating_it) {
    struct subject subject = {0};
    lock_all();
    ask_with(&subject, ":hunter2@", PATIENT_MS);
    RUN_UNTIL(&loop, SOON_MS, subject.troubles > 0);
    assert_trouble(&subject, "refuses the user or password in REDIS_URL");
    assert_trouble(&subject, "WRONGPASS");
    ck_assert_ptr_null(strstr(subject.trouble, "hunter2"));
    end(&subject);
}
END_TEST

START_TEST(silent_ones_are_told_after_the_time_out) {
    struct subject subject = {0};
    for (size_t i = 0; i < FAKES; i++) {
        fakes[i].way = WAY_SILENT;
    }
    ask_with(&subject, "", 300);
    RUN_UNTIL(&loop, SOON_MS, subject.troubles > 0);
    assert_trouble(&subject, "can't be asked: no reply in time");
    end(&subject);
}
END_TEST

START_TEST(they_can_be_destroyed_when_they_name_a_master_or_none) {
    struct subject subject = {.destroys = true};
    for (size_t i = 0; i < FAKES; i++) {
        fakes[i].way = _i == 0 ? WAY_TELLS : WAY_KNOWS_NONE;
    }
    ask(&subject);
    RUN_UNTIL(&loop, SOON_MS, subject.masters + subject.troubles == 1);
    run_for(&loop, SEE_MS);
    ck_assert_int_eq(subject.masters + subject.troubles, 1);
    end(&subject);
}
END_TEST

// ---- A link

struct linked {
    struct redis_link *link;
    int ups, downs, ok, lost;
    bool destroys;
};

static void on_up(void *argument) {
    struct linked *linked = argument;
    linked->ups++;
}

static void on_down(void *argument) {
    struct linked *linked = argument;
    linked->downs++;
    if (linked->destroys) {
        redis_link_destroy(linked->link);
    }
}

static void on_reply(void *argument, enum redis_result result, const redisReply *reply) {
    struct linked *linked = argument;
    (void)reply;
    linked->ok += result == REDIS_LINK_OK;
    linked->lost += result == REDIS_LINK_LOST;
}

static void link_to(struct linked *linked, const char *url) {
    linked->link = redis_link_create(&loop, &(struct redis_link_options){.target = target_at(url),
                                                                         .name = "linked",
                                                                         .timeout_ms = 1000,
                                                                         .on_up = on_up,
                                                                         .on_down = on_down,
                                                                         .argument = linked});
}

static void link_to_fakes(struct linked *linked) {
    char *url = url_of_fakes("", "mymaster");
    link_to(linked, url);
    free(url);
}

static void call(struct linked *linked) {
    const char *argv[] = {"INCR", "calls"};
    ck_assert_int_eq(redis_link_call(linked->link, on_reply, linked, 2, argv, NULL), 0);
}

static int64_t calls_of(const struct private_redis *redis) {
    redisReply *reply = private_redis_command(redis, "GET calls");
    int64_t calls = reply->type == REDIS_REPLY_STRING ? atoll(reply->str) : 0;
    freeReplyObject(reply);
    return calls;
}

static bool has_client(const struct private_redis *redis) {
    redisReply *clients = private_redis_command(redis, "CLIENT LIST");
    bool has = strstr(clients->str, "name=linked") != NULL;
    freeReplyObject(clients);
    return has;
}

static void expect_trouble(struct linked *linked, const char *part) {
    RUN_UNTIL(&loop, SOON_MS, redis_link_trouble(linked->link) != NULL);
    ck_assert_msg(strstr(redis_link_trouble(linked->link), part) != NULL, "%s", redis_link_trouble(linked->link));
}

START_TEST(a_link_follows_a_switch_at_once_and_the_old_master_gets_nothing_more) {
    struct linked linked = {0};
    struct private_redis *old = private_redis_start(NULL), *new = private_redis_start(NULL);
    set_masters("127.0.0.1", private_redis_port(old), 1);
    link_to_fakes(&linked);
    RUN_UNTIL(&loop, SOON_MS, linked.ups == 1 && fakes[0].subscriptions > 0);
    call(&linked);
    RUN_UNTIL(&loop, SOON_MS, linked.ok == 1);
    private_redis_freeze(old); // so that what is called now waits
    call(&linked);
    call(&linked);
    run_for(&loop, 20);
    set_masters("localhost", private_redis_port(new), 2);
    say_switch(&fakes[0]);
    RUN_UNTIL(&loop, AT_ONCE_MS, linked.ups == 2);
    ck_assert_int_eq(linked.downs, 1);
    ck_assert_int_eq(linked.lost, 2);
    for (int i = 0; i < 5; i++) {
        call(&linked);
    }
    RUN_UNTIL(&loop, SOON_MS, linked.ok == 6);
    ck_assert_int_eq(calls_of(new), 5);
    private_redis_thaw(old);
    run_for(&loop, SEE_MS);
    ck_assert(!has_client(old));
    ck_assert_int_eq(calls_of(old), 3); // the two whose fate was unknown
    ck_assert_int_eq(linked.lost, 2);
    redis_link_destroy(linked.link);
    private_redis_destroy(old);
    private_redis_destroy(new);
}
END_TEST

START_TEST(a_link_goes_to_no_replica_and_leaves_a_master_that_became_one) {
    struct linked linked = {0};
    struct private_redis *redis = private_redis_start(NULL);
    private_redis_do(redis, "REPLICAOF 127.0.0.1 1");
    set_masters("127.0.0.1", private_redis_port(redis), 1);
    link_to_fakes(&linked);
    expect_trouble(&linked, "the Redis that the Sentinels name is a replica, of 127.0.0.1 port 1");
    private_redis_do(redis, "REPLICAOF NO ONE");
    RUN_UNTIL(&loop, SOON_MS, linked.ups == 1);
    private_redis_do(redis, "REPLICAOF 127.0.0.1 1");
    RUN_UNTIL(&loop, SOON_MS, linked.downs == 1);
    ck_assert_int_eq(linked.ups, 1);
    redis_link_destroy(linked.link);
    private_redis_destroy(redis);
}
END_TEST

START_TEST(a_link_stays_and_comes_back_while_all_sentinels_are_away) {
    struct linked linked = {0};
    struct private_redis *redis = private_redis_start(NULL);
    set_masters("127.0.0.1", private_redis_port(redis), 1);
    link_to_fakes(&linked);
    RUN_UNTIL(&loop, SOON_MS, linked.ups == 1);
    for (size_t i = 0; i < FAKES; i++) {
        fakes[i].way = WAY_AWAY;
        fake_server_hang_up(fakes[i].server);
    }
    run_for(&loop, SEE_MS);
    call(&linked);
    RUN_UNTIL(&loop, SOON_MS, linked.ok == 1);
    ck_assert_int_eq(linked.downs, 0);
    private_redis_restart(redis);
    RUN_UNTIL(&loop, SOON_MS, linked.ups == 2);
    redis_link_destroy(linked.link);
    private_redis_destroy(redis);
}
END_TEST

START_TEST(a_link_says_why_nobody_names_its_master) {
    struct linked linked = {0};
    for (size_t i = 0; i < FAKES; i++) {
        fakes[i].way = WAY_KNOWS_OTHERS;
    }
    link_to_fakes(&linked);
    expect_trouble(&linked, "no Sentinel names a master 'mymaster'");
    ck_assert_int_eq(linked.ups + linked.downs, 0);
    redis_link_destroy(linked.link);
}
END_TEST

START_TEST(a_link_can_be_destroyed_when_a_switch_takes_it_down) {
    struct linked linked = {.destroys = true};
    struct private_redis *redis = private_redis_start(NULL);
    set_masters("127.0.0.1", private_redis_port(redis), 1);
    link_to_fakes(&linked);
    RUN_UNTIL(&loop, SOON_MS, linked.ups == 1 && fakes[0].subscriptions > 0);
    set_masters("127.0.0.1", 1, 2);
    say_switch(&fakes[0]);
    RUN_UNTIL(&loop, SOON_MS, linked.downs == 1);
    private_redis_destroy(redis);
}
END_TEST

// ---- Real ones

static void start_both(const char *password, struct private_redis **redis, struct private_sentinels **sentinels) {
    static const char *arguments[] = {"--requirepass", NULL, NULL};
    static char require[64], authenticate_by[64];
    static const char *const lines[] = {require, authenticate_by, NULL};
    arguments[1] = password;
    snprintf(require, sizeof require, "requirepass %s", password);
    snprintf(authenticate_by, sizeof authenticate_by, "sentinel auth-pass %s %s", PRIVATE_SENTINELS_MASTER, password);
    *redis = private_redis_start(password != NULL ? arguments : NULL);
    *sentinels = private_sentinels_start(&(struct private_sentinels_options){.master = private_redis_port(*redis),
                                                                             .count = 1,
                                                                             .down_after_ms = 5000,
                                                                             .lines = password != NULL ? lines : NULL});
}

START_TEST(a_real_sentinel_that_asks_for_a_password_is_understood) {
    struct linked linked = {0};
    struct private_redis *redis;
    struct private_sentinels *sentinels;
    start_both("secret", &redis, &sentinels);
    char *url = xasprintf("redis+sentinel://:secret@127.0.0.1:%u/" PRIVATE_SENTINELS_MASTER,
                          private_sentinels_port(sentinels, 0));
    link_to(&linked, url);
    RUN_UNTIL(&loop, SOON_MS, linked.ups == 1);
    redis_link_destroy(linked.link);
    free(url);
    private_sentinels_destroy(sentinels);
    private_redis_destroy(redis);
}
END_TEST

START_TEST(a_url_of_a_sentinel_itself_is_told_the_right_form) {
    struct linked linked = {0}, named = {0};
    struct private_redis *redis;
    struct private_sentinels *sentinels;
    start_both(NULL, &redis, &sentinels);
    char *url = xasprintf("redis://127.0.0.1:%u", private_sentinels_port(sentinels, 0));
    char *wrong = xasprintf("redis+sentinel://127.0.0.1:%u/nobody", private_sentinels_port(sentinels, 0));
    link_to(&linked, url);
    expect_trouble(&linked, "REDIS_URL must be redis+sentinel://host:port,host:port/" PRIVATE_SENTINELS_MASTER ",");
    link_to(&named, wrong);
    expect_trouble(&named, "'nobody', as REDIS_URL has it; 127.0.0.1:");
    expect_trouble(&named, "knows only '" PRIVATE_SENTINELS_MASTER "'");
    redis_link_destroy(linked.link);
    redis_link_destroy(named.link);
    free(url);
    free(wrong);
    private_sentinels_destroy(sentinels);
    private_redis_destroy(redis);
}
END_TEST

Suite *suite_redis_sentinels(void);

Suite *suite_redis_sentinels(void) {
    Suite *suite = suite_create("redis_sentinels");
    TCase *tcase = tcase_create("redis_sentinels");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, what_they_say_is_believed);
    tcase_add_loop_test(tcase, the_greatest_epoch_is_believed, 0, FAKES);
    tcase_add_loop_test(tcase, one_that_is_away_or_something_else_delays_nothing, 0,
                        (int)(sizeof absences / sizeof *absences));
    tcase_add_test(tcase, one_alone_is_believed);
    tcase_add_test(tcase, the_first_to_answer_is_not_believed_before_the_others_had_time);
    tcase_add_test(tcase, the_others_time_begins_with_the_first_answer);
    tcase_add_test(tcase, a_switch_is_followed_at_once);
    tcase_add_test(tcase, a_switch_that_nobody_tells_of_is_seen_all_the_same);
    tcase_add_test(tcase, a_smaller_epoch_is_never_believed);
    tcase_add_test(tcase, what_all_say_counts_whatever_the_epoch);
    tcase_add_test(tcase, of_one_epoch_the_one_that_is_believed_stays);
    tcase_add_test(tcase, one_that_comes_back_is_subscribed_to_again);
    tcase_add_test(tcase, when_all_are_away_the_master_stays_who_it_was);
    tcase_add_test(tcase, a_name_that_none_knows_is_told_with_those_that_they_know);
    tcase_add_test(tcase, a_password_is_told_to_those_that_ask_for_one);
    tcase_add_test(tcase, without_a_password_that_they_ask_for_it_says_so);
    tcase_add_test(tcase, a_password_that_they_refuse_is_told_without_repeating_it);
    tcase_add_test(tcase, silent_ones_are_told_after_the_time_out);
    tcase_add_loop_test(tcase, they_can_be_destroyed_when_they_name_a_master_or_none, 0, 2);
    tcase_add_test(tcase, a_link_follows_a_switch_at_once_and_the_old_master_gets_nothing_more);
    tcase_add_test(tcase, a_link_goes_to_no_replica_and_leaves_a_master_that_became_one);
    tcase_add_test(tcase, a_link_stays_and_comes_back_while_all_sentinels_are_away);
    tcase_add_test(tcase, a_link_says_why_nobody_names_its_master);
    tcase_add_test(tcase, a_link_can_be_destroyed_when_a_switch_takes_it_down);
    tcase_add_test(tcase, a_real_sentinel_that_asks_for_a_password_is_understood);
    tcase_add_test(tcase, a_url_of_a_sentinel_itself_is_told_the_right_form);
    suite_add_tcase(suite, tcase);
    return suite;
}
