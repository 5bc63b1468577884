// SPDX-License-Identifier: MIT
#include "shared/redis/target.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <uv.h>

#include "shared/redis/certificates.h"

struct redis_endpoint_owner {
    struct redis_endpoint endpoint;
    atomic_uint references;
};

struct redis_target {
    uv_mutex_t lock; // of `now`
    const struct redis_endpoint *now;
    _Atomic uint64_t version;
};

static const struct redis_endpoint *endpoint_create(const struct settings *settings, char **error) {
    struct redis_endpoint_owner *owner = xcalloc(1, sizeof *owner);
    struct redis_endpoint *endpoint = &owner->endpoint;
    endpoint->owner = owner;
    atomic_init(&owner->references, 1);
    const char *wrong = redis_url_parse(settings->redis_url, &endpoint->url);
    *error = wrong != NULL ? xasprintf("REDIS_URL: %s", wrong) : NULL;
    if (wrong == NULL) {
        endpoint->tls = redis_certificates_read(settings, &endpoint->url, error);
    }
    if (*error != NULL) {
        redis_endpoint_release(endpoint);
        return NULL;
    }
    return endpoint;
}

void redis_endpoint_release(const struct redis_endpoint *endpoint) {
    if (endpoint == NULL || atomic_fetch_sub(&endpoint->owner->references, 1) > 1) {
        return;
    }
    struct redis_endpoint_owner *owner = endpoint->owner;
    redis_url_free(&owner->endpoint.url);
    SSL_CTX_free(owner->endpoint.tls);
    free(owner);
}

// The caller's reference becomes the target's.
static void redis_target_set(struct redis_target *target, const struct redis_endpoint *endpoint) {
    uv_mutex_lock(&target->lock);
    const struct redis_endpoint *before = target->now;
    endpoint->owner->endpoint.version = atomic_load(&target->version) + 1;
    target->now = endpoint;
    atomic_fetch_add(&target->version, 1);
    uv_mutex_unlock(&target->lock);
    redis_endpoint_release(before);
}

struct redis_target *redis_target_create(const struct settings *settings, char **error) {
    const struct redis_endpoint *first = endpoint_create(settings, error);
    if (first == NULL) {
        return NULL;
    }
    struct redis_target *target = xcalloc(1, sizeof *target);
    if (uv_mutex_init(&target->lock) != 0) {
        mem_exhausted();
    }
    redis_target_set(target, first);
    return target;
}

int redis_target_change(struct redis_target *target, const struct settings *settings, char **error) {
    const struct redis_endpoint *next = endpoint_create(settings, error);
    if (next == NULL) {
        return -1;
    }
    redis_target_set(target, next);
    return 0;
}

const struct redis_endpoint *redis_target_take(struct redis_target *target) {
    uv_mutex_lock(&target->lock);
    const struct redis_endpoint *now = target->now;
    atomic_fetch_add(&now->owner->references, 1);
    uv_mutex_unlock(&target->lock);
    return now;
}

uint64_t redis_target_version(const struct redis_target *target) {
    return atomic_load_explicit(&target->version, memory_order_relaxed);
}

void redis_target_destroy(struct redis_target *target) {
    if (target == NULL) {
        return;
    }
    redis_endpoint_release(target->now);
    uv_mutex_destroy(&target->lock);
    free(target);
}
