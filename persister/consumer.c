// SPDX-License-Identifier: MIT
//
// One call at a time goes out for entries: the group is made anew, own or others' entries are claimed, or new ones are
// read; next() decides which, whenever something has changed.
//
// The connection that reads must also acknowledge (protocol.md, Leases), but a connection that blocks in XREADGROUP
// lets nothing through. So it blocks only while it holds nothing: with entries in the batch it asks for what is there
// already, and when that is nothing it rests until its entries are acknowledged. A claim likewise waits until nothing
// is held, so that it never has to be told what is known.
//
// Rejected: acknowledging over a second connection, which can't know that the first one still talks to the same server.
#include "persister/consumer.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/buf.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/redis/keys.h"
#include "shared/redis/library.h"
#include "shared/redis/link.h"
#include "shared/redis/reply.h"

#define BLOCK_MS 500                 // how long a drain may have to wait for an idle reader
#define TICK_MS 1000                 // how often a reader that met an error tries again
#define READ_BYTES (8 * 1024 * 1024) // what one read should bring at most
#define MOST_AT_ONCE 128             // entries of a read: small ones don't tell what comes behind them
#define FIRST_MEAN (64 * 1024)       // bytes an entry, before any was seen: the first read is a small one

struct event_consumer {
    uv_timer_t tick;
    struct redis_link *link;
    struct event_consumer_options options;
    struct partition_keys keys;
    struct batch_stream stream;
    char *provider, *consumer;
    struct buf packed;                // scratch
    size_t mean;                      // bytes of an entry, by the last reads
    size_t held;                      // entries in the queue or being written, read over this connection
    size_t acks;                      // `done` calls without an answer
    size_t newer;                     // entries of a newer format since the last log line
    char newest[BATCH_ENTRY_ID_SIZE]; // the last one of them
    int64_t steal_at;                 // clock_boot_ms
    uint64_t generation;              // of the connection that the call under way went over
    bool busy;                        // a call for entries is under way
    bool no_group;                    // must be made first
    bool claim_due;                   // entries that were delivered before are to be claimed first
    bool steal;                       // others' too
    bool dry;                         // nothing more was there: rest until nothing is held
    bool paused;                      // after an error, until the next tick
    bool stopped, closed;             // by event_consumer_stop, event_consumer_destroy
};

static void next(struct event_consumer *reader);

static void pause_after(struct event_consumer *reader, const char *what, const redisReply *reply) {
    if (!reader->paused) {
        log_warn("reader_error", "%s of %s: %s", what, reader->keys.events, reply == NULL ? "" : reply->str);
    }
    reader->paused = true;
}

// Ends a call. Returns whether its answer is to be looked at: the connection stands, and the reader isn't being taken
// down.
static bool end_call(struct event_consumer *reader, enum redis_result result) {
    reader->busy = false;
    return result != REDIS_LINK_LOST && !reader->closed;
}

static void event_consumer_go_on(struct event_consumer *reader) {
    reader->options.on_change(reader->options.argument);
    next(reader);
}

static void fail_call(struct event_consumer *reader, const char *what, const redisReply *reply) {
    if (reply != NULL && reply->type == REDIS_REPLY_ERROR && strstr(reply->str, "NOGROUP") != NULL) {
        reader->no_group = true;
    } else {
        pause_after(reader, what, reply);
    }
    event_consumer_go_on(reader);
}

static void event_consumer_on_group(void *argument, enum redis_result result, const redisReply *reply) {
    struct event_consumer *reader = argument;
    if (!end_call(reader, result)) {
        return;
    }
    if (result == REDIS_LINK_OK || strncmp(reply->str, "BUSYGROUP", 9) == 0) {
        reader->no_group = false;
    } else {
        pause_after(reader, "the group", reply);
    }
    event_consumer_go_on(reader);
}

static int event_consumer_make_group(struct event_consumer *reader) {
    const char *argv[] = {"XGROUP", "CREATE", reader->keys.events, GROUP_PERSISTERS, "0", "MKSTREAM"};
    return redis_link_call(reader->link, event_consumer_on_group, reader, 6, argv, NULL);
}

// One line a tick at most.
static void log_newer(struct event_consumer *reader) {
    if (reader->newer == 0) {
        return;
    }
    struct log_line *line = log_begin(LOG_WARN, "entries_newer");
    log_str(line, "stream", reader->keys.events);
    log_str(line, "entry", reader->newest);
    log_int(line, "entries", (int64_t)reader->newer);
    log_str(line, "provider", reader->provider);
    log_str(line, "message", "they are of a newer format and were put aside for a release that reads them");
    log_end(line);
    reader->newer = 0;
}

// Asks Redis to put an entry of a newer format aside; a persister of that release will claim it.
static void give_back(struct event_consumer *reader, const char *id, long long count) {
    char delivery[24];
    snprintf(delivery, sizeof delivery, "%lld", count);
    const char *argv[] = {
        "FCALL", library_function(LIBRARY_GIVE_BACK), "1", reader->keys.events, GROUP_PERSISTERS, reader->consumer, id,
        delivery};
    reader->newer++;
    snprintf(reader->newest, sizeof reader->newest, "%s", id);
    if (redis_link_call(reader->link, NULL, NULL, 8, argv, NULL) != 0) {
        return; // the connection is gone: the entry will be claimed
    }
}

static bool is_text(const redisReply *reply) {
    return reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS;
}

// Takes one entry into the queue. Returns whether it was taken.
static bool take_entry(struct event_consumer *reader, const redisReply *id, const redisReply *fields, long long count) {
    if (!is_text(id) || fields->type != REDIS_REPLY_ARRAY) {
        return false;
    }
    buf_clear(&reader->packed);
    for (size_t i = 0; i < fields->elements; i++) {
        event_pack(&reader->packed, fields->element[i]->str, fields->element[i]->len);
    }
    if (!batch_queue_add(reader->options.queue, &reader->stream, reader->generation, id->str, &reader->packed)) {
        give_back(reader, id->str, count);
        return false;
    }
    size_t bytes = reader->packed.length;
    reader->mean = bytes > reader->mean ? bytes : (reader->mean * 15 + bytes) / 16;
    reader->held++;
    return true;
}

static void event_consumer_on_read(void *argument, enum redis_result result, const redisReply *reply) {
    struct event_consumer *reader = argument;
    if (!end_call(reader, result)) {
        return;
    }
    if (result != REDIS_LINK_OK) {
        fail_call(reader, "reading", reply);
        return;
    }
    size_t taken = 0;
    const redisReply *entries = redis_reply_entries(reply);
    for (size_t i = 0; entries != NULL && i < entries->elements; i++) {
        const redisReply *entry = entries->element[i];
        taken += entry->elements == 2 && take_entry(reader, entry->element[0], entry->element[1], 1);
    }
    reader->dry = taken == 0 && reader->held > 0;
    event_consumer_go_on(reader);
}

// How many entries to ask for, so that their bytes stay bounded too.
static size_t how_many(const struct event_consumer *reader) {
    size_t fit = READ_BYTES / (reader->mean + 1);
    size_t most = reader->options.max_entries < MOST_AT_ONCE ? reader->options.max_entries : MOST_AT_ONCE;
    return fit < 1 ? 1 : fit > most ? most : fit;
}

static int read_new(struct event_consumer *reader) {
    bool blocks = reader->held == 0;
    char count[24], block[24];
    snprintf(count, sizeof count, "%zu", how_many(reader));
    snprintf(block, sizeof block, "%d", BLOCK_MS);
    const char *head[] = {"XREADGROUP", "GROUP", GROUP_PERSISTERS, reader->consumer, "COUNT", count};
    const char *tail[] = {"STREAMS", reader->keys.events, ">"};
    const char *argv[11];
    int argc = 0;
    memcpy(argv, head, sizeof head);
    argc += 6;
    if (blocks) {
        argv[argc++] = "BLOCK";
        argv[argc++] = block;
    }
    memcpy(argv + argc, tail, sizeof tail);
    argc += 3;
    return redis_link_call_blocking(reader->link, blocks ? BLOCK_MS : 0, event_consumer_on_read, reader, argc, argv,
                                    NULL);
}

static void log_claimed(const struct event_consumer *reader, size_t taken, size_t given_back) {
    struct log_line *line = log_begin(LOG_INFO, "claimed");
    log_str(line, "stream", reader->keys.events);
    log_int(line, "entries", (int64_t)taken);
    log_int(line, "given_back", (int64_t)given_back);
    log_bool(line, "from_others", reader->steal);
    log_end(line);
}

// Each entry comes as {id, delivery count, {field, value, …}}.
static void event_consumer_on_claimed(void *argument, enum redis_result result, const redisReply *reply) {
    struct event_consumer *reader = argument;
    if (!end_call(reader, result)) {
        return;
    }
    if (result != REDIS_LINK_OK || reply->type != REDIS_REPLY_ARRAY) {
        fail_call(reader, "claiming", reply);
        return;
    }
    size_t taken = 0;
    for (size_t i = 0; i < reply->elements; i++) {
        const redisReply *entry = reply->element[i];
        taken += entry->elements == 3 &&
                 take_entry(reader, entry->element[0], entry->element[2], entry->element[1]->integer);
    }
    if (reply->elements > 0) {
        log_claimed(reader, taken, reply->elements - taken);
    }
    if (reader->steal && taken > 0) {
        reader->options.on_stolen(reader->options.argument, taken);
    }
    reader->claim_due = reply->elements > 0; // there may be more
    reader->steal = reader->steal && reader->claim_due;
    event_consumer_go_on(reader);
}

static int claim(struct event_consumer *reader) {
    char now[24], idle[24], most[24];
    snprintf(now, sizeof now, "%lld", reader->steal ? (long long)redis_link_now_ms(reader->link) : 0);
    snprintf(idle, sizeof idle, "%lld", (long long)reader->options.claim_timeout_ms);
    snprintf(most, sizeof most, "%zu", how_many(reader));
    const char *argv[] = {"FCALL",
                          library_function(LIBRARY_CLAIM),
                          "1",
                          reader->keys.events,
                          GROUP_PERSISTERS,
                          reader->consumer,
                          now,
                          idle,
                          most};
    return redis_link_call(reader->link, event_consumer_on_claimed, reader, 9, argv, NULL);
}

static void next(struct event_consumer *reader) {
    if (reader->busy || reader->stopped || reader->paused || !redis_link_is_up(reader->link) ||
        !batch_queue_has_room(reader->options.queue)) {
        return;
    }
    int sent = -1;
    reader->generation = redis_link_generation(reader->link);
    if (reader->no_group) {
        sent = event_consumer_make_group(reader);
    } else if (reader->claim_due && reader->held == 0) {
        sent = claim(reader);
    } else if (!reader->claim_due && !reader->dry) {
        sent = read_new(reader);
    }
    reader->busy = sent == 0;
}

static void event_consumer_on_done(void *argument, enum redis_result result, const redisReply *reply) {
    struct event_consumer *reader = argument;
    reader->acks--;
    if (result == REDIS_LINK_LOST || reader->closed) {
        return;
    }
    if (result != REDIS_LINK_OK) { // still mine, and pending: they will be claimed
        log_warn("ack_failed", "%s: %s", reader->keys.events, reply->str);
        reader->claim_due = true;
    }
    event_consumer_go_on(reader);
}

void event_consumer_done(struct event_consumer *reader, uint64_t generation, const char **ids, size_t count) {
    if (!redis_link_is_up(reader->link) || generation != redis_link_generation(reader->link)) {
        return;
    }
    const char **argv = xmalloc((count + 5) * sizeof *argv);
    const char *head[] = {"FCALL", library_function(LIBRARY_DONE), "1", reader->keys.events, GROUP_PERSISTERS};
    memcpy(argv, head, sizeof head);
    memcpy(argv + 5, ids, count * sizeof *ids);
    if (redis_link_call(reader->link, event_consumer_on_done, reader, (int)count + 5, argv, NULL) == 0) {
        reader->acks++;
    }
    free(argv);
    reader->held -= count;
    reader->dry = reader->dry && reader->held > 0;
    next(reader);
}

void event_consumer_kick(struct event_consumer *reader) {
    next(reader);
}

static void event_consumer_on_up(void *argument) {
    struct event_consumer *reader = argument;
    reader->held = 0;
    reader->dry = reader->paused = reader->steal = false;
    reader->claim_due = true; // the answer to a read may have been lost with the last connection
    reader->steal_at = clock_boot_ms() + reader->options.claim_timeout_ms;
    next(reader);
}

static void event_consumer_on_down(void *argument) {
    struct event_consumer *reader = argument;
    if (!reader->closed) {
        reader->options.on_change(reader->options.argument);
    }
}

// Nobody steals before it has been connected without a gap, and Redis's clock without a jump, for T: idle time runs on
// while Redis is away, and jumps with its clock.
static void event_consumer_on_tick(uv_timer_t *timer) {
    struct event_consumer *reader = timer->data;
    reader->paused = false;
    log_newer(reader);
    if (clock_boot_ms() >= reader->steal_at && redis_link_steady_ms(reader->link) >= reader->options.claim_timeout_ms) {
        reader->claim_due = reader->steal = true;
        reader->steal_at = clock_boot_ms() + reader->options.claim_timeout_ms / 4;
    }
    next(reader);
}

struct event_consumer *event_consumer_create(uv_loop_t *loop, const struct event_consumer_options *options) {
    struct event_consumer *reader = xcalloc(1, sizeof *reader);
    reader->options = *options;
    reader->consumer = xstrdup(options->consumer);
    reader->provider = xstrndup(options->tag, strcspn(options->tag, ":"));
    reader->mean = FIRST_MEAN;
    partition_keys(options->tag, &reader->keys);
    reader->stream = (struct batch_stream){reader->keys.events, reader->provider, reader};
    reader->tick.data = reader;
    uv_timer_init(loop, &reader->tick);
    uv_timer_start(&reader->tick, event_consumer_on_tick, TICK_MS, TICK_MS);
    reader->link = redis_link_create(loop, &(struct redis_link_options){.url = options->redis_url,
                                                                        .name = reader->keys.events,
                                                                        .timeout_ms = options->redis_timeout_ms,
                                                                        .on_up = event_consumer_on_up,
                                                                        .on_down = event_consumer_on_down,
                                                                        .argument = reader});
    return reader;
}

void event_consumer_stop(struct event_consumer *reader) {
    reader->stopped = true;
}

bool event_consumer_is_quiet(const struct event_consumer *reader) {
    return !reader->busy && reader->acks == 0;
}

const char *event_consumer_tag(const struct event_consumer *reader) {
    return reader->keys.tag;
}

static void event_consumer_on_closed(uv_handle_t *handle) {
    struct event_consumer *reader = handle->data;
    buf_free(&reader->packed);
    free(reader->provider);
    free(reader->consumer);
    free(reader);
}

void event_consumer_destroy(struct event_consumer *reader) {
    reader->stopped = reader->closed = true;
    redis_link_destroy(reader->link);
    uv_close((uv_handle_t *)&reader->tick, event_consumer_on_closed);
}
