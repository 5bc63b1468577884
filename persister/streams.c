// SPDX-License-Identifier: MIT
#include "persister/streams.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/message/message.h"
#include "shared/redis/keys.h"
#include "shared/redis/library.h"

#define REFRESH_MS 5000
#define REFRESHES_A_REAP 720                   // an hour
#define SILENT_CONSUMER_MS "86400000"          // a day: then it is forgotten
#define MAX_STREAMS (2 * 256 * PROVIDER_COUNT) // twice what STREAM_PARTITIONS allows

struct event_streams {
    uv_timer_t timer;
    uv_loop_t *loop;
    struct redis_link *link;
    struct heartbeat *heartbeat;
    struct event_consumer_options options;
    struct event_consumer **readers;
    size_t count;
    unsigned refreshes; // since the last reap
    bool asking, stopped;
};

static bool event_streams_is_served(const struct event_streams *streams, const char *tag) {
    for (size_t i = 0; i < streams->count; i++) {
        if (strcmp(event_consumer_tag(streams->readers[i]), tag) == 0) {
            return true;
        }
    }
    return false;
}

static void event_streams_serve(struct event_streams *streams, const char *tag) {
    if (streams->stopped || streams->count >= MAX_STREAMS || event_streams_is_served(streams, tag)) {
        return;
    }
    struct event_consumer_options options = streams->options;
    options.tag = tag;
    streams->readers = xrealloc(streams->readers, (streams->count + 1) * sizeof *streams->readers);
    streams->readers[streams->count++] = event_consumer_create(streams->loop, &options);
    heartbeat_serve(streams->heartbeat, tag);
    log_info("stream_served", "events:{%s}", tag);
}

static bool is_tag(const char *text, size_t length) {
    size_t colon = strcspn(text, ":");
    enum provider provider;
    char name[KEY_SIZE / 2];
    if (length >= KEY_SIZE / 2 || length != strlen(text) || text[colon] != ':') {
        return false;
    }
    snprintf(name, sizeof name, "%.*s", (int)colon, text);
    const char *number = text + colon + 1;
    return provider_parse(name, &provider) == 0 && *number != '\0' && strspn(number, "0123456789") == strlen(number);
}

static void event_streams_on_partitions(void *argument, enum redis_result result, const redisReply *reply) {
    struct event_streams *streams = argument;
    streams->asking = false;
    if (result != REDIS_LINK_OK || reply->type != REDIS_REPLY_ARRAY) {
        return; // asked again in 5 s
    }
    for (size_t i = 0; i < reply->elements; i++) {
        const redisReply *tag = reply->element[i];
        if (tag->type == REDIS_REPLY_STRING && is_tag(tag->str, tag->len)) {
            event_streams_serve(streams, tag->str);
        }
    }
}

void event_streams_refresh(struct event_streams *streams) {
    const char *argv[] = {"SMEMBERS", KEY_PARTITIONS};
    if (!streams->asking && !streams->stopped) {
        streams->asking = redis_link_call(streams->link, event_streams_on_partitions, streams, 2, argv, NULL) == 0;
    }
}

// Forgets consumers that hold nothing and have been silent for a day.
static void event_streams_reap(struct event_streams *streams) {
    struct partition_keys keys;
    const char *argv[] = {"FCALL",           library_function(LIBRARY_REAP), "1", keys.events, GROUP_PERSISTERS,
                          SILENT_CONSUMER_MS};
    for (size_t i = 0; i < streams->count; i++) {
        partition_keys(event_consumer_tag(streams->readers[i]), &keys);
        if (redis_link_call(streams->link, NULL, NULL, 6, argv, NULL) != 0) {
            return; // the next hour will do
        }
    }
}

static void event_streams_on_timer(uv_timer_t *timer) {
    struct event_streams *streams = timer->data;
    event_streams_refresh(streams);
    if (++streams->refreshes >= REFRESHES_A_REAP) {
        streams->refreshes = 0;
        event_streams_reap(streams);
    }
}

struct event_streams *event_streams_create(uv_loop_t *loop, struct redis_link *link, struct heartbeat *heartbeat,
                                           const struct event_consumer_options *reader, unsigned partitions) {
    struct event_streams *streams = xcalloc(1, sizeof *streams);
    streams->loop = loop;
    streams->link = link;
    streams->heartbeat = heartbeat;
    streams->options = *reader;
    streams->timer.data = streams;
    uv_timer_init(loop, &streams->timer);
    uv_timer_start(&streams->timer, event_streams_on_timer, REFRESH_MS, REFRESH_MS);
    for (unsigned partition = 0; partition < partitions; partition++) {
        for (int provider = 0; provider < PROVIDER_COUNT; provider++) {
            char tag[KEY_SIZE];
            snprintf(tag, sizeof tag, "%s:%u", provider_name((enum provider)provider), partition);
            event_streams_serve(streams, tag);
        }
    }
    return streams;
}

void event_streams_kick(struct event_streams *streams) {
    for (size_t i = 0; i < streams->count; i++) {
        event_consumer_kick(streams->readers[i]);
    }
}

void event_streams_stop(struct event_streams *streams) {
    streams->stopped = true;
    for (size_t i = 0; i < streams->count; i++) {
        event_consumer_stop(streams->readers[i]);
    }
}

bool event_streams_are_quiet(const struct event_streams *streams) {
    for (size_t i = 0; i < streams->count; i++) {
        if (!event_consumer_is_quiet(streams->readers[i])) {
            return false;
        }
    }
    return true;
}

static void event_streams_on_closed(uv_handle_t *handle) {
    free(handle->data);
}

void event_streams_destroy(struct event_streams *streams) {
    for (size_t i = 0; i < streams->count; i++) {
        event_consumer_destroy(streams->readers[i]);
    }
    free(streams->readers);
    streams->count = 0;
    streams->readers = NULL;
    uv_close((uv_handle_t *)&streams->timer, event_streams_on_closed);
}
