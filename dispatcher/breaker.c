// SPDX-License-Identifier: MIT
#include "dispatcher/breaker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dispatcher/fcall.h"
#include "shared/base/clock.h"
#include "shared/base/json.h"
#include "shared/base/log.h"
#include "shared/redis/feed.h"
#include "shared/redis/keys.h"
#include "shared/redis/reply.h"
#include "shared/redis/words.h"

enum {
    GRANT_MS = 100, // how long a GO lasts (docs/protocol.md); a probe too may begin no later, or it would reach into a
                    // pause that another probe's 429 has brought, though its lease lasts longer
    GO_REUSE_MS = 50,    // another lane's GO of this age is as good as asking
    KNOWN_MS = 1000,     // so old may be what is known of whether it may be called
    PROBE_MARGIN = 2000, // what a probe's lease lasts beyond the provider's time-out, from asking
    SHORTEST_WAIT_MS = 10,
    LONGEST_WAIT_MS = 1000, // an operator may close the breaker by hand, and another dispatcher's probes may succeed
    LOST_WAIT_MS = 100,
    FIRST_LEASE = 4, // of a reply to breaker_probe
    PACED_SIZE = 7,  // of the reply where there is a rate
};

struct breaker {
    const struct dispatch_env *env;
    struct breaker_options options;
    struct grant go;    // the last GO; GRANT_NONE: none is to be used again
    uint64_t forgotten; // how often it was forgotten: a GO that was asked for before is not to be used either
    int64_t accepted_ms;
    bool hastened;    // the next that is asked is to cut the time for which it is open
    bool may_call;    // by what was asked at known_ms
    int64_t known_ms; // clock_boot_ms; 0: nothing is known
    // A sender that is held, of whom the breaker is to be told again; NULL: none.
    char *held_sender;
    char held_epoch[BREAKER_EPOCH_SIZE];
};

// Of the breaker itself, in Redis.
enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN, BREAKER_UNKNOWN };

struct question {
    struct breaker *breaker;
    breaker_answer answer;
    void *argument;
    int64_t asked_ms;
    uint64_t forgotten; // breaker->forgotten then
    bool hastened;
};

static void copy_text(char *out, size_t size, const char *text) {
    snprintf(out, size, "%s", text != NULL ? text : "");
}

static enum breaker_state breaker_state_of(const char *text) {
    static const char *const names[] = {
        [BREAKER_CLOSED] = "closed", [BREAKER_OPEN] = "open", [BREAKER_HALF_OPEN] = "half-open"};
    int state = BREAKER_CLOSED;
    while (state < BREAKER_UNKNOWN && strcmp(text, names[state]) != 0) {
        state++;
    }
    return (enum breaker_state)state;
}

static const char *breaker_word_name(enum breaker_word word) {
    static const char *const names[] = {
        [BREAKER_NONE] = "none", [BREAKER_OK] = "ok",           [BREAKER_FAIL] = "fail",
        [BREAKER_TRIP] = "trip", [BREAKER_REFUSED] = "refused", [BREAKER_HELD] = "held",
    };
    return names[word];
}

static void breaker_announce(struct breaker *breaker, const char *from, const char *to, const char *reason) {
    struct buf data = {0};
    buf_putc(&data, '{');
    json_write_member(&data, "provider", provider_name(breaker->options.provider));
    json_write_member(&data, "from", from);
    json_write_member(&data, "to", to);
    json_write_member(&data, "reason", reason);
    buf_putc(&data, '}');
    feed_publish(breaker->env->link, breaker->env->settings->feed_max_length, "breaker", data.data);
    buf_free(&data);
}

static void log_transition(struct breaker *breaker, const char *from, const char *to, const char *reason) {
    counters_add_for(breaker->env->counters, COUNTER_BREAKER_TRANSITIONS, breaker->options.provider);
    if (breaker_state_of(to) == BREAKER_OPEN) {
        counters_add_for(breaker->env->counters, COUNTER_BREAKER_OPEN, breaker->options.provider);
    }
    breaker_announce(breaker, from, to, reason);
    struct log_line *line =
        log_begin(LOG_WARN, breaker->options.mock ? "mock_breaker_transition" : "breaker_transition");
    log_str(line, "provider", provider_name(breaker->options.provider));
    log_str(line, "from", from);
    log_str(line, "to", to);
    log_str(line, "reason", reason);
    if (breaker->options.mock) {
        log_bool(line, "mock", true);
    }
    log_end(line);
}

static int64_t within(int64_t value, int64_t least, int64_t most) {
    return value < least ? least : value > most ? most : value;
}

static bool only_paced(const redisReply *refusal) {
    return strcmp(redis_reply_text(refusal, 2, ""), "paced") == 0;
}

// {NO, ms, why, moved, accepted}. Where only the rate is used up, what others were granted of it goes on, and may be
// handed back before it has run out.
static int64_t read_refusal(struct breaker *breaker, const redisReply *reply) {
    if (only_paced(reply)) {
        return within(redis_reply_number(reply, 1, 0), SHORTEST_WAIT_MS, GRANT_MS);
    }
    breaker_forget_go(breaker);
    if (breaker_state_of(redis_reply_text(reply, 2, "")) == BREAKER_OPEN) {
        breaker->options.on_open(breaker->options.argument);
    }
    return within(redis_reply_number(reply, 1, 0), SHORTEST_WAIT_MS, LONGEST_WAIT_MS);
}

static void read_probes(const redisReply *reply, struct grant *grant) {
    if (reply->elements <= FIRST_LEASE) {
        return;
    }
    grant->probe_count = reply->elements - FIRST_LEASE;
    grant->probes = xcalloc(grant->probe_count, sizeof *grant->probes);
    for (size_t i = 0; i < grant->probe_count; i++) {
        copy_text(grant->probes[i], sizeof grant->probes[i], redis_reply_text(reply, i + FIRST_LEASE, ""));
    }
}

// {GO, epoch, moved, accepted} | {GO, epoch, moved, accepted, calls, now, price} | {PROBE, epoch, moved, accepted,
// lease …}
static struct grant read_grant(const redisReply *reply, const struct question *question) {
    struct grant grant = {.asked_ms = question->asked_ms, .forgotten = question->forgotten};
    copy_text(grant.epoch, sizeof grant.epoch, redis_reply_text(reply, 1, ""));
    if (library_word(reply) != WORD_GO) {
        grant.kind = GRANT_PROBE;
        read_probes(reply, &grant);
    } else if (reply->elements < PACED_SIZE) {
        grant.kind = GRANT_GO;
    } else {
        grant.kind = GRANT_PACED;
        grant.paced = (size_t)redis_reply_number(reply, 4, 0);
        grant.granted_ms = redis_reply_number(reply, 5, 0);
        grant.call_us = redis_reply_number(reply, 6, 0);
    }
    return grant;
}

// Keeps a GO for the other lanes, but not one for so many calls; drops one that was on its way while the provider said
// stop. Returns when to ask again in that case.
static int64_t breaker_take_go(const struct question *question, struct grant *grant) {
    struct breaker *breaker = question->breaker;
    if (grant->kind == GRANT_PROBE) {
        breaker_forget_go(breaker);
    } else if (question->forgotten != breaker->forgotten) {
        breaker_give_up(breaker, grant);
    }
    breaker->go = grant->kind == GRANT_GO ? *grant : (struct grant){0};
    return SHORTEST_WAIT_MS;
}

// What was asked before the provider said stop says nothing any more.
static void note_may_call(struct breaker *breaker, int64_t asked_ms, bool stale, bool may_call) {
    if (!stale && asked_ms >= breaker->known_ms) {
        breaker->may_call = may_call;
        breaker->known_ms = asked_ms;
    }
}

static void breaker_on_answer(void *argument, enum redis_result result, const redisReply *reply) {
    struct question *question = argument;
    struct breaker *breaker = question->breaker;
    struct grant grant = {0};
    int64_t wait_ms = LOST_WAIT_MS;
    bool stale = question->forgotten != breaker->forgotten;
    if (question->hastened && result == REDIS_LINK_OK) {
        breaker->hastened = false;
    }
    if (result != REDIS_LINK_OK) {
        if (result != REDIS_LINK_LOST) {
            log_error("breaker_failed", "%s: %s", breaker_key(breaker->options.provider), reply->str);
        }
    } else if (library_word(reply) == WORD_NO) {
        breaker->accepted_ms = redis_reply_number(reply, 4, 0);
        wait_ms = read_refusal(breaker, reply);
        note_may_call(breaker, question->asked_ms, stale, only_paced(reply));
    } else {
        breaker->accepted_ms = redis_reply_number(reply, 3, 0);
        grant = read_grant(reply, question);
        const char *moved = redis_reply_text(reply, 2, "");
        if (*moved) { // by GO and PROBE alike: only asking moves an open breaker, and only to half-open
            bool was_open = breaker_state_of(moved) == BREAKER_OPEN;
            log_transition(breaker, moved, "half-open", was_open ? "cool-down over" : "a pause was cut");
        }
        wait_ms = breaker_take_go(question, &grant);
        note_may_call(breaker, question->asked_ms, stale, library_word(reply) == WORD_GO);
    }
    question->answer(question->argument, grant, wait_ms);
    free(question);
}

void breaker_hasten(struct breaker *breaker) {
    breaker->hastened = true;
    breaker->go = (struct grant){0}; // by one, nobody would be asked
}

int breaker_ask(struct breaker *breaker, size_t want, breaker_answer answer, void *argument) {
    const struct settings *settings = breaker->env->settings;
    int64_t now = clock_boot_ms();
    if (breaker->go.kind == GRANT_GO && now - breaker->go.asked_ms <= GO_REUSE_MS) {
        answer(argument, breaker->go, 0);
        return 0;
    }
    struct question *question = xmalloc(sizeof *question);
    *question = (struct question){breaker, answer, argument, now, breaker->forgotten, breaker->hastened};
    int64_t probes = (int64_t)want < settings->breaker_probes ? (int64_t)want : settings->breaker_probes;
    struct fcall *fcall = fcall_new(LIBRARY_BREAKER_PROBE, 1);
    fcall_text(fcall, breaker_key(breaker->options.provider));
    fcall_int(fcall, probes);
    fcall_int(fcall, settings->provider_timeout_ms + PROBE_MARGIN);
    fcall_int(fcall, settings->breaker_probes);
    // No wait is believed that is longer (docs/protocol.md): none at all is left of one where it is hastened.
    fcall_int(fcall, question->hastened ? 0 : settings->breaker_open_secs * 1000);
    fcall_int(fcall, settings->provider_max_pause_secs * 1000);
    fcall_int(fcall, settings->provider_per_second[breaker->options.provider]);
    if (fcall_send(fcall, breaker->env->link, breaker_on_answer, question) == 0) {
        return 0;
    }
    free(question);
    return -1;
}

// ---- Whether it may be called

struct glance {
    struct breaker *breaker;
    void (*done)(void *argument);
    void *argument;
    int64_t asked_ms;
    uint64_t forgotten; // breaker->forgotten then
};

// {mode, state, paused, cut}, each nil where it isn't there. As breaker_probe judges, but for what that would move: a
// pause that was cut is followed by a probe. No pause is believed that is longer than any could have been.
static bool read_may_call(const struct breaker *breaker, const redisReply *reply) {
    int64_t now_ms = redis_link_now_ms(breaker->env->link), paused_ms = redis_reply_number(reply, 2, 0);
    const char *mode = redis_reply_text(reply, 0, "auto"), *state = redis_reply_text(reply, 1, "closed");
    bool is_closed = breaker_state_of(state) == BREAKER_CLOSED && *redis_reply_text(reply, 3, "") == '\0';
    bool is_paused = paused_ms > now_ms && paused_ms - now_ms <= breaker->env->settings->provider_max_pause_secs * 1000;
    return !is_paused && (strcmp(mode, "closed") == 0 || (strcmp(mode, "open") != 0 && is_closed));
}

static void breaker_on_glance(void *argument, enum redis_result result, const redisReply *reply) {
    struct glance *glance = argument;
    struct breaker *breaker = glance->breaker;
    if (result == REDIS_LINK_OK) {
        note_may_call(breaker, glance->asked_ms, glance->forgotten != breaker->forgotten,
                      read_may_call(breaker, reply));
    } else if (result != REDIS_LINK_LOST) {
        log_error("breaker_failed", "HMGET %s: %s", breaker_key(breaker->options.provider), reply->str);
    }
    glance->done(glance->argument);
    free(glance);
}

int breaker_look(struct breaker *breaker, void (*done)(void *argument), void *argument) {
    const char *argv[] = {"HMGET", breaker_key(breaker->options.provider), "mode", "state", "paused", "cut"};
    struct glance *glance = xmalloc(sizeof *glance);
    *glance = (struct glance){breaker, done, argument, clock_boot_ms(), breaker->forgotten};
    if (redis_link_call(breaker->env->link, breaker_on_glance, glance, 6, argv, NULL) == 0) {
        return 0;
    }
    free(glance);
    return -1;
}

bool breaker_is_known(const struct breaker *breaker) {
    return breaker->known_ms > 0 && clock_boot_ms() - breaker->known_ms < KNOWN_MS;
}

bool breaker_may_call(const struct breaker *breaker) {
    return breaker_is_known(breaker) && breaker->may_call;
}

// ---- Grants

bool breaker_grant_is_good(const struct breaker *breaker, const struct grant *grant, int64_t margin_ms) {
    if (grant->kind == GRANT_NONE || breaker_grant_size(grant) == 0) {
        return false;
    }
    if (grant->kind == GRANT_GO && breaker->go.kind != GRANT_GO) { // it was forgotten
        return false;
    }
    if (grant->kind == GRANT_PACED && grant->forgotten != breaker->forgotten) {
        return false;
    }
    return clock_boot_ms() - grant->asked_ms + margin_ms < GRANT_MS;
}

size_t breaker_grant_size(const struct grant *grant) {
    const size_t sizes[] = {
        [GRANT_NONE] = 0, [GRANT_GO] = SIZE_MAX, [GRANT_PACED] = grant->paced, [GRANT_PROBE] = grant->probe_count};
    return sizes[grant->kind];
}

bool breaker_take_call(struct grant *grant, char *out) {
    *out = '\0';
    if (breaker_grant_size(grant) == 0) {
        return false;
    }
    if (grant->kind == GRANT_PROBE) {
        memcpy(out, grant->probes[--grant->probe_count], BREAKER_PROBE_SIZE);
    } else if (grant->kind == GRANT_PACED) {
        grant->paced--;
    }
    return true;
}

static void breaker_on_refunded(void *argument, enum redis_result result, const redisReply *reply) {
    const struct breaker *breaker = argument;
    if (result == REDIS_LINK_ERROR) { // it waits a little longer than it would have to
        log_error("breaker_failed", "%s: %s", breaker_key(breaker->options.provider), reply->str);
    }
}

// The calls of a rate that weren't begun; lost, they only make the others wait for a while.
static void breaker_refund(struct breaker *breaker, const struct grant *grant) {
    if (grant->kind != GRANT_PACED || grant->paced == 0) {
        return;
    }
    struct fcall *fcall = fcall_new(LIBRARY_BREAKER_REFUND, 1);
    fcall_text(fcall, breaker_key(breaker->options.provider));
    fcall_int(fcall, grant->granted_ms);
    fcall_int(fcall, (int64_t)grant->paced * grant->call_us);
    if (fcall_send(fcall, breaker->env->link, breaker_on_refunded, breaker) != 0) {
        log_debug("refund_skipped", "%s: Redis is away", breaker_key(breaker->options.provider));
    }
}

void breaker_give_up(struct breaker *breaker, struct grant *grant) {
    char probe[BREAKER_PROBE_SIZE];
    while (grant->kind == GRANT_PROBE && breaker_take_call(grant, probe)) {
        breaker_record(breaker,
                       &(struct breaker_result){
                           .epoch = grant->epoch, .probe = probe, .word = BREAKER_NONE, .reason = "", .count = 1});
    }
    breaker_refund(breaker, grant);
    free(grant->probes);
    *grant = (struct grant){0};
}

struct recording {
    struct breaker *breaker;
    char *reason;
    int64_t pause_ms;
    char *sender; // or NULL
    char epoch[BREAKER_EPOCH_SIZE];
};

static void recording_free(struct recording *recording) {
    free(recording->reason);
    free(recording->sender);
    free(recording);
}

// Takes the sender over.
static void keep_held(struct breaker *breaker, struct recording *recording) {
    free(breaker->held_sender);
    breaker->held_sender = recording->sender;
    recording->sender = NULL;
    copy_text(breaker->held_epoch, sizeof breaker->held_epoch, recording->epoch);
}

static void log_pause(struct breaker *breaker, int64_t asked_ms) {
    int64_t longest_ms = breaker->env->settings->provider_max_pause_secs * 1000;
    counters_add_for(breaker->env->counters, COUNTER_DISPATCH_PAUSES, breaker->options.provider);
    struct log_line *line = log_begin(LOG_WARN, breaker->options.mock ? "mock_provider_paused" : "provider_paused");
    log_str(line, "provider", provider_name(breaker->options.provider));
    log_int(line, "pause_ms", asked_ms < longest_ms ? asked_ms : longest_ms);
    if (asked_ms > longest_ms) {
        log_int(line, "asked_ms", asked_ms);
        log_str(line, "message", "it asked for more than API_PROVIDER_MAX_PAUSE_SECS: what follows is a probe");
    }
    if (breaker->options.mock) {
        log_bool(line, "mock", true);
    }
    log_end(line);
}

static void read_recorded(struct breaker *breaker, struct recording *recording, const redisReply *reply) {
    const char *from = redis_reply_text(reply, 1, ""), *to = redis_reply_text(reply, 0, "");
    breaker->accepted_ms = redis_reply_number(reply, 3, 0);
    if (redis_reply_number(reply, 4, 0) > 0) {
        log_pause(breaker, recording->pause_ms);
    }
    if (redis_reply_number(reply, 5, 0) > 0 && recording->sender != NULL) {
        keep_held(breaker, recording);
    }
    if (*from == '\0') {
        return;
    }
    bool closed = breaker_state_of(to) == BREAKER_CLOSED;
    log_transition(breaker, from, to, closed ? "probes succeeded" : recording->reason);
    if (closed) {
        breaker->options.on_closed(breaker->options.argument);
    } else {
        breaker_forget_go(breaker);
        breaker->options.on_open(breaker->options.argument);
    }
}

// {state, the state left by this call or '', stale, accepted, 1 where a pause begins, 1 where it's too soon to judge}
static void breaker_on_recorded(void *argument, enum redis_result result, const redisReply *reply) {
    struct recording *recording = argument;
    struct breaker *breaker = recording->breaker;
    if (result == REDIS_LINK_OK) {
        read_recorded(breaker, recording, reply);
    } else if (result == REDIS_LINK_ERROR) {
        log_error("breaker_failed", "%s: %s", breaker_key(breaker->options.provider), reply->str);
    }
    recording_free(recording);
}

// A record that can't be sent or whose reply is lost is not repeated: counted twice would be worse than not at all.
void breaker_record(struct breaker *breaker, const struct breaker_result *result) {
    const struct settings *settings = breaker->env->settings;
    struct recording *recording = xmalloc(sizeof *recording);
    *recording = (struct recording){breaker, xstrdup(result->reason), result->pause_ms,
                                    result->sender != NULL ? xstrdup(result->sender) : NULL, ""};
    copy_text(recording->epoch, sizeof recording->epoch, result->epoch);
    struct fcall *fcall = fcall_new(LIBRARY_BREAKER_RECORD, 1);
    fcall_text(fcall, breaker_key(breaker->options.provider));
    fcall_text(fcall, result->epoch);
    fcall_text(fcall, result->probe);
    fcall_text(fcall, breaker_word_name(result->word));
    fcall_int(fcall, result->count);
    fcall_int(fcall, result->pause_ms);
    fcall_int(fcall, settings->breaker_error_threshold);
    fcall_int(fcall, settings->breaker_open_secs * 1000);
    fcall_int(fcall, settings->breaker_probes);
    fcall_text(fcall, result->reason);
    fcall_int(fcall, settings->provider_timeout_ms + PROBE_MARGIN);
    fcall_int(fcall, settings->provider_max_pause_secs * 1000);
    fcall_int(fcall, result->accepted_ms);
    fcall_int(fcall, settings->breaker_held_senders);
    fcall_text(fcall, result->sender != NULL ? result->sender : "");
    if (result->pause_ms > 0 || result->word == BREAKER_TRIP) {
        breaker_forget_go(breaker); // again: one may have been asked for since the answer came, and before this
    }
    if (fcall_send(fcall, breaker->env->link, breaker_on_recorded, recording) != 0) {
        recording_free(recording);
    }
}

void breaker_tick(struct breaker *breaker) {
    char *sender = breaker->held_sender;
    if (sender == NULL || !redis_link_is_up(breaker->env->link)) {
        return;
    }
    breaker->held_sender = NULL;
    breaker_record(breaker, &(struct breaker_result){
                                .epoch = breaker->held_epoch,
                                .probe = "",
                                .word = BREAKER_HELD,
                                .reason = "held_senders",
                                .count = 1,
                                .sender = sender,
                            });
    free(sender);
}

int64_t breaker_accepted_ms(const struct breaker *breaker) {
    return breaker->accepted_ms;
}

void breaker_forget_go(struct breaker *breaker) {
    breaker->go = (struct grant){0};
    breaker->known_ms = 0;
    breaker->forgotten++;
}

struct breaker *breaker_create(const struct dispatch_env *env, const struct breaker_options *options) {
    struct breaker *breaker = xcalloc(1, sizeof *breaker);
    breaker->env = env;
    breaker->options = *options;
    return breaker;
}

void breaker_destroy(struct breaker *breaker) {
    free(breaker->held_sender);
    free(breaker);
}
