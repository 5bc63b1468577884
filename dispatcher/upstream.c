// SPDX-License-Identifier: MIT
#include "dispatcher/upstream.h"

#include <stdlib.h>

#include "shared/base/mem.h"
#include "shared/settings/mock_url.h"

enum { UNPROVEN_CALLS = 5 };

static void upstream_wake_all(void *argument) {
    struct upstream *upstream = argument;
    size_t first = upstream->first_waiter++;
    for (size_t i = 0; i < upstream->waiter_count; i++) {
        const struct upstream_waiter *waiter = &upstream->waiters[(first + i) % upstream->waiter_count];
        waiter->wake(waiter->argument);
    }
}

static void upstream_on_open(void *argument) {
    upstream_doubt(argument);
}

static const char *url_of(const struct settings *settings, enum provider provider) {
    return provider == PROVIDER_EMAIL ? settings->provider_email_url : settings->provider_sms_url;
}

struct upstream *upstream_create(const struct dispatch_env *env, enum provider provider, size_t cap) {
    struct upstream *upstream = xcalloc(1, sizeof *upstream);
    upstream->env = env;
    upstream->provider = provider;
    upstream->mock = mock_url_is(url_of(env->settings, provider), env->settings->mock_provider_port);
    upstream->cap = cap;
    upstream->breaker = breaker_create(env, &(struct breaker_options){
                                                .provider = provider,
                                                .mock = upstream->mock,
                                                .on_closed = upstream_wake_all,
                                                .on_open = upstream_on_open,
                                                .argument = upstream,
                                            });
    turn_init(env->loop, &upstream->end_of_turn, upstream);
    upstream->transport = transport_create(env->loop, (unsigned)cap);
    upstream->caller = caller_create(upstream->transport, provider_adapter(env->settings, provider), env->settings);
    return upstream;
}

void upstream_renew(struct upstream *upstream) {
    caller_renew(upstream->caller);
    breaker_hasten(upstream->breaker);
}

void upstream_add_waiter(struct upstream *upstream, void (*wake)(void *argument), void *argument) {
    upstream->waiters = xrealloc(upstream->waiters, (upstream->waiter_count + 1) * sizeof *upstream->waiters);
    upstream->waiters[upstream->waiter_count++] = (struct upstream_waiter){wake, argument};
}

size_t upstream_room(const struct upstream *upstream) {
    size_t cap = upstream->proven || upstream->cap < UNPROVEN_CALLS ? upstream->cap : UNPROVEN_CALLS;
    return upstream->held < cap ? cap - upstream->held : 0;
}

void upstream_hold(struct upstream *upstream, size_t count) {
    upstream->held += count;
}

void upstream_release(struct upstream *upstream, size_t count) {
    bool was_full = upstream_room(upstream) == 0;
    upstream->held -= count;
    if (was_full && count > 0) {
        turn_at_end(&upstream->end_of_turn, upstream_wake_all);
    }
}

void upstream_trust(struct upstream *upstream) {
    if (!upstream->proven) {
        upstream->proven = true;
        turn_at_end(&upstream->end_of_turn, upstream_wake_all);
    }
}

void upstream_doubt(struct upstream *upstream) {
    upstream->proven = false;
}

static void upstream_on_closed(uv_handle_t *handle) {
    struct upstream *upstream = handle->data;
    free(upstream->waiters);
    free(upstream);
}

void upstream_destroy(struct upstream *upstream) {
    caller_destroy(upstream->caller);
    transport_destroy(upstream->transport);
    breaker_destroy(upstream->breaker);
    uv_close((uv_handle_t *)&upstream->end_of_turn.idle, upstream_on_closed);
}
