// SPDX-License-Identifier: MIT
#include "persister/streams.h"

#include <stdlib.h>

#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/redis/keys.h"
#include "shared/redis/library.h"
#include "shared/redis/partitions.h"

#define REFRESH_MS 5000
#define REFRESHES_A_REAP 720          // an hour
#define SILENT_CONSUMER_MS "86400000" // a day: then it is forgotten

struct event_streams {
    uv_timer_t timer;
    uv_loop_t *loop;
    struct redis_link *link;
    struct event_consumer_options options;
    struct partitions *partitions; // the object of each is its consumer
    unsigned refreshes;            // since the last reap
};

static void *event_streams_serve(void *argument, const char *tag, enum provider provider) {
    (void)provider;
    struct event_streams *streams = argument;
    struct event_consumer_options options = streams->options;
    options.tag = tag;
    log_info("stream_served", "events:{%s}", tag);
    return event_consumer_create(streams->loop, &options);
}

void event_streams_refresh(struct event_streams *streams) {
    partitions_look(streams->partitions);
}

// Forgets consumers that hold nothing and have been silent for a day.
static void event_streams_reap(struct event_streams *streams) {
    struct partition_keys keys;
    const char *argv[] = {"FCALL",           library_function(LIBRARY_REAP), "1", keys.events, GROUP_PERSISTERS,
                          SILENT_CONSUMER_MS};
    for (size_t i = 0; i < partitions_count(streams->partitions); i++) {
        partition_keys(event_consumer_tag(partitions_at(streams->partitions, i)), &keys);
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
                                           const struct event_consumer_options *consumer, unsigned partitions) {
    struct event_streams *streams = xcalloc(1, sizeof *streams);
    streams->loop = loop;
    streams->link = link;
    streams->options = *consumer;
    streams->timer.data = streams;
    uv_timer_init(loop, &streams->timer);
    uv_timer_start(&streams->timer, event_streams_on_timer, REFRESH_MS, REFRESH_MS);
    streams->partitions = partitions_create(
        &(struct partitions_options){
            .link = link, .heartbeat = heartbeat, .serve = event_streams_serve, .argument = streams},
        partitions);
    return streams;
}

void event_streams_kick(struct event_streams *streams) {
    for (size_t i = 0; i < partitions_count(streams->partitions); i++) {
        event_consumer_kick(partitions_at(streams->partitions, i));
    }
}

void event_streams_stop(struct event_streams *streams) {
    partitions_stop(streams->partitions);
    for (size_t i = 0; i < partitions_count(streams->partitions); i++) {
        event_consumer_stop(partitions_at(streams->partitions, i));
    }
}

bool event_streams_are_quiet(const struct event_streams *streams) {
    for (size_t i = 0; i < partitions_count(streams->partitions); i++) {
        if (!event_consumer_is_quiet(partitions_at(streams->partitions, i))) {
            return false;
        }
    }
    return true;
}

static void event_streams_on_closed(uv_handle_t *handle) {
    free(handle->data);
}

void event_streams_destroy(struct event_streams *streams) {
    for (size_t i = 0; i < partitions_count(streams->partitions); i++) {
        event_consumer_destroy(partitions_at(streams->partitions, i));
    }
    partitions_destroy(streams->partitions);
    uv_close((uv_handle_t *)&streams->timer, event_streams_on_closed);
}
