// SPDX-License-Identifier: MIT
#include "dispatcher/mock/remote.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/base/uuid.h"
#include "shared/redis/heartbeat.h"
#include "shared/redis/keys.h"
#include "shared/redis/link.h"
#include "shared/redis/reply.h"

enum { POLL_MS = 50, VERSION_SIZE = 24, MOST_ARGUMENTS = 64 };

struct mock_remote {
    struct mock_behaviour *config;
    void (*on_change)(void *argument, bool restart);
    void *argument;
    struct redis_link *link;
    struct heartbeat *heartbeat;
    uv_timer_t timer;
    char owner[UUID_TEXT_SIZE]; // this start of the mock
    bool written;               // since this start
    bool asking;
    bool complained; // about what the hash holds
    char version[VERSION_SIZE];
};

struct arguments {
    const char *argv[MOST_ARGUMENTS];
    char *owned[MOST_ARGUMENTS];
    int count;
};

static void add_argument(struct arguments *arguments, const char *text) {
    arguments->owned[arguments->count] = xstrdup(text);
    arguments->argv[arguments->count] = arguments->owned[arguments->count];
    arguments->count++;
}

static void add_field(void *argument, const char *name, const char *value) {
    add_argument(argument, name);
    add_argument(argument, value);
}

static void mock_remote_on_written(void *argument, enum redis_result result, const redisReply *reply) {
    struct mock_remote *remote = argument;
    if (result == REDIS_LINK_OK && reply->type == REDIS_REPLY_ARRAY) {
        remote->written = true;
    }
}

// The whole hash in one transaction: what another start left there is gone.
static void write_config(struct mock_remote *remote) {
    struct arguments set = {.count = 0};
    const char *multi[] = {"MULTI"}, *del[] = {"DEL", KEY_MOCK_CONFIG}, *exec[] = {"EXEC"};
    add_argument(&set, "HSET");
    add_argument(&set, KEY_MOCK_CONFIG);
    mock_config_each_field(remote->config, add_field, &set);
    add_field(&set, "owner", remote->owner);
    add_field(&set, "version", "1");
    snprintf(remote->version, sizeof remote->version, "1");
    int status = redis_link_call(remote->link, NULL, NULL, 1, multi, NULL);
    if (status == 0) {
        status = redis_link_call(remote->link, NULL, NULL, 2, del, NULL);
    }
    if (status == 0) {
        status = redis_link_call(remote->link, NULL, NULL, set.count, set.argv, NULL);
    }
    if (status == 0) {
        status = redis_link_call(remote->link, mock_remote_on_written, remote, 1, exec, NULL);
    }
    if (status != 0) {
        log_debug("mock_config_unwritten", "Redis is away");
    }
    for (int i = 0; i < set.count; i++) {
        free(set.owned[i]);
    }
}

static void mock_remote_complain(struct mock_remote *remote, const char *why) {
    if (!remote->complained) {
        log_warn("mock_config_ignored", "%s", why);
    }
    remote->complained = true;
}

static void mock_remote_take(struct mock_remote *remote, const redisReply *hash) {
    bool changed;
    const char *version = redis_reply_field(hash, "version", NULL);
    const char *error = mock_config_read(hash, remote->config, &changed);
    if (error != NULL) {
        mock_remote_complain(remote, error);
        return;
    }
    remote->complained = false;
    bool restart = version != NULL && strcmp(version, remote->version) != 0;
    if (version != NULL) {
        snprintf(remote->version, sizeof remote->version, "%s", version);
    }
    if (restart || changed) {
        remote->on_change(remote->argument, restart);
    }
}

static void mock_remote_on_hash(void *argument, enum redis_result result, const redisReply *reply) {
    struct mock_remote *remote = argument;
    remote->asking = false;
    if (result != REDIS_LINK_OK || reply->type != REDIS_REPLY_ARRAY) {
        return;
    }
    if (reply->elements == 0) { // Redis lost it: what holds here stands there again
        write_config(remote);
    } else {
        mock_remote_take(remote, reply);
    }
}

static void mock_remote_on_timer(uv_timer_t *timer) {
    struct mock_remote *remote = timer->data;
    const char *argv[] = {"HGETALL", KEY_MOCK_CONFIG};
    if (!remote->written || remote->asking) {
        return;
    }
    remote->asking = redis_link_call(remote->link, mock_remote_on_hash, remote, 2, argv, NULL) == 0;
}

// Only the first time: when Redis was away for a while, what was PUT goes on to hold.
static void mock_remote_on_up(void *argument) {
    struct mock_remote *remote = argument;
    if (!remote->written) {
        write_config(remote);
    }
}

struct mock_remote *mock_remote_create(uv_loop_t *loop, const struct settings *settings, struct redis_target *target,
                                       const char *instance, struct mock_behaviour *config,
                                       void (*on_change)(void *argument, bool restart), void *argument) {
    struct mock_remote *remote = xcalloc(1, sizeof *remote);
    struct uuid owner = uuid_v7();
    uuid_format(&owner, remote->owner);
    remote->config = config;
    remote->on_change = on_change;
    remote->argument = argument;
    remote->timer.data = remote;
    uv_timer_init(loop, &remote->timer);
    uv_timer_start(&remote->timer, mock_remote_on_timer, POLL_MS, POLL_MS);
    remote->link = redis_link_create(loop, &(struct redis_link_options){
                                               .target = target,
                                               .name = instance,
                                               .timeout_ms = settings->redis_timeout_ms,
                                               .on_up = mock_remote_on_up,
                                               .argument = remote,
                                           });
    remote->heartbeat = heartbeat_create(loop, remote->link, "mock-provider", instance);
    return remote;
}

static void mock_remote_on_closed(uv_handle_t *handle) {
    free(handle->data);
}

void mock_remote_destroy(struct mock_remote *remote) {
    heartbeat_destroy(remote->heartbeat);
    redis_link_destroy(remote->link);
    uv_close((uv_handle_t *)&remote->timer, mock_remote_on_closed);
}
