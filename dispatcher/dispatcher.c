// SPDX-License-Identifier: MIT
#include "dispatcher/dispatcher.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "dispatcher/env.h"
#include "dispatcher/lanes.h"
#include "dispatcher/provider/descriptors.h"
#include "dispatcher/provider/url.h"
#include "dispatcher/settle.h"
#include "dispatcher/upstream.h"
#include "shared/base/authorities.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/loop/turn.h"
#include "shared/provider/provider.h"
#include "shared/provider/public_url.h"
#include "shared/redis/counters.h"
#include "shared/redis/heartbeat.h"
#include "shared/redis/link.h"
#include "shared/redis/reload.h"
#include "shared/settings/mock_url.h"

enum {
    TICK_MS = 1000,
    OTHER_DESCRIPTORS = 64, // the log, the loop, the common link
};

enum dispatcher_state {
    DISPATCHER_RUNNING,
    DISPATCHER_DRAINING, // until nothing is held
    DISPATCHER_FLUSHING, // the last replies are awaited
    DISPATCHER_FINISHED,
};

struct dispatcher {
    struct dispatch_env env;
    struct settings *settings; // env has them, too
    enum dispatcher_state state;
    struct upstream *upstreams[PROVIDER_COUNT];
    struct settler *settler;
    struct lanes *lanes;
    uv_timer_t tick;
    struct turn finish; // runs at the end of the turn in which the last thing was done
    int open_handles;
    void (*on_finished)(void *argument);
    void *argument;
};

static void dispatcher_change_state(struct dispatcher *dispatcher, enum dispatcher_state state) {
    dispatcher->state = state;
}

// ---- Its end

static void dispatcher_on_closed(uv_handle_t *handle) {
    struct dispatcher *dispatcher = handle->data;
    if (--dispatcher->open_handles > 0) {
        return;
    }
    free(dispatcher);
    curl_global_cleanup();
}

// The link goes first: all that still waits for a reply learns that there will be none, while it is still there.
static void dispatcher_let_go(void *argument) {
    struct dispatcher *dispatcher = argument;
    if (dispatcher->state == DISPATCHER_FINISHED) {
        return;
    }
    dispatcher_change_state(dispatcher, DISPATCHER_FINISHED);
    heartbeat_destroy(dispatcher->env.heartbeat);
    counters_destroy(dispatcher->env.counters);
    redis_link_destroy(dispatcher->env.link);
    lanes_destroy(dispatcher->lanes);
    settler_destroy(dispatcher->settler);
    for (int i = 0; i < PROVIDER_COUNT; i++) {
        upstream_destroy(dispatcher->upstreams[i]);
    }
    uv_close((uv_handle_t *)&dispatcher->tick, dispatcher_on_closed);
    uv_close((uv_handle_t *)&dispatcher->finish.idle, dispatcher_on_closed);
    dispatcher->on_finished(dispatcher->argument);
}

static void dispatcher_on_pong(void *argument, enum redis_result result, const redisReply *reply) {
    (void)result, (void)reply;
    struct dispatcher *dispatcher = argument;
    if (dispatcher->state == DISPATCHER_FLUSHING) {
        turn_at_end(&dispatcher->finish, dispatcher_let_go);
    }
}

// Redis answers in order: behind this answer everything has been done that was sent before.
static void dispatcher_flush(struct dispatcher *dispatcher) {
    const char *argv[] = {"PING"};
    dispatcher_change_state(dispatcher, DISPATCHER_FLUSHING);
    heartbeat_stop(dispatcher->env.heartbeat);
    counters_flush(dispatcher->env.counters);
    if (redis_link_call(dispatcher->env.link, dispatcher_on_pong, dispatcher, 1, argv, NULL) != 0) {
        turn_at_end(&dispatcher->finish, dispatcher_let_go);
    }
}

static void dispatcher_on_lane_idle(void *argument) {
    struct dispatcher *dispatcher = argument;
    if (dispatcher->state == DISPATCHER_DRAINING && lanes_are_idle(dispatcher->lanes)) {
        dispatcher_flush(dispatcher);
    }
}

void dispatcher_drain(void *argument) {
    struct dispatcher *dispatcher = argument;
    if (dispatcher->state != DISPATCHER_RUNNING) {
        return;
    }
    dispatcher_change_state(dispatcher, DISPATCHER_DRAINING);
    lanes_stop(dispatcher->lanes); // a lane that is idle already says so in here
}

void dispatcher_hurry(void *argument) {
    dispatcher_let_go(argument);
}

// ---- Its work

static void dispatcher_on_up(void *argument) {
    struct dispatcher *dispatcher = argument;
    heartbeat_on_up(dispatcher->env.heartbeat);
    settler_retry(dispatcher->settler);
    lanes_up(dispatcher->lanes);
}

static void dispatcher_on_down(void *argument) {
    struct dispatcher *dispatcher = argument;
    lanes_down(dispatcher->lanes);
}

static void dispatcher_on_tick(uv_timer_t *timer) {
    struct dispatcher *dispatcher = timer->data;
    if (redis_link_is_up(dispatcher->env.link)) {
        settler_retry(dispatcher->settler);
    }
    for (int i = 0; i < PROVIDER_COUNT; i++) {
        breaker_tick(dispatcher->upstreams[i]->breaker);
    }
    lanes_tick(dispatcher->lanes);
}

// ---- Its start

static const char *dispatcher_check_key(const struct settings *settings) {
    bool has_sid = *settings->provider_sms_key_sid != '\0', has_secret = *settings->provider_sms_key_secret != '\0';
    if (has_sid && !has_secret) {
        return "PROVIDER_SMS_KEY_SECRET: it must be set where PROVIDER_SMS_KEY_SID is";
    }
    if (has_secret && !has_sid) {
        return "PROVIDER_SMS_KEY_SID: it must be set where PROVIDER_SMS_KEY_SECRET is";
    }
    return NULL;
}

// Twilio takes no StatusCallback whose host holds '_'
// (https://www.twilio.com/docs/messaging/guides/track-outbound-message-status): it would refuse each message.
static const char *dispatcher_check_public_url(const struct settings *settings) {
    char *url = settings->webhook_public_url;
    struct http_host host;
    const char *error = public_url_check(url);
    bool is_twilio = provider_adapter(settings, PROVIDER_SMS_MMS) == &provider_twilio;
    if (error == NULL && is_twilio && public_url_host(url, &host) && strchr(host.name, '_') != NULL) {
        error = "its host must not hold '_', which Twilio takes in no URL that it is to call";
    }
    return error;
}

static const char *dispatcher_check_kind(const struct settings *settings) {
    bool is_generic = provider_adapter(settings, PROVIDER_SMS_MMS) == &provider_generic;
    return is_generic && mock_url_is(settings->provider_sms_url, settings->mock_provider_port)
               ? "PROVIDER_SMS_URL: it must be where your gateway takes messages, PROVIDER_SMS_KIND being generic; the "
                 "mock stands for Twilio"
               : NULL;
}

static char *dispatcher_check_authorities(const char *path) {
    char *error = *path != '\0' ? authorities_check(path) : NULL;
    char *line = error != NULL ? xasprintf("PROVIDER_CA_FILE: \"%s\": it %s", path, error) : NULL;
    free(error);
    return line;
}

char *dispatcher_check(const struct settings *settings) {
    const struct {
        const char *name;
        const char *url;
    } urls[] = {
        {"PROVIDER_SMS_URL", settings->provider_sms_url},
        {"PROVIDER_EMAIL_URL", settings->provider_email_url},
    };
    const char *error;
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        error = provider_url_check(urls[i].url);
        if (error != NULL) {
            return xasprintf("%s: it %s", urls[i].name, error); // not repeated: it may hold a password
        }
    }
    error = dispatcher_check_public_url(settings);
    if (error != NULL) {
        return xasprintf("WEBHOOK_PUBLIC_URL: %s", error);
    }
    error = dispatcher_check_key(settings);
    error = error != NULL ? error : dispatcher_check_kind(settings);
    return error != NULL ? xstrdup(error) : dispatcher_check_authorities(settings->provider_ca_file);
}

// ---- SIGHUP

// Whether any of the settings is taken by which its provider lets us in.
static bool renews_provider(const struct settings_change *change, enum provider provider) {
    static const char *const names[PROVIDER_COUNT][5] = {
        [PROVIDER_SMS_MMS] = {"PROVIDER_SMS_ACCOUNT", "PROVIDER_SMS_TOKEN", "PROVIDER_SMS_KEY_SID",
                              "PROVIDER_SMS_KEY_SECRET"},
        [PROVIDER_EMAIL] = {"PROVIDER_EMAIL_TOKEN"},
    };
    bool renews = settings_change_has(change, "PROVIDER_CA_FILE");
    for (size_t i = 0; names[provider][i] != NULL; i++) {
        renews = renews || settings_change_has(change, names[provider][i]);
    }
    return renews;
}

static char *dispatcher_take(void *argument, const struct settings_change *change) {
    struct dispatcher *dispatcher = argument;
    char *error = redis_reload_take(dispatcher->env.target, change);
    if (error != NULL) {
        return error;
    }
    settings_take_over(dispatcher->settings, &change->next);
    for (int i = 0; i < PROVIDER_COUNT; i++) {
        if (renews_provider(change, (enum provider)i)) {
            upstream_renew(dispatcher->upstreams[i]);
        }
    }
    return NULL;
}

static const struct reload_trial *const trials[] = {&redis_reload_trial, NULL};

const struct reload_plan dispatcher_reload = {
    .check = dispatcher_check,
    .trials = trials,
    .take = dispatcher_take,
};

static struct redis_link *open_link(struct dispatcher *dispatcher) {
    return redis_link_create(dispatcher->env.loop, &(struct redis_link_options){
                                                       .target = dispatcher->env.target,
                                                       .name = dispatcher->env.me,
                                                       .timeout_ms = dispatcher->env.settings->redis_timeout_ms,
                                                       .on_up = dispatcher_on_up,
                                                       .on_down = dispatcher_on_down,
                                                       .argument = dispatcher,
                                                   });
}

static size_t calls_that_fit(const struct settings *settings) {
    size_t watches = PROVIDER_COUNT * (size_t)settings->stream_partitions;
    return descriptors_raise((size_t)settings->dispatch_max_in_flight, PROVIDER_COUNT, OTHER_DESCRIPTORS + watches);
}

static void start_timers(struct dispatcher *dispatcher) {
    dispatcher->tick.data = dispatcher;
    uv_timer_init(dispatcher->env.loop, &dispatcher->tick);
    turn_init(dispatcher->env.loop, &dispatcher->finish, dispatcher);
    dispatcher->open_handles = 2;
    uv_timer_start(&dispatcher->tick, dispatcher_on_tick, TICK_MS, TICK_MS);
}

struct dispatcher *dispatcher_start(uv_loop_t *loop, struct settings *settings, struct redis_target *target,
                                    const char *instance, void (*on_finished)(void *argument), void *argument) {
    struct dispatcher *dispatcher = xcalloc(1, sizeof *dispatcher);
    struct dispatch_env *env = &dispatcher->env;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        mem_exhausted();
    }
    dispatcher->on_finished = on_finished;
    dispatcher->argument = argument;
    dispatcher->settings = settings;
    *env = (struct dispatch_env){.loop = loop, .settings = settings, .target = target, .me = instance};
    env->link = open_link(dispatcher);
    env->counters = counters_create(loop, env->link);
    env->heartbeat = heartbeat_create(loop, env->link, "dispatcher", instance);
    size_t cap = calls_that_fit(settings);
    for (int i = 0; i < PROVIDER_COUNT; i++) {
        dispatcher->upstreams[i] = upstream_create(env, (enum provider)i, cap);
    }
    dispatcher->settler = settler_create(env, &(struct settler_events){lane_settled, lane_hold_sender});
    dispatcher->lanes = lanes_create(env, &(struct lanes_options){
                                              .upstreams = dispatcher->upstreams,
                                              .settler = dispatcher->settler,
                                              .on_idle = dispatcher_on_lane_idle,
                                              .argument = dispatcher,
                                          });
    start_timers(dispatcher);
    return dispatcher;
}
