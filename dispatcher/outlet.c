// SPDX-License-Identifier: MIT
#include "dispatcher/outlet.h"

#include <stdlib.h>

#include "dispatcher/lane.h"
#include "shared/mem.h"

enum { UNPROVEN_CALLS = 5 };

static void wake_all(void *argument) {
    struct outlet *outlet = argument;
    size_t first = outlet->first_lane++;
    for (size_t i = 0; i < outlet->lane_count; i++) {
        lane_wake(outlet->lanes[(first + i) % outlet->lane_count]);
    }
}

static void on_end_of_turn(uv_idle_t *idle) {
    uv_idle_stop(idle);
    wake_all(idle->data);
}

static void on_open(void *argument) {
    outlet_doubt(argument);
}

static const char *url_of(const struct settings *settings, enum provider provider) {
    return provider == PROVIDER_EMAIL ? settings->provider_email_url : settings->provider_sms_url;
}

struct outlet *outlet_create(const struct dispatch_env *env, enum provider provider, size_t cap) {
    struct outlet *outlet = xcalloc(1, sizeof *outlet);
    outlet->env = env;
    outlet->provider = provider;
    outlet->mock = provider_url_is_mock(url_of(env->settings, provider), env->settings->mock_provider_port);
    outlet->cap = cap;
    outlet->breaker = breaker_create(env, &(struct breaker_options){
                                              .provider = provider,
                                              .mock = outlet->mock,
                                              .on_closed = wake_all,
                                              .on_open = on_open,
                                              .argument = outlet,
                                          });
    outlet->end_of_turn.data = outlet;
    uv_idle_init(env->loop, &outlet->end_of_turn);
    outlet->transport = transport_create(env->loop, (unsigned)cap);
    outlet->caller = caller_create(outlet->transport, provider_adapter(provider), env->settings);
    return outlet;
}

void outlet_add_lane(struct outlet *outlet, struct lane *lane) {
    outlet->lanes = xrealloc(outlet->lanes, (outlet->lane_count + 1) * sizeof(struct lane *));
    outlet->lanes[outlet->lane_count++] = lane;
}

size_t outlet_room(const struct outlet *outlet) {
    size_t cap = outlet->proven || outlet->cap < UNPROVEN_CALLS ? outlet->cap : UNPROVEN_CALLS;
    return outlet->held < cap ? cap - outlet->held : 0;
}

void outlet_hold(struct outlet *outlet, size_t count) {
    outlet->held += count;
}

void outlet_release(struct outlet *outlet, size_t count) {
    bool was_full = outlet_room(outlet) == 0;
    outlet->held -= count;
    if (was_full && count > 0) {
        uv_idle_start(&outlet->end_of_turn, on_end_of_turn);
    }
}

void outlet_trust(struct outlet *outlet) {
    if (!outlet->proven) {
        outlet->proven = true;
        uv_idle_start(&outlet->end_of_turn, on_end_of_turn);
    }
}

void outlet_doubt(struct outlet *outlet) {
    outlet->proven = false;
}

static void on_closed(uv_handle_t *handle) {
    struct outlet *outlet = handle->data;
    free(outlet->lanes);
    free(outlet);
}

void outlet_destroy(struct outlet *outlet) {
    caller_destroy(outlet->caller);
    transport_destroy(outlet->transport);
    breaker_destroy(outlet->breaker);
    uv_close((uv_handle_t *)&outlet->end_of_turn, on_closed);
}
