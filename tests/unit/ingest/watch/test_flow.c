// SPDX-License-Identifier: MIT
// The judgement of what doesn't flow: each state by itself, laid over a pipeline in which all is well.
#include "ingest/watch/flow.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

Suite *suite_watch_flow(void);

#define LIMIT_MS 60000

// A pipeline in which all is well, and what lies around it, for a state to be laid over.
struct scene {
    struct flow_view view;
    struct pipeline pipeline;
    struct pipeline_partition partitions[3]; // email:0, sms-mms:0, sms-mms:1
    struct pipeline_report report;
};

static void set_stream(struct pipeline_stream *stream) {
    *stream = (struct pipeline_stream){.oldest_ms = -1, .waited_ms = -1};
}

static void set_scene(struct scene *scene) {
    static const char *const tags[] = {"email:0", "sms-mms:0", "sms-mms:1"};
    *scene = (struct scene){.view = {.max_age_ms = LIMIT_MS,
                                     .max_backlog = 1000,
                                     .max_scheduled = 100,
                                     .max_scheduled_bytes = 10000,
                                     .memory_pct = 80,
                                     .opt_out = true}};
    scene->view.pipeline = &scene->pipeline;
    scene->pipeline.now_ms = 1000000000;
    scene->pipeline.partitions = scene->partitions;
    scene->pipeline.partition_count = 3;
    scene->pipeline.reports = &scene->report;
    scene->pipeline.job = (struct pipeline_job){-1, -1};
    scene->pipeline.keeps_log = true;
    for (size_t i = 0; i < 3; i++) {
        struct pipeline_partition *partition = &scene->partitions[i];
        partition_keys(tags[i], &partition->keys);
        partition->provider = i == 0 ? PROVIDER_EMAIL : PROVIDER_SMS_MMS;
        partition->knows_opt_outs = 1;
        partition->longest_overdue_ms = partition->parked_oldest_ms = partition->refused_ms = -1;
        partition->held_oldest_ms = partition->held_overdue_ms = partition->scheduled_longest_overdue_ms = -1;
        set_stream(&partition->outbound);
        set_stream(&partition->events);
    }
    for (int provider = 0; provider < PROVIDER_COUNT; provider++) {
        scene->pipeline.breakers[provider] = (struct pipeline_breaker){
            .state = "closed", .mode = "auto", .open_ms = -1, .accepted_ms = -1, .slowed_ms = -1};
    }
    for (int program = 0; program < PROGRAM_COUNT; program++) {
        scene->pipeline.alive[program] = 1;
    }
}

static void report(struct scene *scene, const char *code) {
    static char text[] = "54000 in events";
    scene->report = (struct pipeline_report){.member = "persister:p-0", .since_ms = 1000000000 - 90000, .text = text};
    snprintf(scene->report.code, sizeof scene->report.code, "%s", code);
    scene->pipeline.report_count = 1;
}

// ---- What is no trouble

static void well(struct scene *scene) {
    (void)scene;
}

static void old_message_from_a_retry(struct scene *scene) {
    scene->partitions[0].outbound = (struct pipeline_stream){.length = 1, .oldest_ms = 9 * 3600000, .waited_ms = 3};
}

static void parked_for_hours(struct scene *scene) {
    scene->partitions[0].parked = 500;
    scene->partitions[0].parked_oldest_ms = 9 * 3600000;
}

static void due_just_now(struct scene *scene) {
    scene->partitions[0].overdue = 1;
    scene->partitions[0].longest_overdue_ms = LIMIT_MS;
}

static void long_queue_that_moves(struct scene *scene) {
    scene->partitions[1].events = (struct pipeline_stream){.length = 999, .oldest_ms = 900, .waited_ms = 900};
}

static void paced_by_the_second(struct scene *scene) {
    scene->pipeline.breakers[PROVIDER_EMAIL].paused_ms = 2000;
}

static void forced_closed(struct scene *scene) {
    struct pipeline_breaker *breaker = &scene->pipeline.breakers[PROVIDER_EMAIL];
    strcpy(breaker->state, "open");
    strcpy(breaker->mode, "closed");
}

static void fresh_redis(struct scene *scene) { // nothing was ever there, nobody lives but this one
    scene->pipeline.partition_count = 2;
}

static void mock_is_not_needed(struct scene *scene) {
    scene->pipeline.alive[PROGRAM_MOCK] = 0;
}

static void replay_that_runs(struct scene *scene) {
    scene->pipeline.job = (struct pipeline_job){.age_ms = 9 * 3600000, .idle_ms = -1};
}

static void newer_but_on_its_way(struct scene *scene) {
    scene->partitions[0].events = (struct pipeline_stream){.length = 1, .waited_ms = 500, .newer = 2};
}

static void held_for_hours(struct scene *scene) { // each was tried for a minute, and let the next one go
    scene->partitions[0].held = 500;
    scene->partitions[0].held_oldest_ms = 9 * 3600000;
    scene->partitions[0].held_overdue_ms = LIMIT_MS;
}

static void scheduled_for_next_week(struct scene *scene) {
    scene->partitions[0].scheduled = 79;
    scene->partitions[0].scheduled_bytes = 7999;
}

static void scheduled_due_just_now(struct scene *scene) {
    scene->partitions[0].scheduled = scene->partitions[0].scheduled_overdue = 1;
    scene->partitions[0].scheduled_longest_overdue_ms = LIMIT_MS;
}

static void nothing_may_be_scheduled(struct scene *scene) {
    scene->view.max_scheduled = scene->view.max_scheduled_bytes = 0;
    scheduled_for_next_week(scene);
}

// ---- What is

static void redis_away(struct scene *scene) {
    scene->view.pipeline = NULL;
    scene->view.unreadable = "connection refused";
}

static void postgres_away(struct scene *scene) {
    scene->view.postgres_away = "connection refused";
}

static void refuses_to_write(struct scene *scene) {
    scene->view.redis_refuses = "MISCONF Errors writing to the AOF file";
}

static void disk_fails(struct scene *scene) {
    scene->pipeline.writes_fail = true;
}

static void memory_short(struct scene *scene) {
    scene->pipeline.memory_used = 80;
    scene->pipeline.memory_max = 100;
}

static void set_lost(struct scene *scene) {
    scene->pipeline.partition_count = 0;
}

static void no_ingest(struct scene *scene) {
    scene->pipeline.alive[PROGRAM_INGEST] = 0;
}

static void no_dispatcher(struct scene *scene) {
    scene->pipeline.alive[PROGRAM_DISPATCHER] = 0;
}

static void no_persister(struct scene *scene) {
    scene->pipeline.alive[PROGRAM_PERSISTER] = 0;
}

static void full_of_parked(struct scene *scene) {
    scene->partitions[2].outbound = (struct pipeline_stream){.length = 400, .waited_ms = 1};
    scene->partitions[2].parked = 600;
}

static void full_of_events(struct scene *scene) {
    scene->partitions[0].events = (struct pipeline_stream){.length = 1000, .waited_ms = 1};
}

static void open_breaker(struct scene *scene) {
    struct pipeline_breaker *breaker = &scene->pipeline.breakers[PROVIDER_EMAIL];
    strcpy(breaker->state, "open");
    strcpy(breaker->reason, "server_error");
    breaker->open_ms = 754000;
    scene->partitions[0].parked = 1;
}

static void open_and_idle(struct scene *scene) {
    open_breaker(scene);
    scene->partitions[0].parked = 0;
}

static void cooling(struct scene *scene) {
    open_and_idle(scene);
    scene->pipeline.breakers[PROVIDER_EMAIL].reopens_in_ms = 1;
}

static void half_open_breaker(struct scene *scene) {
    open_breaker(scene);
    strcpy(scene->pipeline.breakers[PROVIDER_EMAIL].state, "half-open");
}

static void opened_by_hand(struct scene *scene) {
    strcpy(scene->pipeline.breakers[PROVIDER_EMAIL].mode, "open");
}

static void paused(struct scene *scene) {
    scene->pipeline.breakers[PROVIDER_SMS_MMS].paused_ms = 299000;
}

static void outbound_stands(struct scene *scene) { // the worse partition is the one that is named
    scene->partitions[1].outbound = (struct pipeline_stream){.length = 1, .waited_ms = LIMIT_MS + 1};
    scene->partitions[2].outbound = (struct pipeline_stream){.length = 1, .waited_ms = 2 * LIMIT_MS};
}

static void events_stand(struct scene *scene) {
    scene->partitions[0].events = (struct pipeline_stream){.length = 17, .waited_ms = LIMIT_MS + 1};
}

static void newer_stands(struct scene *scene) {
    events_stand(scene);
    scene->partitions[0].events.newer = 2;
}

static void retry_overdue(struct scene *scene) {
    scene->partitions[0].longest_overdue_ms = LIMIT_MS + 1;
}

static void turn_overdue(struct scene *scene) {
    scene->partitions[1].held = scene->partitions[2].held = 1;
    scene->partitions[1].held_overdue_ms = LIMIT_MS + 1;
    scene->partitions[2].held_overdue_ms = 2 * LIMIT_MS;
}

static void scheduled_overdue(struct scene *scene) {
    scene->partitions[0].scheduled = scene->partitions[0].scheduled_overdue = 3;
    scene->partitions[0].scheduled_longest_overdue_ms = LIMIT_MS + 1;
}

static void turn_overdue_forced_closed(struct scene *scene) {
    struct pipeline_breaker *breaker = &scene->pipeline.breakers[PROVIDER_SMS_MMS];
    strcpy(breaker->state, "open");
    strcpy(breaker->mode, "closed");
    turn_overdue(scene);
}

static void full_of_held(struct scene *scene) {
    scene->partitions[2].outbound = (struct pipeline_stream){.length = 300, .waited_ms = 1};
    scene->partitions[2].parked = 300;
    scene->partitions[2].held = 400;
}

static void scheduled_full(struct scene *scene) {
    scene->partitions[1].scheduled = 100;
}

static void scheduled_full_of_bytes(struct scene *scene) {
    scene->partitions[1].scheduled = 1;
    scene->partitions[1].scheduled_bytes = 9900;
}

static void open_with_held_alone(struct scene *scene) {
    struct pipeline_breaker *breaker = &scene->pipeline.breakers[PROVIDER_EMAIL];
    strcpy(breaker->state, "open");
    strcpy(breaker->reason, "server_error");
    breaker->open_ms = 754000;
    scene->partitions[0].held = 1;
}

// What waits behind a provider that isn't called adds no trouble to that.
static void held_behind_an_open_breaker(struct scene *scene) {
    open_with_held_alone(scene);
    scene->partitions[0].held_oldest_ms = scene->partitions[0].held_overdue_ms = 9 * 3600000;
    scene->partitions[0].scheduled = scene->partitions[0].scheduled_overdue = 1;
    scene->partitions[0].scheduled_longest_overdue_ms = 9 * 3600000;
}

static void held_behind_a_pause(struct scene *scene) {
    turn_overdue(scene);
    scene->pipeline.breakers[PROVIDER_SMS_MMS].paused_ms = 299000;
}

static void scheduled_behind_an_operator(struct scene *scene) {
    scheduled_overdue(scene);
    strcpy(scene->pipeline.breakers[PROVIDER_EMAIL].mode, "open");
}

static void replay_stands(struct scene *scene) {
    scene->pipeline.job = (struct pipeline_job){.age_ms = 9 * 3600000, .idle_ms = 2 * 3600000};
}

static void persister_repeats(struct scene *scene) {
    report(scene, "persister_repeats");
}

static void wait_fails(struct scene *scene) {
    report(scene, "wait_failing");
}

static void reads_fallen_back(struct scene *scene) {
    report(scene, "reads_fallen_back");
}

static void rekey_due(struct scene *scene) {
    report(scene, "rekey_due");
}

static void retention_behind(struct scene *scene) {
    report(scene, "retention_behind");
}

static void newer_word(struct scene *scene) {
    report(scene, "moon_phase");
}

static void refused_all(struct scene *scene) {
    scene->partitions[1].refused_ms = 9000;
    scene->pipeline.breakers[PROVIDER_SMS_MMS].accepted_ms = 9001;
}

// ---- What is worth a word

static void no_log(struct scene *scene) {
    scene->pipeline.keeps_log = false;
}

static void scheduled_filling(struct scene *scene) { // the fullest partition is the one that is named
    scene->partitions[1].scheduled = 80;
    scene->partitions[2].scheduled = 3;
    scene->partitions[2].scheduled_bytes = 8100;
}

static void held_senders(struct scene *scene) {
    scene->partitions[1].held_senders = 2;
    scene->partitions[2].held_senders = 1;
}

static void outbound_paced(struct scene *scene) {
    outbound_stands(scene);
    scene->pipeline.breakers[PROVIDER_SMS_MMS].slowed_ms = 5000;
}

static void outbound_paced_once(struct scene *scene) {
    outbound_stands(scene);
    scene->pipeline.breakers[PROVIDER_SMS_MMS].slowed_ms = 5001;
}

static void refused_some(struct scene *scene) {
    scene->partitions[1].refused_ms = 9000;
    scene->pipeline.breakers[PROVIDER_SMS_MMS].accepted_ms = 8999;
}

static void opt_outs_unknown(struct scene *scene) {
    scene->partitions[2].knows_opt_outs = 0;
    scene->partitions[2].outbound.waited_ms = 1001;
}

static void opt_outs_unknown_where_nothing_waits(struct scene *scene) {
    scene->partitions[2].knows_opt_outs = 0;
    scene->partitions[2].outbound.waited_ms = 1000;
    scene->partitions[1].knows_opt_outs = 0;
}

static void opt_outs_off(struct scene *scene) {
    opt_outs_unknown(scene);
    scene->view.opt_out = false;
}

static void refused_just_now(struct scene *scene) {
    scene->partitions[1].refused_ms = 1999;
    scene->pipeline.breakers[PROVIDER_SMS_MMS].accepted_ms = 2500;
}

static const struct {
    void (*lay)(struct scene *scene);
    enum flow_code code;
    int provider;
    const char *text; // a part of it
    int64_t for_ms;
} states[] = {
    {redis_away, FLOW_REDIS_UNREADABLE, -1, "Redis doesn't answer: connection refused", -1},
    {postgres_away, FLOW_POSTGRES_AWAY, -1, "Postgres doesn't answer: connection refused", -1},
    {refuses_to_write, FLOW_REDIS_WRITES, -1, "MISCONF", -1},
    {disk_fails, FLOW_REDIS_WRITES, -1, "disk", -1},
    {memory_short, FLOW_REDIS_MEMORY, -1, "80%", -1},
    {set_lost, FLOW_PARTITIONS_MISSING, -1, "`partitions` is missing", -1},
    {no_ingest, FLOW_NO_INGEST, -1, "no ingest lives", -1},
    {no_dispatcher, FLOW_NO_DISPATCHER, -1, "no dispatcher lives", -1},
    {no_persister, FLOW_NO_PERSISTER, -1, "no persister lives", -1},
    {full_of_parked, FLOW_BACKLOG_FULL, PROVIDER_SMS_MMS, "{sms-mms:1}: 1000 wait", -1},
    {full_of_events, FLOW_BACKLOG_FULL, PROVIDER_EMAIL, "{email:0}: 1000 wait", -1},
    {open_breaker, FLOW_BREAKER_OPEN, PROVIDER_EMAIL, "breaker:{email}: it has been open (server_error) for 12 min",
     754000},
    {half_open_breaker, FLOW_BREAKER_OPEN, PROVIDER_EMAIL, "for 12 min, probes are under way", 754000},
    {cooling, FLOW_BREAKER_OPEN, PROVIDER_EMAIL, "it has been open", 754000},
    {opened_by_hand, FLOW_BREAKER_OPEN, PROVIDER_EMAIL, "an operator has opened it", -1},
    {paused, FLOW_PAUSED, PROVIDER_SMS_MMS, "a 429 has paused the provider for another 4 min", -1},
    {refused_all, FLOW_REFUSED, PROVIDER_SMS_MMS, "accepted nothing for 9 s", 9000},
    {outbound_stands, FLOW_OUTBOUND_STUCK, PROVIDER_SMS_MMS, "outbound:{sms-mms:1}: the oldest message has waited for",
     2 * LIMIT_MS},
    {events_stand, FLOW_EVENTS_STUCK, PROVIDER_EMAIL, "for 60 s (limit: STATUS_MAX_AGE_SECS, 60 s)", LIMIT_MS + 1},
    {newer_stands, FLOW_NEWER_FORMAT, PROVIDER_EMAIL, "newer release", LIMIT_MS + 1},
    {retry_overdue, FLOW_RETRIES_OVERDUE, PROVIDER_EMAIL, "parked-due:{email:0}: a retry has been due", LIMIT_MS + 1},
    {full_of_held, FLOW_BACKLOG_FULL, PROVIDER_SMS_MMS, "{sms-mms:1}: 1000 wait", -1},
    {turn_overdue, FLOW_TURNS_OVERDUE, PROVIDER_SMS_MMS, "held-due:{sms-mms:1}: a conversation's next message",
     2 * LIMIT_MS},
    {turn_overdue_forced_closed, FLOW_TURNS_OVERDUE, PROVIDER_SMS_MMS, "should have had its turn for 2 min",
     2 * LIMIT_MS},
    {scheduled_overdue, FLOW_SCHEDULED_OVERDUE, PROVIDER_EMAIL,
     "scheduled-due:{email:0}: a scheduled message has been due for 60 s", LIMIT_MS + 1},
    {scheduled_full, FLOW_SCHEDULED_FULL, PROVIDER_SMS_MMS,
     "scheduled:{sms-mms:0}: 100 messages of 0 bytes are scheduled, 100% of what may be (SCHEDULED_MAX, 100): sends "
     "for later are refused",
     -1},
    {scheduled_full_of_bytes, FLOW_SCHEDULED_FULL, PROVIDER_SMS_MMS,
     "99% of what may be (SCHEDULED_MAX_BYTES, 10000): ", -1},
    {open_with_held_alone, FLOW_BREAKER_OPEN, PROVIDER_EMAIL, "it has been open", 754000},
    {held_behind_an_open_breaker, FLOW_BREAKER_OPEN, PROVIDER_EMAIL, "it has been open", 754000},
    {held_behind_a_pause, FLOW_PAUSED, PROVIDER_SMS_MMS, "a 429 has paused", -1},
    {scheduled_behind_an_operator, FLOW_BREAKER_OPEN, PROVIDER_EMAIL, "an operator has opened it", -1},
    {scheduled_filling, FLOW_SCHEDULED_FILLING, PROVIDER_SMS_MMS,
     "scheduled:{sms-mms:1}: 3 messages of 8100 bytes are scheduled, 81% of what may be (SCHEDULED_MAX_BYTES, 10000)",
     -1},
    {replay_stands, FLOW_REPLAYS_STUCK, -1, "replays:{replay}: nobody has worked", 2 * 3600000},
    {persister_repeats, FLOW_PERSISTER_REPEATS, -1, "persister:p-0: 54000 in events", 90000},
    {wait_fails, FLOW_WAIT_FAILING, -1, "persister:p-0: ", 90000},
    {no_log, FLOW_NOT_DURABLE, -1, "append-only", -1},
    {held_senders, FLOW_SENDERS_HELD, PROVIDER_SMS_MMS, "refuses 3 of our senders", -1},
    {outbound_paced, FLOW_PACED, PROVIDER_SMS_MMS,
     "outbound:{sms-mms:1}: all is sent at the provider's rate; the oldest", 2 * LIMIT_MS},
    {outbound_paced_once, FLOW_OUTBOUND_STUCK, PROVIDER_SMS_MMS, "the oldest message has waited", 2 * LIMIT_MS},
    {reads_fallen_back, FLOW_READS_FALLEN_BACK, -1, "persister:p-0: ", 90000},
    {rekey_due, FLOW_REKEY_DUE, -1, "persister:p-0: ", 90000},
    {retention_behind, FLOW_RETENTION_BEHIND, -1, "persister:p-0: ", 90000},
    {opt_outs_unknown, FLOW_OPT_OUTS_UNKNOWN, PROVIDER_SMS_MMS, "optouts:{sms-mms:1}: nothing is called", 1001},
    {newer_word, FLOW_OTHER, -1, "54000", 90000},
};

static const struct flow_trouble *find(const struct flow *flow, enum flow_code code) {
    for (size_t i = 0; i < flow->count; i++) {
        if (flow->troubles[i].code == code) {
            return &flow->troubles[i];
        }
    }
    return NULL;
}

static void (*const fine[])(struct scene *scene) = {
    well,
    old_message_from_a_retry,
    parked_for_hours,
    due_just_now,
    long_queue_that_moves,
    paced_by_the_second,
    forced_closed,
    fresh_redis,
    mock_is_not_needed,
    replay_that_runs,
    newer_but_on_its_way,
    held_for_hours,
    scheduled_for_next_week,
    scheduled_due_just_now,
    scheduled_filling,
    nothing_may_be_scheduled,
    open_and_idle,
    no_log,
    held_senders,
    outbound_paced,
    reads_fallen_back,
    rekey_due,
    refused_some,
    refused_just_now,
    opt_outs_unknown_where_nothing_waits,
    opt_outs_off,
};

START_TEST(what_flows_is_no_trouble) {
    struct scene scene;
    struct flow flow;
    set_scene(&scene);
    fine[_i](&scene);
    flow_judge(&scene.view, &flow);
    ck_assert_msg(flow.count == flow.notes, "%s", flow.count > 0 ? flow.troubles[0].text : "");
    flow_free(&flow);
}
END_TEST

START_TEST(what_stands_is_named) {
    struct scene scene;
    struct flow flow;
    set_scene(&scene);
    states[_i].lay(&scene);
    flow_judge(&scene.view, &flow);
    const struct flow_trouble *trouble = find(&flow, states[_i].code);
    ck_assert_ptr_nonnull(trouble);
    ck_assert_int_eq(trouble->provider, states[_i].provider);
    ck_assert_int_eq(trouble->for_ms, states[_i].for_ms);
    ck_assert_msg(strstr(trouble->text, states[_i].text) != NULL, "%s", trouble->text);
    ck_assert(flow_has(&flow, states[_i].code, states[_i].provider));
    ck_assert_uint_eq(flow.notes, flow_code_is_note(states[_i].code));
    ck_assert_uint_eq(flow.count, states[_i].code == FLOW_NEWER_FORMAT ? 2 : 1);
    flow_free(&flow);
}
END_TEST

START_TEST(a_code_of_a_newer_release_keeps_its_word_and_every_code_has_a_name) {
    struct scene scene;
    struct flow flow;
    struct buf json = {0};
    set_scene(&scene);
    report(&scene, "moon_phase");
    flow_judge(&scene.view, &flow);
    buf_putc(&json, '{');
    flow_write_members(&flow, &json);
    ck_assert_str_eq(json.data, "{\"troubles\":[{\"code\":\"moon_phase\",\"provider\":null,\"place\":\"persister:p-0\","
                                "\"for_ms\":90000,\"text\":\"persister:p-0: 54000 in events\"}],\"notes\":[]");
    for (int code = 0; code < FLOW_CODE_COUNT; code++) {
        ck_assert_ptr_nonnull(flow_code_name((enum flow_code)code));
    }
    buf_free(&json);
    flow_free(&flow);
}
END_TEST

Suite *suite_watch_flow(void) {
    Suite *suite = suite_create("watch_flow");
    TCase *tests = tcase_create("flow");
    tcase_add_loop_test(tests, what_flows_is_no_trouble, 0, sizeof fine / sizeof *fine);
    tcase_add_loop_test(tests, what_stands_is_named, 0, sizeof states / sizeof *states);
    tcase_add_test(tests, a_code_of_a_newer_release_keeps_its_word_and_every_code_has_a_name);
    suite_add_tcase(suite, tests);
    return suite;
}
