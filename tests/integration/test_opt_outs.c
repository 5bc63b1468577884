// SPDX-License-Identifier: MIT
// Who answers STOP is sent nothing more, by whichever partition, until START: refused at the door, failed where it
// waits already, and known again to a Redis that has forgotten it before anything is called.

#include <check.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/message/opt_out.h"
#include "tests/support/delivery.h"
#include "tests/support/events.h"
#include "tests/support/payload.h"
#include "tests/support/stack.h"

Suite *suite_opt_outs(void);

#define OURS "+12016661234"
#define FORM_TYPE "Content-Type: application/x-www-form-urlencoded"
#define PARTITIONS 3

static struct stack *stack;
static unsigned callers; // each test has customers of its own

static void start(void) {
    static const char *const environment[] = {"STREAM_PARTITIONS=3", "OPT_OUT=on", NULL};
    stack = stack_create("opt_outs", environment);
    stack_allow_error(stack, "opt_outs_failed"); // of what is no hash
    stack_start_all(stack);
}

static void end(void) {
    stack_destroy(stack);
}

static void recover(void) {
    stack_recover(stack);
    mock_configure(stack, MOCK_WELL);
}

static char *new_caller(void) {
    return xasprintf("+1804555%04u", 1000 + callers++);
}

// ---- What comes and what goes

static char *inbound(const char *from, const char *id, const char *body, const char *timestamp) {
    return xasprintf("{\"from\":\"%s\",\"to\":\"" OURS "\",\"type\":\"sms\",\"messaging_provider_id\":\"%s\",\"body\":"
                     "\"%s\",\"attachments\":null,\"timestamp\":\"%s\"}",
                     from, id, body, timestamp);
}

static void says_at(const char *from, const char *id, const char *body, const char *timestamp) {
    char *payload = inbound(from, id, body, timestamp);
    ck_assert_int_eq(stack_status(stack, "ingest-1", "POST", PATH_SMS_WEBHOOK, payload), 202);
    free(payload);
}

// By no time of its own: when it came counts.
static void says(const char *from, const char *body) {
    static unsigned number;
    char *id = xasprintf("said-%u", ++number);
    says_at(from, id, body, "");
    free(id);
}

static struct answer *send_to(const char *to) {
    char *payload = payload_sms(OURS, to, "hello");
    struct answer *answer = stack_call(stack, "ingest-1", "POST", PATH_SMS, payload, NULL);
    free(payload);
    return answer;
}

static bool is_taken(const char *to) {
    struct answer *answer = send_to(to);
    bool taken = answer->status == 202;
    ck_assert_msg(taken || answer->status == 422, "%ld: %s", answer->status, answer->body);
    answer_free(answer);
    return taken;
}

static void assert_refused(const char *to) {
    struct answer *answer = send_to(to);
    ck_assert_int_eq(answer->status, 422);
    ck_assert_str_eq(answer_text(answer, "code"), "opted_out");
    ck_assert_str_eq(answer_text(answer, "details.field"), "to");
    answer_free(answer);
}

// The id of a send that is taken, owned by the caller.
static char *send_taken(const char *to) {
    return send_accepted(stack, "ingest-1", PATH_SMS, payload_sms(OURS, to, "hello"));
}

static int64_t calls_to(const char *id) {
    return stack_sql(stack, "SELECT count(*) FROM dispatch_attempts WHERE message_id = '%s' AND outcome <> 'opted_out'",
                     id);
}

static bool has_failed_uncalled(const char *id) {
    return stack_sql(stack,
                     "SELECT count(*) FROM dead_letters WHERE message_id = '%s' AND reason = 'opted_out: the recipient "
                     "has opted out of messages from this sender'",
                     id) == 1;
}

static bool is_recorded(const char *their_address, const char *state) {
    return stack_sql(stack, "SELECT count(*) FROM opt_outs WHERE their_address = '%s' AND state = '%s'", their_address,
                     state) == 1;
}

static int64_t pairs_of(unsigned partition) {
    return stack_redis_int(stack, "HLEN optouts:{sms-mms:%u}", partition);
}

// Every partition was filled in.
static bool all_are_known(void) {
    bool known = true;
    for (unsigned i = 0; i < PARTITIONS; i++) {
        redisReply *mark = stack_redis(stack, "HGET optouts:{sms-mms:%u} %b", i, "", (size_t)0);
        known = known && mark->type == REDIS_REPLY_STRING && strchr(mark->str, '/') != NULL;
        freeReplyObject(mark);
    }
    return known;
}

// ---- STOP and START

START_TEST(a_send_to_who_says_stop_is_refused_until_start) {
    char *caller = new_caller();
    ck_assert(is_taken(caller));
    says(caller, "Stop.");
    assert_refused(caller);
    WAIT_FOR(10000, is_recorded(caller, "out"));
    says(caller, "START");
    ck_assert(is_taken(caller));
    WAIT_FOR(10000, is_recorded(caller, "in"));
    free(caller);
}
END_TEST

START_TEST(it_is_about_the_pair_and_the_channel) {
    char *caller = new_caller(), *other = new_caller();
    says(caller, "STOPALL");
    assert_refused(caller);
    ck_assert(is_taken(other));
    char *from_elsewhere = payload_sms("+12016669999", caller, "hello");
    ck_assert_int_eq(stack_status(stack, "ingest-1", "POST", PATH_SMS, from_elsewhere), 202);
    free(from_elsewhere);
    char *mms = payload_mms(OURS, caller, "hello");
    ck_assert_int_eq(stack_status(stack, "ingest-1", "POST", PATH_SMS, mms), 422);
    free(mms);
    free(caller);
    free(other);
}
END_TEST

START_TEST(it_is_known_however_the_address_is_written) {
    char *caller = new_caller();
    says(caller, "quit");
    char *written = xasprintf("%.2s (%.3s) %.3s-%s", caller, caller + 2, caller + 5, caller + 8);
    assert_refused(written);
    free(written);
    free(caller);
}
END_TEST

START_TEST(a_message_with_more_to_say_is_no_stop) {
    char *caller = new_caller();
    says(caller, "please stop by at five");
    says(caller, "HELP");
    ck_assert(is_taken(caller));
    free(caller);
}
END_TEST

START_TEST(an_email_that_says_stop_is_an_email) {
    char *mail = payload_email_webhook("contact@gmail.com", "user@usehatchapp.com", "stop-mail", "STOP");
    ck_assert_int_eq(stack_status(stack, "ingest-1", "POST", PATH_EMAIL_WEBHOOK, mail), 202);
    free(mail);
    mail = payload_email("user@usehatchapp.com", "contact@gmail.com", "hello");
    ck_assert_int_eq(stack_status(stack, "ingest-1", "POST", PATH_EMAIL, mail), 202);
    free(mail);
}
END_TEST

START_TEST(every_partition_knows_the_pair) {
    char *caller = new_caller();
    int64_t before[PARTITIONS];
    for (unsigned i = 0; i < PARTITIONS; i++) {
        before[i] = pairs_of(i);
    }
    says(caller, "STOP");
    for (unsigned i = 0; i < PARTITIONS; i++) {
        ck_assert_int_eq(pairs_of(i), before[i] + 1);
    }
    free(caller);
}
END_TEST

START_TEST(twilios_own_judgement_beats_the_body) {
    static const struct {
        const char *body, *type;
        bool out;
    } cases[] = {{"Arr%C3%AAt", "STOP", true}, {"STOP", "HELP", false}, {"STOP", "", true}, {"weiter", "START", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *caller = new_caller();
        char *form = xasprintf("MessageSid=SM%s&From=%%2B%s&To=%%2B12016661234&Body=%s&NumMedia=0&OptOutType=%s",
                               caller + 1, caller + 1, cases[i].body, cases[i].type);
        struct answer *answer =
            stack_call(stack, "ingest-1", "POST", PATH_SMS_WEBHOOK, form, (const char *const[]){FORM_TYPE, NULL});
        ck_assert_int_eq(answer->status, 200);
        answer_free(answer);
        ck_assert_int_eq(is_taken(caller), !cases[i].out);
        free(form);
        free(caller);
    }
}
END_TEST

// ---- Which word counts

START_TEST(the_word_that_was_said_later_counts_in_whatever_order_they_come) {
    char *caller = new_caller();
    says_at(caller, "late-1", "START", "2024-11-01T14:00:02Z");
    says_at(caller, "late-2", "STOP", "2024-11-01T14:00:01Z");
    ck_assert(is_taken(caller));
    says_at(caller, "late-3", "STOP", "2024-11-01T14:00:03Z");
    says_at(caller, "late-4", "START", "2024-11-01T14:00:02Z");
    assert_refused(caller);
    WAIT_FOR(10000, stack_is_drained(stack));
    assert_refused(caller);
    ck_assert(is_recorded(caller, "out"));
    free(caller);
}
END_TEST

START_TEST(of_two_of_one_time_the_one_that_comes_later_counts) {
    char *caller = new_caller();
    says_at(caller, "even-1", "STOP", "2024-11-01T14:00:00Z");
    assert_refused(caller);
    says_at(caller, "even-2", "START", "2024-11-01T14:00:00Z");
    ck_assert(is_taken(caller));
    WAIT_FOR(10000, is_recorded(caller, "in"));
    free(caller);
}
END_TEST

START_TEST(a_start_that_comes_again_opts_nobody_in) {
    char *caller = new_caller();
    says_at(caller, "again-1", "START", "");
    says(caller, "STOP");
    says_at(caller, "again-1", "START", "");
    assert_refused(caller);
    free(caller);
}
END_TEST

START_TEST(nor_does_one_that_comes_again_when_redis_has_forgotten_it) {
    char *caller = new_caller();
    says_at(caller, "forgotten-1", "START", "");
    says(caller, "STOP");
    WAIT_FOR(10000, is_recorded(caller, "out") && stack_is_drained(stack));
    redisReply *keys = stack_redis(stack, "KEYS idem:*");
    for (size_t i = 0; i < keys->elements; i++) {
        freeReplyObject(stack_redis(stack, "DEL %s", keys->element[i]->str));
    }
    freeReplyObject(keys);
    says_at(caller, "forgotten-1", "START", "");
    WAIT_FOR(10000, !is_taken(caller)); // Postgres knows when it was said
    ck_assert(is_recorded(caller, "out"));
    free(caller);
}
END_TEST

// A word of the caller's as its entry has it, said and come at that moment.
static void add_word(const char *id, char *caller, enum opt_out_state state, int64_t at_ms) {
    char ours[] = OURS, body[] = "x", request[] = "test";
    char *provider_id = xasprintf("word-%s", id);
    free(events_add_message(stack, "*", id,
                            &(struct message){.type = MESSAGE_SMS,
                                              .direction = MESSAGE_INBOUND,
                                              .from = caller,
                                              .to = ours,
                                              .sender = caller,
                                              .recipient = ours,
                                              .body = body,
                                              .occurred_ms = at_ms,
                                              .provider_message_id = provider_id,
                                              .request_id = request,
                                              .opt_out = state,
                                              .opt_out_ms = at_ms,
                                              .opt_out_came_ms = at_ms}));
    free(provider_id);
}

static void believe_out(const char *caller, int64_t at_ms) {
    struct buf pair = {0};
    char *place = xasprintf("%" PRId64 " %" PRId64, at_ms, at_ms);
    opt_out_pair(OURS, caller, &pair);
    for (unsigned i = 0; i < PARTITIONS; i++) {
        freeReplyObject(stack_redis(stack, "HSET optouts:{sms-mms:%u} %b %s", i, pair.data, pair.length, place));
    }
    free(place);
    buf_free(&pair);
}

// A STOP comes again when Redis has forgotten the first, in the same millisecond as a START.
START_TEST(a_word_that_was_none_gives_way_to_one_of_the_same_moment) {
    char *caller = new_caller(), *stop = events_new_id(), *start = events_new_id();
    int64_t now_ms = clock_unix_ms();
    add_word(stop, caller, OPT_OUT_OUT, now_ms - 60000);
    WAIT_FOR(10000, is_recorded(caller, "out") && stack_is_drained(stack));
    believe_out(caller, now_ms);
    add_word(start, caller, OPT_OUT_IN, now_ms);
    add_word(stop, caller, OPT_OUT_OUT, now_ms);
    WAIT_FOR(10000, is_recorded(caller, "in") && is_taken(caller));
    free(start);
    free(stop);
    free(caller);
}
END_TEST

// ---- A STOP that could not be read

START_TEST(a_stop_that_was_kept_counts_once_it_is_read_again) {
    char *caller = new_caller();
    char *broken = xasprintf("{\"from\":\"%s\",\"body\":\"STOP\"}", caller);
    ck_assert_int_eq(stack_status(stack, "ingest-1", "POST", PATH_SMS_WEBHOOK, broken), 400);
    free(broken);
    WAIT_FOR(10000, stack_sql(stack,
                              "SELECT count(*) FROM dead_letters WHERE stage = 'webhook' AND convert_from(raw, "
                              "'UTF8') LIKE '%%%s%%'",
                              caller) == 1);
    ck_assert(is_taken(caller));
    char *stop = inbound(caller, "kept-stop", "STOP", "");
    int64_t letter = stack_sql(stack,
                               "UPDATE dead_letters SET raw = convert_to('%s', 'UTF8') WHERE stage = 'webhook' AND "
                               "convert_from(raw, 'UTF8') LIKE '%%%s%%' RETURNING id",
                               stop, caller);
    char *path = xasprintf("/api/dead-letters/%" PRId64 "/replay", letter);
    ck_assert_int_eq(stack_status(stack, "ingest-1", "POST", path, NULL), 202);
    WAIT_FOR(10000, is_recorded(caller, "out") && stack_is_drained(stack));
    assert_refused(caller);
    free(path);
    free(stop);
    free(caller);
}
END_TEST

// ---- What waits

START_TEST(what_waits_fails_before_its_next_call) {
    char *caller = new_caller();
    mock_configure(stack, "{\"timeout_pct\":0,\"error_pct\":100,\"ratelimit_pct\":0}");
    char *id = send_taken(caller);
    WAIT_FOR(10000, calls_to(id) >= 1);
    says(caller, "STOP");
    mock_configure(stack, MOCK_WELL);
    WAIT_FOR(20000, message_is(stack, id, "failed"));
    ck_assert(has_failed_uncalled(id));
    ck_assert_int_eq(stack_sql(stack,
                               "SELECT count(*) FROM dispatch_attempts WHERE message_id = '%s' AND outcome = "
                               "'sent'",
                               id),
                     0);
    breakers_reset(stack);
    free(id);
    free(caller);
}
END_TEST

START_TEST(what_lies_in_the_stream_is_not_called_after_a_stop_that_was_answered) {
    char *caller = new_caller();
    stack_signal(stack, "dispatcher-1", SIGSTOP);
    char *id = send_taken(caller);
    says(caller, "STOP");
    stack_signal(stack, "dispatcher-1", SIGCONT);
    WAIT_FOR(20000, message_is(stack, id, "failed"));
    ck_assert(has_failed_uncalled(id));
    ck_assert_int_eq(calls_to(id), 0);
    free(id);
    free(caller);
}
END_TEST

START_TEST(its_dead_letter_is_replayed_only_after_start) {
    char *caller = new_caller();
    stack_signal(stack, "dispatcher-1", SIGSTOP);
    char *id = send_taken(caller);
    says(caller, "STOP");
    stack_signal(stack, "dispatcher-1", SIGCONT);
    WAIT_FOR(20000, has_failed_uncalled(id));
    int64_t letter = stack_sql(stack, "SELECT id FROM dead_letters WHERE message_id = '%s'", id);
    char *path = xasprintf("/api/dead-letters/%lld/replay", (long long)letter);
    struct answer *answer = stack_call(stack, "ingest-1", "POST", path, NULL, NULL);
    ck_assert_int_eq(answer->status, 422);
    ck_assert_str_eq(answer_text(answer, "code"), "opted_out");
    answer_free(answer);
    ck_assert_int_eq(stack_status(stack, "ingest-1", "POST", "/api/dead-letters/replay", "{\"reason\":\"opted_out\"}"),
                     202);
    WAIT_FOR(10000, stack_redis_int(stack, "XLEN replays:{replay}") == 0);
    ck_assert(message_is(stack, id, "failed")); // it was skipped
    says(caller, "START");
    ck_assert_int_eq(stack_status(stack, "ingest-1", "POST", path, NULL), 202);
    WAIT_FOR(20000, message_is(stack, id, "sent"));
    free(path);
    free(id);
    free(caller);
}
END_TEST

START_TEST(a_provider_that_says_so_opts_out_as_well) {
    static const char opted_out[] = "+15005550004"; // Twilio's test number of 21610
    char *id = send_taken(opted_out);
    WAIT_FOR(20000, message_is(stack, id, "failed"));
    WAIT_FOR(10000, !is_taken(opted_out));
    WAIT_FOR(10000, is_recorded(opted_out, "out"));
    ck_assert_int_eq(
        stack_sql(stack, "SELECT count(*) FROM opt_outs WHERE their_address = '%s' AND by = 'provider'", opted_out), 1);
    free(id);
}
END_TEST

// ---- The API

#define PATH "/api/opt-outs"

static char *pair_body(const char *channel, const char *ours, const char *theirs) {
    return xasprintf("{\"channel\":\"%s\",\"our_address\":\"%s\",\"their_address\":\"%s\"}", channel, ours, theirs);
}

static struct answer *put(char *body) {
    struct answer *answer = stack_call(stack, "ingest-1", "PUT", PATH, body, NULL);
    free(body);
    return answer;
}

static struct answer *call_with(const char *method, char *query) {
    char *path = xasprintf(PATH "?%s", query);
    struct answer *answer = stack_call(stack, "ingest-1", method, path, NULL, NULL);
    free(path);
    free(query);
    return answer;
}

static int64_t listed(char *query) {
    struct answer *answer = call_with("GET", query);
    ck_assert_int_eq(answer->status, 200);
    int64_t count = cJSON_GetArraySize(answer_at(answer, "items"));
    answer_free(answer);
    return count;
}

START_TEST(an_operator_opts_out_and_in) {
    char *caller = new_caller();
    for (int i = 0; i < 2; i++) { // said twice, it is the same
        struct answer *answer = put(pair_body("sms", "+1 (201) 666-1234", caller));
        ck_assert_msg(answer->status == 200, "%ld: %s", answer->status, answer->body);
        ck_assert_str_eq(answer_text(answer, "channel"), "sms");
        ck_assert_str_eq(answer_text(answer, "our_address"), OURS);
        ck_assert_str_eq(answer_text(answer, "their_address"), caller);
        ck_assert_str_eq(answer_text(answer, "state"), "out");
        ck_assert_str_eq(answer_text(answer, "by"), "operator");
        answer_free(answer);
        assert_refused(caller);
    }
    WAIT_FOR(10000, listed(xasprintf("their_address=%%2B%s", caller + 1)) == 1);
    for (int i = 0; i < 2; i++) {
        struct answer *answer =
            call_with("DELETE", xasprintf("channel=sms&our_address=%%2B12016661234&their_address=+%s", caller + 1));
        ck_assert_msg(answer->status == 200, "%ld: %s", answer->status, answer->body);
        ck_assert_str_eq(answer_text(answer, "state"), "in");
        answer_free(answer);
        ck_assert(is_taken(caller));
    }
    WAIT_FOR(10000, listed(xasprintf("channel=sms&their_address=%s", caller + 1)) == 0);
    free(caller);
}
END_TEST

START_TEST(emails_are_opted_out_as_well) {
    struct answer *answer = put(pair_body("email", "User <user@usehatchapp.com>", "Out+news@Gmail.com"));
    ck_assert_int_eq(answer->status, 200);
    ck_assert_str_eq(answer_text(answer, "their_address"), "out@gmail.com");
    answer_free(answer);
    char *mail = payload_email("user@usehatchapp.com", "out@gmail.com", "hello");
    ck_assert_int_eq(stack_status(stack, "ingest-1", "POST", PATH_EMAIL, mail), 422);
    free(mail);
    WAIT_FOR(10000, listed(xstrdup("channel=email&our_address=user@usehatchapp.com")) == 1);
    ck_assert_int_eq(listed(xstrdup("channel=sms&our_address=user@usehatchapp.com")), 0);
}
END_TEST

START_TEST(the_list_is_paged_by_its_cursor) {
    enum { PAIRS = 7 };
    for (unsigned i = 0; i < PAIRS; i++) {
        char *theirs = xasprintf("+4412345678%02u", i);
        struct answer *answer = put(pair_body("sms", "+441111111111", theirs));
        ck_assert_int_eq(answer->status, 200);
        answer_free(answer);
        free(theirs);
    }
    WAIT_FOR(10000, listed(xstrdup("our_address=%2B441111111111")) == PAIRS);
    char *cursor = xstrdup("");
    unsigned seen = 0;
    do {
        struct answer *answer = call_with(
            "GET", xasprintf("our_address=%%2B441111111111&pageSize=3%s%s", *cursor != '\0' ? "&cursor=" : "", cursor));
        ck_assert_int_eq(answer->status, 200);
        for (int i = 0; i < cJSON_GetArraySize(answer_at(answer, "items")); i++) {
            const cJSON *item = cJSON_GetArrayItem(answer_at(answer, "items"), i);
            const char *theirs = cJSON_GetObjectItem(item, "their_address")->valuestring;
            unsigned bit = 1u << (theirs[strlen(theirs) - 1] - '0');
            ck_assert_uint_eq(seen & bit, 0);
            seen |= bit;
            ck_assert(cJSON_IsString(cJSON_GetObjectItem(item, "since")));
        }
        free(cursor);
        cursor = xstrdup(answer_text(answer, "meta.next_cursor"));
        answer_free(answer);
    } while (*cursor != '\0');
    free(cursor);
    ck_assert_uint_eq(seen, (1u << PAIRS) - 1);
}
END_TEST

START_TEST(what_names_no_pair_is_400_and_says_why) {
    static const struct {
        const char *body, *field;
    } cases[] = {
        {"{\"our_address\":\"+1201\",\"their_address\":\"+1202\"}", "channel"},
        {"{\"channel\":\"mms\",\"our_address\":\"+1201\",\"their_address\":\"+1202\"}", "channel"},
        {"{\"channel\":\"sms\",\"their_address\":\"+1202\"}", "our_address"},
        {"{\"channel\":\"sms\",\"our_address\":1201,\"their_address\":\"+1202\"}", "our_address"},
        {"{\"channel\":\"sms\",\"our_address\":\"+1201\",\"their_address\":\"a@b.example\"}", "their_address"},
        {"{\"channel\":\"email\",\"our_address\":\"+1201\",\"their_address\":\"a@b.example\"}", "our_address"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct answer *answer = put(xstrdup(cases[i].body));
        ck_assert_msg(answer->status == 400, "%s: %ld", cases[i].body, answer->status);
        ck_assert_str_eq(answer_text(answer, "details.field"), cases[i].field);
        answer_free(answer);
    }
    struct answer *answer = put(xstrdup("[]"));
    ck_assert_int_eq(answer->status, 400);
    answer_free(answer);
    answer = call_with("DELETE", xstrdup("channel=sms&our_address=1201"));
    ck_assert_int_eq(answer->status, 400);
    ck_assert_str_eq(answer_text(answer, "details.field"), "their_address");
    answer_free(answer);
    answer = call_with("GET", xstrdup("channel=fax"));
    ck_assert_int_eq(answer->status, 400);
    answer_free(answer);
}
END_TEST

// ---- A Redis that has forgotten

static const char *const losses[] = {"FLUSHALL", "DEL optouts:{sms-mms:0} optouts:{sms-mms:1} optouts:{sms-mms:2}",
                                     "HDEL optouts:{sms-mms:0} %b", "SET optouts:{sms-mms:0} garbage"};

static void lose(const char *command) {
    redisReply *reply = stack_redis(stack, command, "", (size_t)0);
    ck_assert_int_ne(reply->type, REDIS_REPLY_ERROR);
    freeReplyObject(reply);
}

START_TEST(what_redis_forgets_is_there_again_before_anything_is_called) {
    stack_allow_error(stack, "opt_out_refused"); // where one is told while the key holds garbage
    char *caller = new_caller();
    says(caller, "STOP");
    WAIT_FOR(10000, is_recorded(caller, "out") && stack_is_drained(stack));
    stack_signal(stack, "persister-1", SIGSTOP);
    lose(losses[_i]);
    stack_settle(stack);
    struct answer *answer = send_to(caller);
    char *id = answer->status == 202 ? xstrdup(answer_text(answer, "id")) : NULL;
    answer_free(answer);
    stack_signal(stack, "persister-1", SIGCONT);
    WAIT_FOR(10000, all_are_known());
    assert_refused(caller);
    if (id != NULL) {
        WAIT_FOR(20000, message_is(stack, id, "failed"));
        ck_assert(has_failed_uncalled(id));
        ck_assert_int_eq(calls_to(id), 0);
    }
    free(id);
    free(caller);
}
END_TEST

static bool readiness_names(const char *code) {
    struct answer *answer = stack_call(stack, "ingest-1", "GET", "/readyz", NULL, NULL);
    bool names = strstr(answer->body, code) != NULL;
    answer_free(answer);
    return names;
}

START_TEST(a_redis_that_was_started_again_is_filled_before_anything_is_called) {
    char *caller = new_caller(), *other = new_caller();
    says(caller, "STOP");
    WAIT_FOR(10000, is_recorded(caller, "out") && stack_is_drained(stack));
    stack_stop(stack, "persister-1");
    stack_kill(stack, "redis");
    stack_start(stack, "redis");
    WAIT_FOR(10000, stack_status(stack, "ingest-1", "GET", "/readyz", NULL) == 200);
    char *id = send_taken(other);
    WAIT_FOR(10000, stack_redis_int(stack, "XLEN outbound:{sms-mms:0}") +
                            stack_redis_int(stack, "XLEN outbound:{sms-mms:1}") +
                            stack_redis_int(stack, "XLEN outbound:{sms-mms:2}") ==
                        1); // it waits
    WAIT_FOR(10000, readiness_names("opt_outs_unknown"));
    stack_start(stack, "persister-1");
    WAIT_FOR(20000, message_is(stack, id, "sent"));
    assert_refused(caller);
    free(id);
    free(caller);
    free(other);
}
END_TEST

// ---- Off

START_TEST(where_it_is_off_nobody_opts_out) {
    static const char *const off[] = {"OPT_OUT=off", NULL};
    char *caller = new_caller();
    stack_stop(stack, "ingest-1");
    stack_start_with(stack, "ingest-1", off);
    says(caller, "STOP");
    ck_assert(is_taken(caller));
    stack_stop(stack, "ingest-1");
    stack_start(stack, "ingest-1");
    free(caller);
}
END_TEST

START_TEST(all_end_in_order) {
    stack_finish(stack);
}
END_TEST

Suite *suite_opt_outs(void) {
    Suite *suite = suite_create("opt_outs");
    TCase *tests = tcase_create("opt_outs");
    tcase_set_timeout(tests, 120);
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_checked_fixture(tests, recover, NULL);
    tcase_add_test(tests, a_send_to_who_says_stop_is_refused_until_start);
    tcase_add_test(tests, it_is_about_the_pair_and_the_channel);
    tcase_add_test(tests, it_is_known_however_the_address_is_written);
    tcase_add_test(tests, a_message_with_more_to_say_is_no_stop);
    tcase_add_test(tests, an_email_that_says_stop_is_an_email);
    tcase_add_test(tests, every_partition_knows_the_pair);
    tcase_add_test(tests, twilios_own_judgement_beats_the_body);
    tcase_add_test(tests, the_word_that_was_said_later_counts_in_whatever_order_they_come);
    tcase_add_test(tests, of_two_of_one_time_the_one_that_comes_later_counts);
    tcase_add_test(tests, a_start_that_comes_again_opts_nobody_in);
    tcase_add_test(tests, nor_does_one_that_comes_again_when_redis_has_forgotten_it);
    tcase_add_test(tests, a_word_that_was_none_gives_way_to_one_of_the_same_moment);
    tcase_add_test(tests, a_stop_that_was_kept_counts_once_it_is_read_again);
    tcase_add_test(tests, what_waits_fails_before_its_next_call);
    tcase_add_test(tests, what_lies_in_the_stream_is_not_called_after_a_stop_that_was_answered);
    tcase_add_test(tests, its_dead_letter_is_replayed_only_after_start);
    tcase_add_test(tests, a_provider_that_says_so_opts_out_as_well);
    tcase_add_test(tests, an_operator_opts_out_and_in);
    tcase_add_test(tests, emails_are_opted_out_as_well);
    tcase_add_test(tests, the_list_is_paged_by_its_cursor);
    tcase_add_test(tests, what_names_no_pair_is_400_and_says_why);
    tcase_add_loop_test(tests, what_redis_forgets_is_there_again_before_anything_is_called, 0,
                        sizeof losses / sizeof *losses);
    tcase_add_test(tests, a_redis_that_was_started_again_is_filled_before_anything_is_called);
    tcase_add_test(tests, where_it_is_off_nobody_opts_out);
    tcase_add_test(tests, all_end_in_order);
    suite_add_tcase(suite, tests);
    return suite;
}
