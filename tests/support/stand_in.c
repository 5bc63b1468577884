// SPDX-License-Identifier: MIT
#include "tests/support/stand_in.h"

#include <check.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "shared/base/buf.h"
#include "shared/base/form.h"
#include "shared/base/mem.h"
#include "shared/http/server.h"
#include "tests/support/each.h"
#include "tests/support/port.h"

enum { MOST_RULES = 64, MOST_CALLS = 65536, TO_SIZE = 24, BODY_BYTES = 65536, TIMEOUT_MS = 60000, CONNECTIONS = 1024 };

struct rule {
    char to[TO_SIZE];
    unsigned number; // 0: any
    enum stand_in_answer answer;
    unsigned left; // 0: it always holds
    bool used_up;
};

struct call {
    char to[TO_SIZE];
    unsigned number;
    enum stand_in_answer answer;
    unsigned ended; // the count of calls when it was answered; 0: it wasn't
    struct http_request *kept;
};

struct stand_in {
    uv_loop_t loop;
    uv_async_t wake;
    uv_sem_t done;
    pthread_t thread;
    bool stops; // else what is kept is to be released
    struct http_server *server;
    char *url;
    pthread_mutex_t lock; // guards what follows
    struct rule rules[MOST_RULES];
    size_t rule_count;
    struct call *calls;
    unsigned call_count;
};

// ---- Answering

static void answer(struct http_request *request, enum stand_in_answer how, unsigned place) {
    static const unsigned statuses[] = {
        [STAND_IN_TAKES] = 201, [STAND_IN_FAILS] = 500, [STAND_IN_REJECTS] = 400, [STAND_IN_REFUSES] = 403};
    char body[64];
    if (how == STAND_IN_TAKES) {
        snprintf(body, sizeof body, "{\"sid\":\"SM%032x\",\"status\":\"queued\"}", place);
    } else {
        snprintf(body, sizeof body, "{\"code\":20000,\"message\":\"so it was told\"}");
    }
    http_reply(request, statuses[how], "application/json", body, strlen(body));
}

static bool is_about(const struct rule *rule, const struct call *call) {
    return !rule->used_up && strcmp(rule->to, call->to) == 0 && (rule->number == 0 || rule->number == call->number);
}

static enum stand_in_answer choose(struct stand_in *stand_in, const struct call *call) {
    for (size_t i = stand_in->rule_count; i-- > 0;) {
        struct rule *rule = &stand_in->rules[i];
        if (is_about(rule, call)) {
            rule->used_up = rule->left == 1;
            rule->left -= rule->left > 0;
            return rule->answer;
        }
    }
    return STAND_IN_TAKES;
}

static void read_call(struct http_request *request, struct call *out) {
    size_t length;
    const char *body = http_body(request, &length);
    struct form form;
    ASSERT_EACH(form_parse(body, length, &form) == 0);
    const char *to = form_get(&form, "To"), *number = form_get(&form, "Body");
    snprintf(out->to, sizeof out->to, "%s", to != NULL ? to : "");
    out->number = number != NULL ? (unsigned)strtoul(number, NULL, 10) : 0;
    form_free(&form);
}

static void stand_in_on_request(void *argument, struct http_request *request, enum http_body_state state) {
    struct stand_in *stand_in = argument;
    ASSERT_EACH(state == HTTP_BODY_OK);
    pthread_mutex_lock(&stand_in->lock);
    ASSERT_EACH(stand_in->call_count < MOST_CALLS);
    struct call *call = &stand_in->calls[stand_in->call_count++];
    unsigned place = stand_in->call_count;
    read_call(request, call);
    call->answer = choose(stand_in, call);
    http_set_context(request, call);
    if (call->answer == STAND_IN_KEEPS) {
        call->kept = request;
    } else {
        call->ended = place;
    }
    enum stand_in_answer how = call->answer;
    pthread_mutex_unlock(&stand_in->lock);
    if (how != STAND_IN_KEEPS) {
        answer(request, how, place);
    }
}

static void stand_in_on_done(void *argument, struct http_request *request) {
    struct stand_in *stand_in = argument;
    struct call *call = http_context(request);
    pthread_mutex_lock(&stand_in->lock);
    if (call != NULL) {
        call->kept = NULL;
    }
    pthread_mutex_unlock(&stand_in->lock);
}

static void release(struct stand_in *stand_in) {
    for (unsigned i = 0; i < stand_in->call_count; i++) {
        struct call *call = &stand_in->calls[i];
        struct http_request *kept = call->kept;
        if (kept != NULL) {
            pthread_mutex_lock(&stand_in->lock);
            call->kept = NULL;
            call->answer = STAND_IN_TAKES;
            call->ended = stand_in->call_count;
            pthread_mutex_unlock(&stand_in->lock);
            answer(kept, STAND_IN_TAKES, i + 1);
        }
    }
}

// ---- What it is told

void stand_in_rule(struct stand_in *stand_in, const char *to, unsigned number, enum stand_in_answer answer,
                   unsigned times) {
    pthread_mutex_lock(&stand_in->lock);
    ck_assert_uint_lt(stand_in->rule_count, MOST_RULES);
    struct rule *rule = &stand_in->rules[stand_in->rule_count++];
    *rule = (struct rule){.number = number, .answer = answer, .left = times};
    snprintf(rule->to, sizeof rule->to, "%s", to);
    pthread_mutex_unlock(&stand_in->lock);
}

void stand_in_forget_rules(struct stand_in *stand_in) {
    pthread_mutex_lock(&stand_in->lock);
    stand_in->rule_count = 0;
    pthread_mutex_unlock(&stand_in->lock);
}

static void give(struct stand_in *stand_in, bool stops) {
    stand_in->stops = stops;
    uv_async_send(&stand_in->wake);
    uv_sem_wait(&stand_in->done);
}

void stand_in_release(struct stand_in *stand_in) {
    give(stand_in, false);
}

// ---- What it has seen

static bool is_of(const struct call *call, const char *to, unsigned number) {
    return strcmp(call->to, to) == 0 && (number == 0 || call->number == number);
}

static bool is_first(const struct stand_in *stand_in, unsigned place) {
    const struct call *call = &stand_in->calls[place];
    for (unsigned i = 0; i < place; i++) {
        if (is_of(&stand_in->calls[i], call->to, call->number)) {
            return false;
        }
    }
    return true;
}

unsigned stand_in_calls(struct stand_in *stand_in, const char *to, unsigned number) {
    unsigned count = 0;
    pthread_mutex_lock(&stand_in->lock);
    for (unsigned i = 0; i < stand_in->call_count; i++) {
        count += is_of(&stand_in->calls[i], to, number);
    }
    pthread_mutex_unlock(&stand_in->lock);
    return count;
}

char *stand_in_order(struct stand_in *stand_in, const char *to) {
    struct buf out = {0};
    buf_puts(&out, "");
    pthread_mutex_lock(&stand_in->lock);
    for (unsigned i = 0; i < stand_in->call_count; i++) {
        if (is_of(&stand_in->calls[i], to, 0) && is_first(stand_in, i)) {
            buf_printf(&out, "%s%u", out.length > 0 ? " " : "", stand_in->calls[i].number);
        }
    }
    pthread_mutex_unlock(&stand_in->lock);
    char *text = xstrdup(out.data != NULL ? out.data : "");
    buf_free(&out);
    return text;
}

unsigned stand_in_messages(struct stand_in *stand_in, const char *to) {
    unsigned count = 0;
    pthread_mutex_lock(&stand_in->lock);
    for (unsigned i = 0; i < stand_in->call_count; i++) {
        count += is_of(&stand_in->calls[i], to, 0) && is_first(stand_in, i);
    }
    pthread_mutex_unlock(&stand_in->lock);
    return count;
}

static bool had_ended(const struct stand_in *stand_in, const char *to, unsigned number, unsigned place) {
    for (unsigned i = 0; i < place; i++) {
        const struct call *call = &stand_in->calls[i];
        bool is_final = call->answer == STAND_IN_TAKES || call->answer == STAND_IN_REJECTS;
        if (is_of(call, to, number) && is_final && call->ended > 0 && call->ended <= place) {
            return true;
        }
    }
    return false;
}

static bool overtakes(const struct stand_in *stand_in, unsigned place) {
    const struct call *call = &stand_in->calls[place];
    for (unsigned i = 0; i < stand_in->call_count; i++) {
        const struct call *other = &stand_in->calls[i];
        if (is_of(other, call->to, 0) && other->number < call->number &&
            !had_ended(stand_in, call->to, other->number, place)) {
            return true;
        }
    }
    return false;
}

unsigned stand_in_overtaking(struct stand_in *stand_in, const char *to) {
    unsigned count = 0;
    pthread_mutex_lock(&stand_in->lock);
    for (unsigned i = 0; i < stand_in->call_count; i++) {
        count += is_of(&stand_in->calls[i], to, 0) && is_first(stand_in, i) && overtakes(stand_in, i);
    }
    pthread_mutex_unlock(&stand_in->lock);
    return count;
}

// ---- Its life

static void stand_in_on_wake(uv_async_t *wake) {
    struct stand_in *stand_in = wake->data;
    release(stand_in);
    if (stand_in->stops) {
        http_server_destroy(stand_in->server);
        uv_close((uv_handle_t *)&stand_in->wake, NULL);
    }
    uv_sem_post(&stand_in->done);
}

static void *run(void *argument) {
    struct stand_in *stand_in = argument;
    uv_run(&stand_in->loop, UV_RUN_DEFAULT);
    return NULL;
}

const char *stand_in_url(const struct stand_in *stand_in) {
    return stand_in->url;
}

struct stand_in *stand_in_start(void) {
    struct stand_in *stand_in = xcalloc(1, sizeof *stand_in);
    uint16_t port = free_port();
    stand_in->calls = xcalloc(MOST_CALLS, sizeof *stand_in->calls);
    stand_in->url = xasprintf("PROVIDER_SMS_URL=http://127.0.0.1:%u", port);
    pthread_mutex_init(&stand_in->lock, NULL);
    ck_assert_int_eq(uv_loop_init(&stand_in->loop), 0);
    ck_assert_int_eq(uv_async_init(&stand_in->loop, &stand_in->wake, stand_in_on_wake), 0);
    ck_assert_int_eq(uv_sem_init(&stand_in->done, 0), 0);
    stand_in->wake.data = stand_in;
    stand_in->server = http_server_create(&stand_in->loop, &(struct http_server_options){
                                                               .listen_socket = http_listen("127.0.0.1", port, false),
                                                               .max_connections = CONNECTIONS,
                                                               .max_body = BODY_BYTES,
                                                               .request_timeout_ms = TIMEOUT_MS,
                                                               .on_request = stand_in_on_request,
                                                               .on_done = stand_in_on_done,
                                                               .argument = stand_in,
                                                           });
    ck_assert_ptr_nonnull(stand_in->server);
    ck_assert_int_eq(pthread_create(&stand_in->thread, NULL, run, stand_in), 0);
    return stand_in;
}

void stand_in_destroy(struct stand_in *stand_in) {
    give(stand_in, true);
    pthread_join(stand_in->thread, NULL);
    ck_assert_int_eq(uv_loop_close(&stand_in->loop), 0);
    uv_sem_destroy(&stand_in->done);
    pthread_mutex_destroy(&stand_in->lock);
    free(stand_in->url);
    free(stand_in->calls);
    free(stand_in);
}
