// SPDX-License-Identifier: MIT
#include "shared/postgres/link.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/postgres/url.h"
#include "tests/support/fake_server.h"
#include "tests/support/port.h"
#include "tests/support/wait.h"

// Fake servers only: a real Postgres is the integration suites' matter.

enum { TIMEOUT_MS = 300 };

struct subject {
    struct pg_link *link;
    int ups, downs;
    int ok, errors, lost;
    char text[128]; // the last result's error
    bool destroy_in_done, again_in_lost, destroy_in_set_up, destroy_in_trouble, destroy_once_well;
    bool destroyed; // in one of the last three
};

static uv_loop_t loop;

static void setup(void) {
    uv_loop_init(&loop);
}

static void teardown(void) {
    wait_closed(&loop);
}

static void on_up(void *argument) {
    struct subject *subject = argument;
    ck_assert(!subject->destroyed);
    subject->ups++;
}

static void on_down(void *argument) {
    struct subject *subject = argument;
    ck_assert(!subject->destroyed);
    subject->downs++;
    ck_assert(!pg_link_is_up(subject->link));
    ck_assert_uint_eq(pg_link_pending(subject->link), 0);
}

static void on_done(void *argument, enum pg_outcome outcome, const PGresult *result) {
    struct subject *subject = argument;
    subject->ok += outcome == PG_LINK_OK;
    subject->errors += outcome == PG_LINK_ERROR;
    subject->lost += outcome == PG_LINK_LOST;
    ck_assert_int_eq(result == NULL, outcome == PG_LINK_LOST);
    snprintf(subject->text, sizeof subject->text, "%s", result ? PQresultErrorMessage(result) : "");
    if (subject->again_in_lost && outcome == PG_LINK_LOST) {
        ck_assert_int_eq(pg_link_script(subject->link, "again", on_done, subject), -1);
    }
    if (subject->destroy_in_done) {
        pg_link_destroy(subject->link);
    }
}

static void destroy(struct subject *subject) {
    pg_link_destroy(subject->link);
    subject->destroyed = true;
}

static void on_set_up(void *argument, const PGresult *result) {
    ck_assert_ptr_nonnull(result);
    destroy(argument);
}

static void on_trouble(void *argument, const char *why) {
    struct subject *subject = argument;
    if (why ? subject->destroy_in_trouble : subject->destroy_once_well) {
        destroy(subject);
    }
}

static void open_link(struct subject *subject, const char *url, bool pipeline) {
    const struct pg_link_options options = {
        .url = url,
        .name = "test",
        .timeout_ms = TIMEOUT_MS,
        .pipeline = pipeline,
        .on_up = on_up,
        .on_down = on_down,
        .setup = subject->destroy_in_set_up ? "select" : NULL,
        .on_set_up = on_set_up,
        .on_trouble = on_trouble,
        .argument = subject,
    };
    subject->link = pg_link_create(&loop, &options);
}

static void open_to(struct subject *subject, const struct fake_server *server, bool pipeline) {
    char url[128];
    snprintf(url, sizeof url, "postgres://user:s3cret@127.0.0.1:%u/db?sslmode=disable",
             (unsigned)fake_server_port(server));
    open_link(subject, url, pipeline);
}

// ---- A server that speaks as much of PostgreSQL's protocol 3.0 as it takes to be believed.

enum answering {
    ANSWERS_COMPLETE,
    ANSWERS_ERROR,
    ANSWERS_FATAL,
    ANSWERS_NOTHING,
    ANSWERS_RUBBISH,
    HANGS_UP,
};

struct fake_postgres {
    enum answering answering;
    unsigned queries;
    bool silent;  // answers nothing at all
    bool standby; // says that it is one
};

static const char welcome[] = "R\0\0\0\x08\0\0\0\0"
                              "S\0\0\0\x19"
                              "client_encoding\0UTF8\0"
                              "Z\0\0\0\x05I";
// As servers from 14 on say by themselves what target_session_attrs asks for.
static const char primary[] = "S\0\0\0\x18"
                              "server_version\0"
                              "15.1\0"
                              "S\0\0\0\x17"
                              "in_hot_standby\0off\0"
                              "S\0\0\0\x26"
                              "default_transaction_read_only\0off\0";
static const char standby[] = "S\0\0\0\x18"
                              "server_version\0"
                              "15.1\0"
                              "S\0\0\0\x16"
                              "in_hot_standby\0on\0"
                              "S\0\0\0\x26"
                              "default_transaction_read_only\0off\0";
static const char complete[] = "C\0\0\0\x0dSELECT 0\0Z\0\0\0\x05I";
static const char error[] = "E\0\0\0\x2cSERROR\0VERROR\0C22012\0Mdivision by zero\0\0Z\0\0\0\x05I";
static const char fatal[] = "E\0\0\0\x25SFATAL\0VFATAL\0C57P01\0Mgoing now\0\0";

static void answer_query(const struct fake_postgres *fake, struct buf *answer) {
    switch (fake->answering) {
    case ANSWERS_COMPLETE:
        buf_append(answer, complete, sizeof complete - 1);
        break;
    case ANSWERS_ERROR:
        buf_append(answer, error, sizeof error - 1);
        break;
    case ANSWERS_FATAL:
        buf_append(answer, fatal, sizeof fatal - 1);
        break;
    case ANSWERS_RUBBISH:
        buf_puts(answer, "what do you mean by that?");
        break;
    case ANSWERS_NOTHING:
    case HANGS_UP:
        break;
    }
}

static bool on_input(void *argument, const char *input, size_t length, struct buf *answer) {
    struct fake_postgres *fake = argument;
    if (fake->silent) {
        return true;
    }
    if (length >= 8 && input[0] == '\0') { // the start-up message has no type
        size_t granted = 9, rest = sizeof welcome - 1 - granted;
        buf_append(answer, welcome, granted);
        buf_append(answer, fake->standby ? standby : primary, fake->standby ? sizeof standby - 1 : sizeof primary - 1);
        buf_append(answer, welcome + granted, rest);
        return true;
    }
    if (input[0] != 'Q') {
        return input[0] != 'X';
    }
    fake->queries++;
    answer_query(fake, answer);
    return fake->answering != HANGS_UP && fake->answering != ANSWERS_FATAL;
}

static struct fake_server *start_fake(struct fake_postgres *fake) {
    const struct fake_behaviour behaviour = {.on_input = on_input, .argument = fake};
    return fake_server_start(&loop, &behaviour);
}

// A link that is up over the fake, with one script under way.
static void run_script(struct subject *subject, const struct fake_server *server) {
    open_to(subject, server, false);
    RUN_UNTIL(&loop, 5000, subject->ups == 1);
    ck_assert_int_eq(pg_link_script(subject->link, "select", on_done, subject), 0);
    ck_assert_uint_eq(pg_link_pending(subject->link), 1);
}

// ---- Tests

START_TEST(a_good_url_passes) {
    static const char *const good[] = {
        "postgres://user:password@localhost:5432/db",
        "postgresql:///db?host=/var/run/postgresql",
        "host=a port=5 password='x y'",
        "postgres://a,b/db?target_session_attrs=any",
        "postgres://user:a%40b%2Fc@a:1,b:2/db?sslmode=verify-full&sslrootcert=root.crt&channel_binding=require",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        ck_assert_ptr_null(pg_url_check(good[i]));
    }
}
END_TEST

START_TEST(what_is_wrong_with_a_url_is_said_without_its_password) {
    static const char *const bad[] = {
        "postgres://user:s3cret@host:5432/db?nonsense=s3cret",
        "s3cret",
        "postgres://user:s3cret@[::1/db",
        "password=s3cret nonsense=s3cret",
        "password='s3cret",
        "postgres://user:s3cret/more@host:5432/db",
        "postgres://user:12/s3cret@host:5432/db",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char *line = pg_url_check(bad[i]);
        ck_assert_msg(line != NULL, "%s passed", bad[i]);
        ck_assert_msg(!strstr(line, "s3cret"), "%s", line);
        ck_assert_ptr_null(strchr(line, '\n'));
        free(line);
    }
}
END_TEST

START_TEST(a_refused_connection_is_told_and_tried_again) {
    struct subject subject = {0};
    char url[128];
    snprintf(url, sizeof url, "postgres://user:s3cret@localhost:%u/db", (unsigned)free_port());
    open_link(&subject, url, true);
    RUN_UNTIL(&loop, 5000, strstr(pg_link_last_error(subject.link), "refused") != NULL);
    ck_assert_ptr_null(strstr(pg_link_last_error(subject.link), "s3cret"));
    ck_assert_ptr_null(strchr(pg_link_last_error(subject.link), '\n'));
    run_for(&loop, 200);
    ck_assert_int_eq(subject.ups + subject.downs, 0);
    pg_link_destroy(subject.link);
}
END_TEST

START_TEST(a_job_is_not_taken_while_it_is_down) {
    struct subject subject = {0};
    open_link(&subject, "postgres://user@127.0.0.1:1/db", true);
    ck_assert_int_eq(pg_link_execute(subject.link, "a", 0, NULL, on_done, &subject), -1);
    ck_assert_int_eq(pg_link_script(subject.link, "a", on_done, &subject), -1);
    ck_assert_int_eq(pg_link_copy(subject.link, "a", "b", 1, on_done, &subject), -1);
    pg_link_destroy(subject.link);
    ck_assert_int_eq(subject.lost, 0);
}
END_TEST

static void stays_down(const struct fake_behaviour *behaviour) {
    struct subject subject = {0};
    struct fake_server *server = fake_server_start(&loop, behaviour);
    open_to(&subject, server, false);
    RUN_UNTIL(&loop, 10000, fake_server_connections(server) >= 3);
    ck_assert_str_ne(pg_link_last_error(subject.link), "");
    ck_assert_int_eq(subject.ups + subject.downs, 0);
    pg_link_destroy(subject.link);
    fake_server_destroy(server);
}

START_TEST(a_server_that_never_answers_is_tried_again) {
    const struct fake_behaviour silent = {0};
    stays_down(&silent);
}
END_TEST

START_TEST(a_server_that_is_no_postgres_keeps_it_down) {
    const struct fake_behaviour rubbish = {.greeting = "HTTP/1.1 400 Bad Request\r\n\r\n"};
    stays_down(&rubbish);
}
END_TEST

START_TEST(a_server_that_hangs_up_is_tried_again) {
    const struct fake_behaviour hanging_up = {.hang_up = true};
    stays_down(&hanging_up);
}
END_TEST

START_TEST(it_can_be_destroyed_while_it_connects) {
    for (int turns = 0; turns < 6; turns++) {
        struct subject subject = {0};
        struct fake_postgres fake = {.answering = ANSWERS_COMPLETE};
        struct fake_server *server = start_fake(&fake);
        open_to(&subject, server, turns % 2 == 0);
        for (int i = 0; i < turns; i++) {
            uv_run(&loop, UV_RUN_NOWAIT);
        }
        pg_link_destroy(subject.link);
        fake_server_destroy(server);
        run_for(&loop, 20);
    }
}
END_TEST

// ---- Another URL

static char *url_of(const struct fake_server *server, const char *password) {
    return xasprintf("postgres://user:%s@127.0.0.1:%u/db?sslmode=disable", password,
                     (unsigned)fake_server_port(server));
}

static void change_to(struct subject *subject, const struct fake_server *server, const char *password) {
    char *url = url_of(server, password);
    pg_link_change_url(subject->link, url);
    free(url);
}

START_TEST(with_another_password_a_session_goes_on) {
    struct subject subject = {0};
    struct fake_postgres fake = {.answering = ANSWERS_COMPLETE};
    struct fake_server *server = start_fake(&fake);
    run_script(&subject, server);
    change_to(&subject, server, "other");
    RUN_UNTIL(&loop, 5000, subject.ok == 1);
    ck_assert_uint_eq(fake_server_connections(server), 1);
    ck_assert_int_eq(subject.downs, 0);
    fake_server_hang_up(server);
    RUN_UNTIL(&loop, 5000, subject.ups == 2);
    pg_link_destroy(subject.link);
    fake_server_destroy(server);
}
END_TEST

START_TEST(another_server_is_gone_to_at_once) {
    struct subject subject = {0};
    struct fake_postgres fake = {.answering = ANSWERS_NOTHING}, other = {.answering = ANSWERS_COMPLETE};
    struct fake_server *server = start_fake(&fake), *next = start_fake(&other);
    run_script(&subject, server);
    change_to(&subject, next, "s3cret");
    ck_assert_int_eq(subject.lost, 1);
    RUN_UNTIL(&loop, 5000, subject.ups == 2);
    ck_assert_uint_eq(fake_server_connections(next), 1);
    ck_assert_uint_eq(fake_server_connections(server), 1);
    pg_link_destroy(subject.link);
    fake_server_destroy(server);
    fake_server_destroy(next);
}
END_TEST

START_TEST(an_attempt_that_is_under_way_begins_anew_with_another_url) {
    for (int turns = 0; turns < 6; turns++) {
        struct subject subject = {0};
        struct fake_postgres silent = {.silent = true}, good = {.answering = ANSWERS_COMPLETE};
        struct fake_server *server = start_fake(&silent), *next = start_fake(&good);
        open_to(&subject, server, false);
        for (int i = 0; i < turns; i++) {
            uv_run(&loop, UV_RUN_NOWAIT);
        }
        change_to(&subject, next, "s3cret");
        RUN_UNTIL(&loop, 5000, subject.ups == 1);
        pg_link_destroy(subject.link);
        fake_server_destroy(server);
        fake_server_destroy(next);
    }
}
END_TEST

START_TEST(urls_lead_to_the_same_place_whatever_their_credentials_are) {
    static const struct {
        const char *one, *other;
        bool same;
    } pairs[] = {
        {"postgres://u:a@h/db", "postgres://u:b@h/db", true},
        {"postgres://u@h/db", "postgres://u:b@h/db?sslrootcert=a.crt", true},
        {"postgres://u:a@h/db", "host=h user=u dbname=db password=a", true},
        {"postgres://u@h/db", "postgres://v@h/db", false},
        {"postgres://u@h/db", "postgres://u@g/db", false},
        {"postgres://u@h/db", "postgres://u@h,g/db", false},
        {"postgres://u@h/db", "postgres://u@h:5433/db", false},
        {"postgres://u@h/db", "postgres://u@h/other", false},
        {"postgres://u@h/db", "postgres://u@h/db?sslmode=verify-full", false},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        PQconninfoOption *one = PQconninfoParse(pairs[i].one, NULL), *other = PQconninfoParse(pairs[i].other, NULL);
        ck_assert_msg(pg_url_same_place(one, other) == pairs[i].same, "%s, %s", pairs[i].one, pairs[i].other);
        PQconninfoFree(one);
        PQconninfoFree(other);
    }
}
END_TEST

START_TEST(it_can_be_destroyed_while_it_looks_a_name_up) {
    struct subject subject = {0};
    open_link(&subject, "postgres://user@localhost:1/db", true);
    uv_run(&loop, UV_RUN_NOWAIT);
    pg_link_destroy(subject.link);
}
END_TEST

START_TEST(scripts_run_one_after_the_other) {
    struct subject subject = {0};
    struct fake_postgres fake = {.answering = ANSWERS_COMPLETE};
    struct fake_server *server = start_fake(&fake);
    run_script(&subject, server);
    ck_assert_int_eq(pg_link_script(subject.link, "select", on_done, &subject), 0);
    ck_assert_int_eq(pg_link_script(subject.link, "select", on_done, &subject), 0);
    ck_assert_uint_eq(pg_link_pending(subject.link), 3);
    RUN_UNTIL(&loop, 5000, subject.ok == 3);
    ck_assert_uint_eq(fake.queries, 3);
    ck_assert_uint_eq(pg_link_pending(subject.link), 0);
    ck_assert_str_eq(pg_link_last_error(subject.link), "");
    pg_link_destroy(subject.link);
    fake_server_destroy(server);
}
END_TEST

START_TEST(an_error_is_handed_on_and_the_connection_stands) {
    struct subject subject = {0};
    struct fake_postgres fake = {.answering = ANSWERS_ERROR};
    struct fake_server *server = start_fake(&fake);
    run_script(&subject, server);
    RUN_UNTIL(&loop, 5000, subject.errors == 1);
    ck_assert_ptr_nonnull(strstr(subject.text, "division by zero"));
    fake.answering = ANSWERS_COMPLETE;
    ck_assert_int_eq(pg_link_script(subject.link, "select", on_done, &subject), 0);
    RUN_UNTIL(&loop, 5000, subject.ok == 1);
    ck_assert_int_eq(subject.downs, 0);
    pg_link_destroy(subject.link);
    fake_server_destroy(server);
}
END_TEST

// Three jobs, of which the first breaks the connection: each is lost once, and the link comes back.
static void loses_all(enum answering how) {
    struct subject subject = {.again_in_lost = true};
    struct fake_postgres fake = {.answering = how};
    struct fake_server *server = start_fake(&fake);
    run_script(&subject, server);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(pg_link_script(subject.link, "select", on_done, &subject), 0);
    }
    RUN_UNTIL(&loop, 5000, subject.downs == 1);
    ck_assert_int_eq(subject.lost, 3);
    ck_assert_int_eq(subject.ok + subject.errors, 0);
    ck_assert_str_ne(pg_link_last_error(subject.link), "");
    fake.answering = ANSWERS_COMPLETE;
    RUN_UNTIL(&loop, 5000, subject.ups == 2);
    ck_assert_int_eq(pg_link_script(subject.link, "select", on_done, &subject), 0);
    RUN_UNTIL(&loop, 5000, subject.ok == 1);
    ck_assert_int_eq(subject.lost, 3);
    pg_link_destroy(subject.link);
    fake_server_destroy(server);
}

START_TEST(jobs_are_lost_when_the_server_hangs_up) {
    loses_all(HANGS_UP);
}
END_TEST

START_TEST(jobs_are_lost_when_the_server_shuts_down) {
    loses_all(ANSWERS_FATAL);
}
END_TEST

START_TEST(jobs_are_lost_when_no_answer_comes_in_time) {
    loses_all(ANSWERS_NOTHING);
}
END_TEST

START_TEST(jobs_are_lost_when_the_answer_is_rubbish) {
    loses_all(ANSWERS_RUBBISH);
}
END_TEST

START_TEST(destroying_it_gives_every_job_its_lost_at_once) {
    struct subject subject = {0};
    struct fake_postgres fake = {.answering = ANSWERS_NOTHING};
    struct fake_server *server = start_fake(&fake);
    run_script(&subject, server);
    ck_assert_int_eq(pg_link_script(subject.link, "select", on_done, &subject), 0);
    pg_link_destroy(subject.link);
    ck_assert_int_eq(subject.lost, 2);
    ck_assert_int_eq(subject.downs, 0);
    fake_server_destroy(server);
}
END_TEST

START_TEST(it_can_be_destroyed_in_an_answer) {
    struct subject subject = {.destroy_in_done = true};
    struct fake_postgres fake = {.answering = ANSWERS_COMPLETE};
    struct fake_server *server = start_fake(&fake);
    run_script(&subject, server);
    ck_assert_int_eq(pg_link_script(subject.link, "select", on_done, &subject), 0);
    RUN_UNTIL(&loop, 5000, subject.ok + subject.lost == 2);
    ck_assert_int_eq(subject.ok, 1);
    fake_server_destroy(server);
}
END_TEST

// It is destroyed in one of its callbacks, after which no other may come.
static void destroyed_in_callback(struct subject *subject) {
    struct fake_postgres fake = {.answering = ANSWERS_COMPLETE};
    struct fake_server *server = start_fake(&fake);
    open_to(subject, server, false);
    if (subject->destroy_in_trouble) {
        RUN_UNTIL(&loop, 5000, subject->ups == 1);
        fake_server_hang_up(server);
    }
    RUN_UNTIL(&loop, 5000, subject->destroyed);
    fake_server_destroy(server);
}

START_TEST(it_can_be_destroyed_when_trouble_is_told) {
    destroyed_in_callback(&(struct subject){.destroy_in_trouble = true});
}
END_TEST

START_TEST(it_can_be_destroyed_when_trouble_is_over) {
    destroyed_in_callback(&(struct subject){.destroy_once_well = true});
}
END_TEST

START_TEST(it_can_be_destroyed_when_its_script_has_run) {
    destroyed_in_callback(&(struct subject){.destroy_in_set_up = true});
}
END_TEST

START_TEST(a_pipeline_link_loses_its_jobs_when_no_answer_comes) {
    struct subject subject = {0};
    struct fake_postgres fake = {.answering = ANSWERS_NOTHING};
    struct fake_server *server = start_fake(&fake);
    open_to(&subject, server, true);
    RUN_UNTIL(&loop, 5000, subject.ups == 1);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(pg_link_execute(subject.link, "a", 0, NULL, on_done, &subject), 0);
    }
    ck_assert_int_eq(pg_link_script(subject.link, "not on a pipeline", on_done, &subject), -1);
    ck_assert_uint_eq(pg_link_pending(subject.link), 5);
    RUN_UNTIL(&loop, 5000, subject.downs == 1);
    ck_assert_int_eq(subject.lost, 5);
    pg_link_destroy(subject.link);
    fake_server_destroy(server);
}
END_TEST

START_TEST(a_hang_up_without_jobs_is_noticed) {
    struct subject subject = {0};
    struct fake_postgres fake = {.answering = ANSWERS_COMPLETE};
    struct fake_server *server = start_fake(&fake);
    open_to(&subject, server, true);
    RUN_UNTIL(&loop, 5000, subject.ups == 1);
    fake_server_hang_up(server);
    RUN_UNTIL(&loop, 5000, subject.downs == 1);
    RUN_UNTIL(&loop, 5000, subject.ups == 2);
    pg_link_destroy(subject.link);
    fake_server_destroy(server);
}
END_TEST

// ---- Several servers

struct pair {
    struct fake_postgres fakes[2];
    struct fake_server *servers[2];
};

static void start_pair(struct pair *pair) {
    for (int i = 0; i < 2; i++) {
        pair->servers[i] = start_fake(&pair->fakes[i]);
    }
}

// 127.1 is looked up as a name is, and has no second address, as localhost has on some machines.
static void open_to_pair(struct subject *subject, const struct pair *pair, const char *more) {
    char url[160];
    snprintf(url, sizeof url, "postgres://user:s3cret@127.0.0.1:%u,127.1:%u/db?sslmode=disable%s",
             (unsigned)fake_server_port(pair->servers[0]), (unsigned)fake_server_port(pair->servers[1]), more);
    open_link(subject, url, false);
}

static void end_pair(struct subject *subject, const struct pair *pair) {
    pg_link_destroy(subject->link);
    fake_server_destroy(pair->servers[0]);
    fake_server_destroy(pair->servers[1]);
}

// Which of the two a script is run by.
static unsigned queries_of(struct subject *subject, struct pair *pair, int which) {
    unsigned before = pair->fakes[which].queries;
    int ok = subject->ok;
    ck_assert_int_eq(pg_link_script(subject->link, "select", on_done, subject), 0);
    RUN_UNTIL(&loop, 5000, subject->ok == ok + 1);
    return pair->fakes[which].queries - before;
}

START_TEST(a_standby_is_passed_over_for_the_server_that_takes_writes) {
    struct subject subject = {0};
    struct pair pair = {.fakes = {{.standby = true}, {0}}};
    start_pair(&pair);
    open_to_pair(&subject, &pair, "");
    RUN_UNTIL(&loop, 5000, subject.ups == 1);
    ck_assert_uint_eq(fake_server_connections(pair.servers[0]), 1);
    ck_assert_uint_eq(queries_of(&subject, &pair, 1), 1);
    end_pair(&subject, &pair);
}
END_TEST

START_TEST(what_the_url_says_of_the_servers_counts) {
    struct subject subject = {0};
    struct pair pair = {.fakes = {{.standby = true}, {0}}};
    start_pair(&pair);
    open_to_pair(&subject, &pair, "&target_session_attrs=any");
    RUN_UNTIL(&loop, 5000, subject.ups == 1);
    ck_assert_uint_eq(queries_of(&subject, &pair, 0), 1);
    ck_assert_uint_eq(fake_server_connections(pair.servers[1]), 0);
    end_pair(&subject, &pair);
}
END_TEST

START_TEST(prefer_standby_takes_the_primary_where_there_is_no_standby) {
    for (int is_standby = 0; is_standby < 2; is_standby++) {
        struct subject subject = {0};
        struct pair pair = {.fakes = {{0}, {.standby = is_standby}}};
        start_pair(&pair);
        open_to_pair(&subject, &pair, "&target_session_attrs=prefer-standby");
        RUN_UNTIL(&loop, 5000, subject.ups == 1);
        ck_assert_uint_eq(queries_of(&subject, &pair, is_standby ? 1 : 0), 1);
        end_pair(&subject, &pair);
    }
}
END_TEST

START_TEST(a_server_that_is_dead_costs_its_share_and_is_asked_last_from_then_on) {
    struct subject subject = {0};
    struct pair pair = {.fakes = {{.silent = true}, {0}}};
    start_pair(&pair);
    open_to_pair(&subject, &pair, "");
    RUN_UNTIL(&loop, 5000, subject.ups == 1);
    ck_assert_int_eq(subject.downs, 0);
    ck_assert_uint_eq(fake_server_connections(pair.servers[0]), 1);
    fake_server_hang_up(pair.servers[1]);
    RUN_UNTIL(&loop, 5000, subject.ups == 2);
    ck_assert_uint_eq(fake_server_connections(pair.servers[0]), 1);
    end_pair(&subject, &pair);
}
END_TEST

START_TEST(a_server_that_stops_answering_is_left_for_the_other) {
    struct subject subject = {0};
    struct pair pair = {0};
    start_pair(&pair);
    open_to_pair(&subject, &pair, "");
    RUN_UNTIL(&loop, 5000, subject.ups == 1);
    pair.fakes[0].silent = true;
    ck_assert_int_eq(pg_link_script(subject.link, "select", on_done, &subject), 0);
    RUN_UNTIL(&loop, 5000, subject.lost == 1);
    RUN_UNTIL(&loop, 5000, subject.ups == 2);
    ck_assert_uint_eq(fake_server_connections(pair.servers[0]), 1);
    ck_assert_uint_eq(queries_of(&subject, &pair, 1), 1);
    end_pair(&subject, &pair);
}
END_TEST

START_TEST(where_none_will_do_each_says_why) {
    struct subject subject = {0};
    struct pair pair = {.fakes = {{.standby = true}, {.silent = true}}};
    start_pair(&pair);
    open_to_pair(&subject, &pair, "");
    RUN_UNTIL(&loop, 5000, pg_link_last_error(subject.link)[0] != '\0');
    const char *why = pg_link_last_error(subject.link);
    ck_assert_msg(strstr(why, "session is read-only; ") != NULL && strstr(why, "127.1, port ") != NULL &&
                      strstr(why, ": could not connect in time") != NULL && strstr(why, "s3cret") == NULL,
                  "%s", why);
    ck_assert_int_eq(subject.ups, 0);
    end_pair(&subject, &pair);
}
END_TEST

START_TEST(it_can_be_destroyed_while_it_asks_the_second) {
    struct subject subject = {0};
    struct pair pair = {.fakes = {{.standby = true}, {.silent = true}}};
    start_pair(&pair);
    open_to_pair(&subject, &pair, "");
    RUN_UNTIL(&loop, 5000, fake_server_connections(pair.servers[1]) == 1);
    end_pair(&subject, &pair);
}
END_TEST

// In how many hundredths of a second the kernel looks whether the server at that port still lives; -1: never.
static long keepalive_of(uint16_t port) {
    char line[256];
    long found = -1;
    FILE *file = fopen("/proc/net/tcp", "r");
    ck_assert_ptr_nonnull(file);
    while (fgets(line, sizeof line, file) != NULL) {
        unsigned remote, state, timer, when;
        if (sscanf(line, "%*d: %*8x:%*4x %*8x:%4x %2x %*8x:%*8x %2x:%8x", &remote, &state, &timer, &when) == 4 &&
            remote == port && state == 1 && timer == 2) {
            found = (long)when;
        }
    }
    fclose(file);
    return found;
}

START_TEST(an_idle_connection_is_looked_after_by_the_kernel) {
    struct subject subject = {0};
    struct fake_postgres fake = {0};
    struct fake_server *server = start_fake(&fake);
    open_to(&subject, server, false);
    RUN_UNTIL(&loop, 5000, subject.ups == 1);
    RUN_UNTIL(&loop, 5000, keepalive_of(fake_server_port(server)) >= 0);
    ck_assert_int_le(keepalive_of(fake_server_port(server)), 10 * 100);
    pg_link_destroy(subject.link);
    fake_server_destroy(server);
}
END_TEST

Suite *suite_postgres_link(void);

Suite *suite_postgres_link(void) {
    Suite *suite = suite_create("postgres_link");
    TCase *tcase = tcase_create("pg_link");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_good_url_passes);
    tcase_add_test(tcase, what_is_wrong_with_a_url_is_said_without_its_password);
    tcase_add_test(tcase, a_refused_connection_is_told_and_tried_again);
    tcase_add_test(tcase, a_job_is_not_taken_while_it_is_down);
    tcase_add_test(tcase, a_server_that_never_answers_is_tried_again);
    tcase_add_test(tcase, a_server_that_is_no_postgres_keeps_it_down);
    tcase_add_test(tcase, a_server_that_hangs_up_is_tried_again);
    tcase_add_test(tcase, it_can_be_destroyed_while_it_connects);
    tcase_add_test(tcase, it_can_be_destroyed_while_it_looks_a_name_up);
    tcase_add_test(tcase, with_another_password_a_session_goes_on);
    tcase_add_test(tcase, another_server_is_gone_to_at_once);
    tcase_add_test(tcase, an_attempt_that_is_under_way_begins_anew_with_another_url);
    tcase_add_test(tcase, urls_lead_to_the_same_place_whatever_their_credentials_are);
    tcase_add_test(tcase, scripts_run_one_after_the_other);
    tcase_add_test(tcase, an_error_is_handed_on_and_the_connection_stands);
    tcase_add_test(tcase, jobs_are_lost_when_the_server_hangs_up);
    tcase_add_test(tcase, jobs_are_lost_when_the_server_shuts_down);
    tcase_add_test(tcase, jobs_are_lost_when_no_answer_comes_in_time);
    tcase_add_test(tcase, jobs_are_lost_when_the_answer_is_rubbish);
    tcase_add_test(tcase, destroying_it_gives_every_job_its_lost_at_once);
    tcase_add_test(tcase, it_can_be_destroyed_in_an_answer);
    tcase_add_test(tcase, it_can_be_destroyed_when_trouble_is_told);
    tcase_add_test(tcase, it_can_be_destroyed_when_trouble_is_over);
    tcase_add_test(tcase, it_can_be_destroyed_when_its_script_has_run);
    tcase_add_test(tcase, a_pipeline_link_loses_its_jobs_when_no_answer_comes);
    tcase_add_test(tcase, a_hang_up_without_jobs_is_noticed);
    tcase_add_test(tcase, a_standby_is_passed_over_for_the_server_that_takes_writes);
    tcase_add_test(tcase, what_the_url_says_of_the_servers_counts);
    tcase_add_test(tcase, prefer_standby_takes_the_primary_where_there_is_no_standby);
    tcase_add_test(tcase, a_server_that_is_dead_costs_its_share_and_is_asked_last_from_then_on);
    tcase_add_test(tcase, a_server_that_stops_answering_is_left_for_the_other);
    tcase_add_test(tcase, where_none_will_do_each_says_why);
    tcase_add_test(tcase, it_can_be_destroyed_while_it_asks_the_second);
    tcase_add_test(tcase, an_idle_connection_is_looked_after_by_the_kernel);
    suite_add_tcase(suite, tcase);
    return suite;
}
