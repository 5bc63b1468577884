// SPDX-License-Identifier: MIT
#include "tests/support/delivery.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"
#include "shared/message/message.h"
#include "tests/support/load.h"
#include "tests/support/payload.h"
#include "tests/support/reply.h"

#define MOCK "mock-provider"
#define SENDERS "m.from_address BETWEEN '+1555%07u' AND '+1555%07u'"

void delivery_recover(struct stack *stack) {
    const char *const dispatchers[] = {"dispatcher-1", "dispatcher-2", "dispatcher-3"};
    stack_recover(stack);
    for (size_t i = 0; i < sizeof dispatchers / sizeof *dispatchers; i++) {
        if (stack_is_running(stack, dispatchers[i])) {
            stack_stop(stack, dispatchers[i]);
        }
    }
    if (!stack_is_running(stack, MOCK)) {
        stack_start(stack, MOCK);
    }
    breakers_reset(stack);
    refusals_reset(stack);
    mock_configure(stack, MOCK_WELL);
}

static int config_changes(struct stack *stack) {
    return stack_log_count(stack, MOCK, "mock_config_changed");
}

void dispatchers_start(struct stack *stack, unsigned count, const char *const *environment) {
    for (unsigned i = 1; i <= count; i++) {
        char name[16];
        snprintf(name, sizeof name, "dispatcher-%u", i);
        stack_start_with(stack, name, environment);
    }
}

void mock_configure(struct stack *stack, const char *config) {
    int before = config_changes(stack);
    ck_assert_int_eq(stack_status(stack, "ingest-1", "PUT", "/api/provider/mock/config", config), 200);
    WAIT_FOR(2000, config_changes(stack) > before);
}

int64_t mock_count(struct stack *stack, const char *provider, const char *name) {
    char *path = xasprintf("providers.%s.%s", provider, name);
    struct answer *answer = stack_call(stack, MOCK, "GET", "/mock/stats", NULL, NULL);
    int64_t count = (int64_t)answer_number(answer, path);
    answer_free(answer);
    free(path);
    return count;
}

bool breaker_is(struct stack *stack, const char *provider, const char *state) {
    redisReply *reply = stack_redis(stack, "HGET breaker:{%s} state", provider);
    bool same = strcmp(reply_text(reply, 0), state) == 0;
    freeReplyObject(reply);
    return same;
}

int64_t breaker_number(struct stack *stack, const char *provider, const char *field) {
    redisReply *reply = stack_redis(stack, "HGET breaker:{%s} %s", provider, field);
    int64_t number = reply_text(reply, 0)[0] != '\0' ? reply_int(reply, 0) : PROBE_NONE;
    freeReplyObject(reply);
    return number;
}

void breakers_reset(struct stack *stack) {
    freeReplyObject(stack_redis(stack, "DEL breaker:{sms-mms}"));
    freeReplyObject(stack_redis(stack, "DEL breaker:{email}"));
}

void refusals_reset(struct stack *stack) {
    for (int i = 0; i < PROVIDER_COUNT; i++) {
        const char *provider = provider_name((enum provider)i);
        freeReplyObject(stack_redis(stack, "DEL refused:{%s:0} senders:{%s:0} senders-at:{%s:0} held-senders:{%s:0}",
                                    provider, provider, provider, provider));
    }
}

// Each send is of a conversation of its own, so that none waits for another.
static unsigned recipients;

char *send_sms_from(struct stack *stack, unsigned sender) {
    char from[24], to[24];
    snprintf(from, sizeof from, "+1555%07u", sender);
    snprintf(to, sizeof to, "+1804%07u", ++recipients);
    return send_accepted(stack, "ingest-1", PATH_SMS, payload_sms(from, to, "text"));
}

void send_many(struct stack *stack, unsigned first, unsigned count) {
    struct load_result *result = load_finish(load_start(&(struct load_options){
        .ports = {stack_port(stack, "ingest-1")},
        .threads = 4,
        .count = count,
        .senders = 20,
        .recipients = count,
        .first = first,
        .repeats = 5, // a disk that stalls makes a 503 out of a send
    }));
    ck_assert_uint_eq(result->accepted, count);
    load_result_free(result);
}

void send_emails(struct stack *stack, const char *from, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        char to[24];
        snprintf(to, sizeof to, "to%u@x.com", ++recipients);
        free(send_accepted(stack, "ingest-1", PATH_EMAIL, payload_email(from, to, "text")));
    }
}

int64_t status_count(struct stack *stack, unsigned first, const char *status) {
    return stack_sql(stack,
                     "SELECT count(*) FROM deliveries AS d JOIN messages AS m ON m.id = d.message_id WHERE d.status = "
                     "'%s' AND " SENDERS,
                     status, first, first + 99);
}

int64_t attempt_count(struct stack *stack, unsigned first, const char *outcome) {
    return stack_sql(stack,
                     "SELECT count(*) FROM dispatch_attempts AS a JOIN messages AS m ON m.id = a.message_id WHERE "
                     "a.outcome = '%s' AND " SENDERS,
                     outcome, first, first + 99);
}

bool message_is(struct stack *stack, const char *id, const char *status) {
    char *text = stack_sql_text(stack, "SELECT status FROM deliveries WHERE message_id = '%s'", id);
    bool same = text != NULL && strcmp(text, status) == 0;
    free(text);
    return same;
}

int64_t redis_now_ms(struct stack *stack) {
    redisReply *reply = stack_redis(stack, "TIME");
    int64_t now_ms = reply_int(reply, 0) * 1000 + reply_int(reply, 1) / 1000;
    freeReplyObject(reply);
    return now_ms;
}

int64_t held_count(struct stack *stack) {
    redisReply *reply = stack_redis(stack, "XPENDING outbound:{sms-mms:0} dispatchers");
    int64_t count = reply_int(reply, 0);
    const redisReply *consumers = reply_count(reply) == 4 ? reply->element[3] : NULL;
    for (size_t i = 0; consumers != NULL && i < consumers->elements; i++) {
        if (reply_text(consumers->element[i], 0)[0] == '.') { // what was given back
            count -= reply_int(consumers->element[i], 1);
        }
    }
    freeReplyObject(reply);
    return count;
}
