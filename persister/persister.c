// SPDX-License-Identifier: MIT
#include "persister/persister.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "persister/acknowledge.h"
#include "persister/announce.h"
#include "persister/batch.h"
#include "persister/consumer.h"
#include "persister/eraser.h"
#include "persister/identities.h"
#include "persister/janitor.h"
#include "persister/opt_out_fill.h"
#include "persister/opt_out_teller.h"
#include "persister/replayer.h"
#include "persister/retention.h"
#include "persister/streams.h"
#include "persister/token_canceller.h"
#include "persister/told.h"
#include "persister/writer.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/loop/process.h"
#include "shared/postgres/link.h"
#include "shared/postgres/reload.h"
#include "shared/postgres/url.h"
#include "shared/redis/counters.h"
#include "shared/redis/heartbeat.h"
#include "shared/redis/keys.h"
#include "shared/redis/link.h"
#include "shared/redis/reload.h"

#define SLOTS 16                             // rows of `totals`
#define LONGEST_MS (30LL * 24 * 3600 * 1000) // that an event is believed to have waited
#define REPEATS_TOLD 5                       // of one batch: until then it may have been others in its way
#define MAX_BATCH_BYTES (16 * 1024 * 1024)   // of a batch in memory, beside its number of entries

enum persister_state { PERSISTER_RUNNING, PERSISTER_DRAINING, PERSISTER_FLUSHING, PERSISTER_FINISHED };

struct persister {
    enum persister_state state;
    struct redis_target *target;
    struct redis_link *control; // for all that doesn't belong to one stream
    struct counters *counters;
    struct heartbeat *heartbeat;
    int64_t feed_max_length;
    struct pg_link *database;
    struct batch_queue *queue;
    struct event_streams *streams;
    struct batch_writer *writer;
    struct persister_janitor *janitor;
    struct retention *retention; // NULL: messages are kept
    struct identities *identities;
    struct replayer *replayer;
    struct opt_out_teller *teller;
    struct opt_out_fill *opt_out_fill;
    struct token_canceller *canceller;
    struct eraser *eraser;
    bool repeats; // so often that it has been told
    void (*on_finished)(void *);
    void *argument;
};

static void persister_finish(struct persister *persister) {
    if (persister->state == PERSISTER_FINISHED) {
        return;
    }
    persister->state = PERSISTER_FINISHED;
    replayer_stop(persister->replayer);
    eraser_stop(persister->eraser);
    pg_link_destroy(persister->database);
    batch_writer_destroy(persister->writer);
    persister_janitor_destroy(persister->janitor);
    if (persister->retention != NULL) {
        retention_destroy(persister->retention);
    }
    identities_destroy(persister->identities);
    heartbeat_destroy(persister->heartbeat);
    counters_destroy(persister->counters);
    redis_link_destroy(persister->control);
    replayer_destroy(persister->replayer);
    opt_out_teller_destroy(persister->teller);
    opt_out_fill_destroy(persister->opt_out_fill);
    token_canceller_destroy(persister->canceller);
    eraser_destroy(persister->eraser);
    event_streams_destroy(persister->streams);
    persister->on_finished(persister->argument);
}

static void persister_on_flushed(void *argument, enum redis_result result, const redisReply *reply) {
    (void)result;
    (void)reply;
    persister_finish(argument);
}

// The last counters are on their way once something sent behind them is answered.
static void persister_flush(struct persister *persister) {
    persister->state = PERSISTER_FLUSHING;
    const char *argv[] = {"PING"};
    heartbeat_stop(persister->heartbeat);
    counters_flush(persister->counters);
    if (redis_link_call(persister->control, persister_on_flushed, persister, 1, argv, NULL) != 0) {
        persister_finish(persister);
    }
}

static void flush_if_drained(struct persister *persister) {
    if (persister->state == PERSISTER_DRAINING && event_streams_are_quiet(persister->streams) &&
        batch_queue_is_empty(persister->queue) && batch_writer_is_idle(persister->writer) &&
        opt_out_teller_is_idle(persister->teller) && token_canceller_is_idle(persister->canceller) &&
        eraser_is_idle(persister->eraser)) {
        persister_flush(persister);
    }
}

static void persister_on_read(void *argument) {
    struct persister *persister = argument;
    batch_writer_kick(persister->writer);
    flush_if_drained(persister);
}

static void persister_on_stolen(void *argument, size_t count) {
    struct persister *persister = argument;
    counters_add(persister->counters, COUNTER_WORKER_CLAIMED, count);
}

static void persister_on_next(void *argument) {
    struct persister *persister = argument;
    event_streams_kick(persister->streams);
    flush_if_drained(persister);
}

static void log_persisted(const struct batch *batch, const struct batch_entry *entry) {
    struct log_line *line = log_begin(LOG_INFO, "persisted");
    log_str(line, "what", batch_what_name(entry->what));
    log_str(line, "message_id", entry->message_id);
    log_str(line, "request_id", batch_request_id(batch, entry));
    log_str(line, "stream", entry->stream->name);
    log_str(line, "entry", entry->id);
    log_str(line, "provider", entry->stream->provider);
    log_end(line);
}

static void log_all_persisted(const struct batch *batch, size_t first, size_t count) {
    log_hold();
    for (size_t i = first; i < first + count; i++) {
        log_persisted(batch, &batch->entries[i]);
    }
    log_release();
}

// An entry's id begins with the time, by Redis's clock, when it entered its stream.
static void observe_latencies(struct persister *persister, const struct batch *batch, size_t first, size_t count) {
    int64_t now_ms = redis_link_now_ms(persister->control);
    for (size_t i = first; i < first + count; i++) {
        const struct batch_entry *entry = &batch->entries[i];
        int64_t took_ms = now_ms - strtoll(entry->id, NULL, 10), took_us = took_ms * 1000;
        if (took_ms > LONGEST_MS) { // the clock was set meanwhile
            continue;
        }
        counters_observe(persister->counters, HISTOGRAM_WORKER_LATENCY, took_us);
        if (entry->what == BATCH_ACCEPTED || entry->what == BATCH_RECEIVED) {
            counters_observe(persister->counters, HISTOGRAM_ACCEPT_TO_PERSISTED, took_us);
        }
    }
}

static void tell_or_acknowledge(struct persister *persister, const char *opt_outs, const struct batch_entry *entries,
                                size_t count) {
    if (*opt_outs != '\0') {
        opt_out_teller_tell(persister->teller, opt_outs, entries, count);
    } else {
        acknowledge(entries, count);
    }
}

// Of what was written, for when the tokens of what was erased have ended.
struct written_with_erased {
    struct persister *persister;
    struct batch_entry *entries;
    size_t count;
    char *opt_outs;
};

static void persister_on_cancelled(void *argument, bool ended) {
    struct written_with_erased *written = argument;
    if (ended) {
        tell_or_acknowledge(written->persister, written->opt_outs, written->entries, written->count);
    }
    free(written->entries);
    free(written->opt_outs);
    free(written);
}

static void cancel_erased(struct persister *persister, const struct batch *batch, size_t first, size_t count,
                          const struct batch_written *what) {
    struct written_with_erased *written = xmalloc(sizeof *written);
    *written = (struct written_with_erased){persister, xmalloc((count + 1) * sizeof *written->entries), count,
                                            xstrdup(what->opt_outs)};
    memcpy(written->entries, &batch->entries[first], count * sizeof *written->entries);
    token_canceller_take(persister->canceller, what->erased, persister_on_cancelled, written);
}

static bool has_erasure(const struct batch *batch, size_t first, size_t count) {
    for (size_t i = first; i < first + count; i++) {
        if (batch->entries[i].what == BATCH_ERASE) {
            return true;
        }
    }
    return false;
}

static void persister_on_written(void *argument, const struct batch *batch, size_t first, size_t count,
                                 const struct batch_written *written) {
    struct persister *persister = argument;
    if (persister->repeats) {
        heartbeat_trouble(persister->heartbeat, "persister_repeats", NULL);
        persister->repeats = false;
    }
    log_all_persisted(batch, first, count);
    if (*written->erased != '\0') {
        cancel_erased(persister, batch, first, count, written);
    } else {
        tell_or_acknowledge(persister, written->opt_outs, &batch->entries[first], count);
    }
    if (has_erasure(batch, first, count)) {
        eraser_kick(persister->eraser);
    }
    announce_written(persister->control, persister->feed_max_length, batch, first, count);
    counters_add(persister->counters, COUNTER_WORKER_PROCESSED, count);
    counters_add(persister->counters, COUNTER_REDELIVERY_DIFFERS, (uint64_t)written->differing);
    counters_add(persister->counters, COUNTER_WORKER_DEAD_LETTER, (uint64_t)written->dead_letters);
    counters_add(persister->counters, COUNTER_CONVERSATIONS_CREATED, (uint64_t)written->created);
    counters_add(persister->counters, COUNTER_CONVERSATIONS_REUSED, (uint64_t)(written->stored - written->created));
    counters_add(persister->counters, COUNTER_CONVERSATIONS_FAILURES, (uint64_t)written->refused);
    counters_observe(persister->counters, HISTOGRAM_PERSIST_BATCH, written->took_us);
    told_count(persister->counters, written->receipts);
    observe_latencies(persister, batch, first, count);
}

static void persister_on_repeat(void *argument, unsigned times, const char *why) {
    struct persister *persister = argument;
    if (times >= REPEATS_TOLD) {
        heartbeat_trouble(persister->heartbeat, "persister_repeats", why);
        persister->repeats = true;
    }
    counters_add(persister->counters, COUNTER_WORKER_ERROR, 1);
}

static void persister_on_control_up(void *argument) {
    struct persister *persister = argument;
    heartbeat_on_up(persister->heartbeat);
    event_streams_refresh(persister->streams);
    if (persister->teller != NULL) {
        token_canceller_on_up(persister->canceller);
        opt_out_teller_on_up(persister->teller);
        opt_out_fill_look(persister->opt_out_fill);
    }
}

static void persister_on_told(void *argument) {
    flush_if_drained(argument);
}

static void persister_on_database_set_up(void *argument, const PGresult *result) {
    struct persister *persister = argument;
    batch_writer_renewed(persister->writer, result);
}

static void persister_on_database_trouble(void *argument, const char *why) {
    struct persister *persister = argument;
    heartbeat_trouble(persister->heartbeat, "postgres_refused", why);
}

static void persister_on_database_up(void *argument) {
    struct persister *persister = argument;
    batch_writer_kick(persister->writer);
}

static void create_database(struct persister *persister, uv_loop_t *loop, const struct settings *settings,
                            unsigned slot) {
    char *setup = batch_writer_setup(settings->phone_region);
    persister->database = pg_link_create(loop, &(struct pg_link_options){.url = settings->database_url,
                                                                         .name = process_instance(),
                                                                         .timeout_ms = settings->database_timeout_ms,
                                                                         .setup = setup,
                                                                         .on_set_up = persister_on_database_set_up,
                                                                         .on_up = persister_on_database_up,
                                                                         .on_trouble = persister_on_database_trouble,
                                                                         .argument = persister});
    free(setup);
    persister->writer = batch_writer_create(loop, &(struct batch_writer_options){.link = persister->database,
                                                                                 .queue = persister->queue,
                                                                                 .slot = slot,
                                                                                 .on_next = persister_on_next,
                                                                                 .on_written = persister_on_written,
                                                                                 .on_repeat = persister_on_repeat,
                                                                                 .argument = persister});
}

static void create_streams(struct persister *persister, uv_loop_t *loop, const struct settings *settings,
                           struct redis_target *target) {
    persister->control = redis_link_create(loop, &(struct redis_link_options){.target = target,
                                                                              .name = process_instance(),
                                                                              .timeout_ms = settings->redis_timeout_ms,
                                                                              .on_up = persister_on_control_up,
                                                                              .argument = persister});
    persister->counters = counters_create(loop, persister->control);
    persister->heartbeat = heartbeat_create(loop, persister->control, "persister", process_instance());
    struct event_consumer_options consumer = {.target = target,
                                              .redis_timeout_ms = settings->redis_timeout_ms,
                                              .consumer = process_instance(),
                                              .max_entries = (size_t)settings->worker_batch_size,
                                              .claim_timeout_ms = settings->worker_claim_timeout_secs * 1000,
                                              .queue = persister->queue,
                                              .on_change = persister_on_read,
                                              .on_stolen = persister_on_stolen,
                                              .argument = persister};
    persister->streams = event_streams_create(loop, persister->control, persister->heartbeat, &consumer,
                                              (unsigned)settings->stream_partitions);
}

struct persister *persister_create(uv_loop_t *loop, const struct settings *settings, struct redis_target *target,
                                   void (*on_finished)(void *), void *argument) {
    struct persister *persister = xcalloc(1, sizeof *persister);
    unsigned slot = partition_of(process_instance(), SLOTS);
    persister->on_finished = on_finished;
    persister->argument = argument;
    persister->target = target;
    persister->feed_max_length = settings->feed_max_length;
    persister->queue =
        batch_queue_create((size_t)settings->worker_batch_size, MAX_BATCH_BYTES, slot, settings->phone_region);
    create_database(persister, loop, settings, slot);
    create_streams(persister, loop, settings, target);
    persister->janitor = persister_janitor_create(loop, persister->database, persister->counters);
    if (settings->message_retention_days > 0) {
        persister->retention = retention_create(
            loop, &(struct retention_options){.settings = settings,
                                              .redis = persister->control,
                                              .counters = persister->counters,
                                              .heartbeat = persister->heartbeat,
                                              .queue = persister->queue,
                                              .slot = (slot + SLOTS / 2) % SLOTS}); // not its own batches'
    }
    persister->identities = identities_create(loop, persister->database, persister->heartbeat);
    persister->replayer = replayer_create(loop, settings, persister->control);
    persister->teller = opt_out_teller_create(loop, persister->control, persister_on_told, persister);
    persister->opt_out_fill = opt_out_fill_create(loop, persister->control, persister->database, settings);
    persister->canceller = token_canceller_create(loop, persister->control, persister_on_told, persister);
    persister->eraser = eraser_create(loop, &(struct eraser_options){.database = persister->database,
                                                                     .redis = persister->control,
                                                                     .canceller = persister->canceller,
                                                                     .counters = persister->counters,
                                                                     .feed_max_length = settings->feed_max_length,
                                                                     .slot = slot,
                                                                     .on_idle = persister_on_told,
                                                                     .argument = persister});
    return persister;
}

// ---- SIGHUP

char *persister_check(const struct settings *settings) {
    char *reason = pg_url_check(settings->database_url);
    char *error = reason != NULL ? xasprintf("DATABASE_URL: %s", reason) : NULL;
    free(reason);
    return error;
}

static char *persister_take(void *argument, const struct settings_change *change) {
    struct persister *persister = argument;
    char *error = redis_reload_take(persister->target, change);
    if (error != NULL) {
        return error;
    }
    if (settings_change_has(change, "DATABASE_URL")) {
        pg_link_change_url(persister->database, change->next.database_url);
        replayer_change_database(persister->replayer, change->next.database_url);
        if (persister->retention != NULL) {
            retention_change_database(persister->retention, change->next.database_url);
        }
    }
    return NULL;
}

static const struct reload_trial *const trials[] = {&redis_reload_trial, &pg_reload_trial, NULL};

const struct reload_plan persister_reload = {
    .check = persister_check,
    .trials = trials,
    .take = persister_take,
};

// ---- Its end

void persister_drain(void *argument) {
    struct persister *persister = argument;
    if (persister->state == PERSISTER_RUNNING) {
        persister->state = PERSISTER_DRAINING;
        if (persister->retention != NULL) {
            retention_stop(persister->retention);
        }
        replayer_stop(persister->replayer);
        opt_out_fill_stop(persister->opt_out_fill);
        eraser_stop(persister->eraser);
        event_streams_stop(persister->streams);
        flush_if_drained(persister);
    }
}

void persister_hurry(void *argument) {
    persister_finish(argument);
}

void persister_free(struct persister *persister) {
    batch_queue_destroy(persister->queue);
    free(persister);
}
