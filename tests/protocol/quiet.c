// SPDX-License-Identifier: MIT
//
// In place of what a process counts, how it says that it lives, and what a persister does besides: none of it is of the
// protocol.
#include "persister/janitor.h"
#include "persister/replayer.h"
#include "shared/redis/counters.h"
#include "shared/redis/heartbeat.h"

struct counters *counters_create(uv_loop_t *loop, struct redis_link *link) {
    (void)loop, (void)link;
    return NULL;
}

void counters_add(struct counters *counters, enum counter counter, uint64_t amount) {
    (void)counters, (void)counter, (void)amount;
}

void counters_add_for(struct counters *counters, enum counter counter, enum provider provider) {
    (void)counters, (void)counter, (void)provider;
}

void counters_add_many_for(struct counters *counters, enum counter counter, enum provider provider, uint64_t amount) {
    (void)counters, (void)counter, (void)provider, (void)amount;
}

void counters_observe(struct counters *counters, enum histogram histogram, int64_t us) {
    (void)counters, (void)histogram, (void)us;
}

void counters_add_receipt(struct counters *counters, enum provider provider, enum receipt_status status,
                          const char *code) {
    (void)counters, (void)provider, (void)status, (void)code;
}

void counters_flush(struct counters *counters) {
    (void)counters;
}

void counters_destroy(struct counters *counters) {
    (void)counters;
}

struct heartbeat *heartbeat_create(uv_loop_t *loop, struct redis_link *link, const char *program,
                                   const char *instance) {
    (void)loop, (void)link, (void)program, (void)instance;
    return NULL;
}

void heartbeat_serve(struct heartbeat *heartbeat, const char *tag) {
    (void)heartbeat, (void)tag;
}

void heartbeat_on_up(struct heartbeat *heartbeat) {
    (void)heartbeat;
}

void heartbeat_stop(struct heartbeat *heartbeat) {
    (void)heartbeat;
}

void heartbeat_destroy(struct heartbeat *heartbeat) {
    (void)heartbeat;
}

void heartbeat_trouble(struct heartbeat *heartbeat, const char *code, const char *text) {
    (void)heartbeat, (void)code, (void)text;
}

struct persister_janitor *persister_janitor_create(uv_loop_t *loop, struct pg_link *link, struct counters *counters) {
    (void)loop, (void)link, (void)counters;
    return NULL;
}

void persister_janitor_destroy(struct persister_janitor *janitor) {
    (void)janitor;
}

struct replayer *replayer_create(uv_loop_t *loop, const struct settings *settings, struct redis_link *redis) {
    (void)loop, (void)settings, (void)redis;
    return NULL;
}

void replayer_change_database(struct replayer *replayer, const char *url) {
    (void)replayer, (void)url;
}

void replayer_stop(struct replayer *replayer) {
    (void)replayer;
}

void replayer_destroy(struct replayer *replayer) {
    (void)replayer;
}
