// SPDX-License-Identifier: MIT
//
// One call at a time goes out for entries: the group is recreated, own or others' entries are claimed, or new ones are
// read; next() decides which, whenever something has changed.
//
// The connection that reads must also acknowledge (docs/protocol.md, Leases), but a connection that blocks in
// XREADGROUP lets nothing through. So it blocks only while it holds nothing: with entries in the batch it asks for what
// is there already, and when that is nothing it rests until its entries are acknowledged. A claim likewise waits until
// nothing is held, so that it never has to be told what is known.
//
// Rejected: acknowledging over a second connection, which can't know that the first one still talks to the same server.
#include "persister/consumer.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/buf.h"
#include "shared/base/clock.h"
#include "shared/base/decimal.h"
#include "shared/base/log.h"
#include "shared/redis/keys.h"
#include "shared/redis/library.h"
#include "shared/redis/link.h"
#include "shared/redis/reply.h"

#define BLOCK_MS 500                 // how long a drain may have to wait for an idle consumer
#define TICK_MS 1000                 // how often a consumer that met an error tries again
#define READ_BYTES (8 * 1024 * 1024) // what one read should bring at most
#define MOST_AT_ONCE 128             // entries of a read: small ones don't tell what comes behind them
#define FIRST_MEAN (64 * 1024)       // bytes an entry, before any was seen: the first read is a small one

struct event_consumer {
    uv_timer_t tick;
    struct redis_link *link;
    struct event_consumer_options options;
    struct partition_keys keys;
    struct batch_stream stream;
    char *provider, *me;
    struct buf packed;          // scratch
    size_t mean;                // bytes of an entry, by the last reads
    size_t held;                // entries in the queue or being written, read over this connection
    size_t acks;                // `done` calls without an answer
    struct entries_newer newer; // since the last tick
    int64_t steal_at;           // clock_boot_ms
    uint64_t connection;        // the number of the one that the call under way went over
    bool busy;                  // a call for entries is under way
    bool no_group;              // must be made first
    bool claim_due;             // entries that were delivered before are to be claimed first
    bool steal;                 // others' too
    bool dry;                   // nothing more was there: rest until nothing is held
    bool paused;                // after an error, until the next tick
    bool stopped, closed;       // by event_consumer_stop, event_consumer_destroy
};

static void next(struct event_consumer *consumer);

static void pause_after(struct event_consumer *consumer, const char *what, const redisReply *reply) {
    if (!consumer->paused) {
        log_warn("reader_error", "%s of %s: %s", what, consumer->keys.events, reply == NULL ? "" : reply->str);
    }
    consumer->paused = true;
}

// Ends a call. Returns whether its answer is to be looked at: the connection stands, and the consumer isn't being taken
// down.
static bool end_call(struct event_consumer *consumer, enum redis_result result) {
    consumer->busy = false;
    return result != REDIS_LINK_LOST && !consumer->closed;
}

static void event_consumer_go_on(struct event_consumer *consumer) {
    consumer->options.on_change(consumer->options.argument);
    next(consumer);
}

static void fail_call(struct event_consumer *consumer, const char *what, const redisReply *reply) {
    if (reply != NULL && reply->type == REDIS_REPLY_ERROR && strstr(reply->str, "NOGROUP") != NULL) {
        consumer->no_group = true;
    } else {
        pause_after(consumer, what, reply);
    }
    event_consumer_go_on(consumer);
}

static void event_consumer_on_group(void *argument, enum redis_result result, const redisReply *reply) {
    struct event_consumer *consumer = argument;
    if (!end_call(consumer, result)) {
        return;
    }
    if (result == REDIS_LINK_OK || strncmp(reply->str, "BUSYGROUP", 9) == 0) {
        consumer->no_group = false;
    } else {
        pause_after(consumer, "the group", reply);
    }
    event_consumer_go_on(consumer);
}

static int event_consumer_make_group(struct event_consumer *consumer) {
    const char *argv[] = {"XGROUP", "CREATE", consumer->keys.events, GROUP_PERSISTERS, "0", "MKSTREAM"};
    return redis_link_call(consumer->link, event_consumer_on_group, consumer, 6, argv, NULL);
}

// Asks Redis to put an entry of a newer format aside; a persister of that release will claim it.
static void give_back(struct event_consumer *consumer, const char *id, long long count) {
    const char *delivery = DECIMAL(count);
    const char *argv[] = {
        "FCALL", library_function(LIBRARY_GIVE_BACK), "1", consumer->keys.events, GROUP_PERSISTERS, consumer->me, id,
        delivery};
    entries_newer_add(&consumer->newer, id);
    if (redis_link_call(consumer->link, NULL, NULL, 8, argv, NULL) != 0) {
        return; // the connection is gone: the entry will be claimed
    }
}

static bool is_text(const redisReply *reply) {
    return reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS;
}

// Takes one entry into the queue. Returns whether it was taken.
static bool take_entry(struct event_consumer *consumer, const redisReply *id, const redisReply *fields,
                       long long count) {
    if (!is_text(id) || fields->type != REDIS_REPLY_ARRAY) {
        return false;
    }
    buf_clear(&consumer->packed);
    for (size_t i = 0; i < fields->elements; i++) {
        event_pack(&consumer->packed, fields->element[i]->str, fields->element[i]->len);
    }
    if (!batch_queue_add(consumer->options.queue, &consumer->stream, consumer->connection, id->str,
                         &consumer->packed)) {
        give_back(consumer, id->str, count);
        return false;
    }
    size_t bytes = consumer->packed.length;
    consumer->mean = bytes > consumer->mean ? bytes : (consumer->mean * 15 + bytes) / 16;
    consumer->held++;
    return true;
}

static void event_consumer_on_read(void *argument, enum redis_result result, const redisReply *reply) {
    struct event_consumer *consumer = argument;
    if (!end_call(consumer, result)) {
        return;
    }
    if (result != REDIS_LINK_OK) {
        fail_call(consumer, "reading", reply);
        return;
    }
    size_t taken = 0;
    const redisReply *entries = redis_reply_entries(reply);
    for (size_t i = 0; entries != NULL && i < entries->elements; i++) {
        const redisReply *entry = entries->element[i];
        taken += entry->elements == 2 && take_entry(consumer, entry->element[0], entry->element[1], 1);
    }
    consumer->dry = taken == 0 && consumer->held > 0;
    event_consumer_go_on(consumer);
}

// How many entries to ask for, so that their bytes stay bounded too.
static size_t how_many(const struct event_consumer *consumer) {
    size_t fit = READ_BYTES / (consumer->mean + 1);
    size_t most = consumer->options.max_entries < MOST_AT_ONCE ? consumer->options.max_entries : MOST_AT_ONCE;
    return fit < 1 ? 1 : fit > most ? most : fit;
}

static int read_new(struct event_consumer *consumer) {
    bool blocks = consumer->held == 0;
    const char *count = DECIMAL(how_many(consumer)), *wait = DECIMAL(BLOCK_MS);
    const char *argv[11] = {"XREADGROUP", "GROUP", GROUP_PERSISTERS, consumer->me, "COUNT", count, "BLOCK", wait};
    int argc = blocks ? 8 : 6;
    argv[argc++] = "STREAMS";
    argv[argc++] = consumer->keys.events;
    argv[argc++] = ">";
    return redis_link_call_blocking(consumer->link, blocks ? BLOCK_MS : 0, event_consumer_on_read, consumer, argc, argv,
                                    NULL);
}

static void log_claimed(const struct event_consumer *consumer, size_t taken, size_t given_back) {
    struct log_line *line = log_begin(LOG_INFO, "claimed");
    log_str(line, "stream", consumer->keys.events);
    log_int(line, "entries", (int64_t)taken);
    log_int(line, "given_back", (int64_t)given_back);
    log_bool(line, "from_others", consumer->steal);
    log_end(line);
}

// Each entry comes as {id, delivery count, {field, value, …}}.
static void event_consumer_on_claimed(void *argument, enum redis_result result, const redisReply *reply) {
    struct event_consumer *consumer = argument;
    if (!end_call(consumer, result)) {
        return;
    }
    if (result != REDIS_LINK_OK || reply->type != REDIS_REPLY_ARRAY) {
        fail_call(consumer, "claiming", reply);
        return;
    }
    size_t taken = 0;
    for (size_t i = 0; i < reply->elements; i++) {
        const redisReply *entry = reply->element[i];
        taken += entry->elements == 3 &&
                 take_entry(consumer, entry->element[0], entry->element[2], entry->element[1]->integer);
    }
    if (reply->elements > 0) {
        log_claimed(consumer, taken, reply->elements - taken);
    }
    if (consumer->steal && taken > 0) {
        consumer->options.on_stolen(consumer->options.argument, taken);
    }
    consumer->claim_due = reply->elements > 0; // there may be more
    consumer->steal = consumer->steal && consumer->claim_due;
    event_consumer_go_on(consumer);
}

static int claim(struct event_consumer *consumer) {
    const char *argv[] = {"FCALL",
                          library_function(LIBRARY_CLAIM),
                          "1",
                          consumer->keys.events,
                          GROUP_PERSISTERS,
                          consumer->me,
                          DECIMAL(consumer->steal ? redis_link_now_ms(consumer->link) : 0),
                          DECIMAL(consumer->options.claim_timeout_ms),
                          DECIMAL(how_many(consumer))};
    return redis_link_call(consumer->link, event_consumer_on_claimed, consumer, 9, argv, NULL);
}

static void next(struct event_consumer *consumer) {
    if (consumer->busy || consumer->stopped || consumer->paused || !redis_link_is_up(consumer->link) ||
        !batch_queue_has_room(consumer->options.queue)) {
        return;
    }
    int sent = -1;
    consumer->connection = redis_link_connection(consumer->link);
    if (consumer->no_group) {
        sent = event_consumer_make_group(consumer);
    } else if (consumer->claim_due && consumer->held == 0) {
        sent = claim(consumer);
    } else if (!consumer->claim_due && !consumer->dry) {
        sent = read_new(consumer);
    }
    consumer->busy = sent == 0;
}

static void event_consumer_on_done(void *argument, enum redis_result result, const redisReply *reply) {
    struct event_consumer *consumer = argument;
    consumer->acks--;
    if (result == REDIS_LINK_LOST || consumer->closed) {
        return;
    }
    if (result != REDIS_LINK_OK) { // still mine, and pending: they will be claimed
        log_warn("ack_failed", "%s: %s", consumer->keys.events, reply->str);
        consumer->claim_due = true;
    }
    event_consumer_go_on(consumer);
}

void event_consumer_done(struct event_consumer *consumer, uint64_t connection, const char **ids, size_t count) {
    if (!redis_link_is_up(consumer->link) || connection != redis_link_connection(consumer->link)) {
        return;
    }
    const char **argv = xmalloc((count + 5) * sizeof *argv);
    const char *head[] = {"FCALL", library_function(LIBRARY_DONE), "1", consumer->keys.events, GROUP_PERSISTERS};
    memcpy(argv, head, sizeof head);
    memcpy(argv + 5, ids, count * sizeof *ids);
    if (redis_link_call(consumer->link, event_consumer_on_done, consumer, (int)count + 5, argv, NULL) == 0) {
        consumer->acks++;
    }
    free(argv);
    consumer->held -= count;
    consumer->dry = consumer->dry && consumer->held > 0;
    next(consumer);
}

void event_consumer_kick(struct event_consumer *consumer) {
    next(consumer);
}

static void event_consumer_on_up(void *argument) {
    struct event_consumer *consumer = argument;
    consumer->held = 0;
    consumer->dry = consumer->paused = consumer->steal = false;
    consumer->claim_due = true; // the answer to a read may have been lost with the last connection
    consumer->steal_at = clock_boot_ms() + consumer->options.claim_timeout_ms;
    next(consumer);
}

static void event_consumer_on_down(void *argument) {
    struct event_consumer *consumer = argument;
    if (!consumer->closed) {
        consumer->options.on_change(consumer->options.argument);
    }
}

// Nobody steals before it has been connected without a gap, and Redis's clock without a jump, for T: idle time runs on
// while Redis is away, and jumps with its clock.
static void event_consumer_on_tick(uv_timer_t *timer) {
    struct event_consumer *consumer = timer->data;
    consumer->paused = false;
    entries_newer_log(&consumer->newer, consumer->keys.events, consumer->provider);
    if (clock_boot_ms() >= consumer->steal_at &&
        redis_link_steady_ms(consumer->link) >= consumer->options.claim_timeout_ms) {
        consumer->claim_due = consumer->steal = true;
        consumer->steal_at = clock_boot_ms() + consumer->options.claim_timeout_ms / 4;
    }
    next(consumer);
}

struct event_consumer *event_consumer_create(uv_loop_t *loop, const struct event_consumer_options *options) {
    struct event_consumer *consumer = xcalloc(1, sizeof *consumer);
    consumer->options = *options;
    consumer->me = xstrdup(options->consumer);
    consumer->provider = xstrndup(options->tag, strcspn(options->tag, ":"));
    consumer->mean = FIRST_MEAN;
    partition_keys(options->tag, &consumer->keys);
    consumer->stream = (struct batch_stream){consumer->keys.events, consumer->provider, consumer};
    consumer->tick.data = consumer;
    uv_timer_init(loop, &consumer->tick);
    uv_timer_start(&consumer->tick, event_consumer_on_tick, TICK_MS, TICK_MS);
    consumer->link = redis_link_create(loop, &(struct redis_link_options){.target = options->target,
                                                                          .name = consumer->keys.events,
                                                                          .timeout_ms = options->redis_timeout_ms,
                                                                          .on_up = event_consumer_on_up,
                                                                          .on_down = event_consumer_on_down,
                                                                          .argument = consumer});
    return consumer;
}

void event_consumer_stop(struct event_consumer *consumer) {
    consumer->stopped = true;
}

bool event_consumer_is_quiet(const struct event_consumer *consumer) {
    return !consumer->busy && consumer->acks == 0;
}

const char *event_consumer_tag(const struct event_consumer *consumer) {
    return consumer->keys.tag;
}

static void event_consumer_on_closed(uv_handle_t *handle) {
    struct event_consumer *consumer = handle->data;
    buf_free(&consumer->packed);
    free(consumer->provider);
    free(consumer->me);
    free(consumer);
}

void event_consumer_destroy(struct event_consumer *consumer) {
    consumer->stopped = consumer->closed = true;
    redis_link_destroy(consumer->link);
    uv_close((uv_handle_t *)&consumer->tick, event_consumer_on_closed);
}
