// SPDX-License-Identifier: MIT
#ifndef PERSISTER_WRITER_H
#define PERSISTER_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "persister/batch.h"
#include "shared/postgres/link.h"

// Takes one batch after the other from the queue and records it: COPY into the staging table, then sql/batch.sql.
// It never gives up: what a lost connection, a deadlock or another persister undid is tried again with backoff; an
// entry that Postgres refuses for what it is (PG_ERROR_CONTENT) is found by bisection and becomes a dead letter.
//
// An entry is written when the session that committed has said so: by its token, and by the count and the marks of the
// rows that it took. Anything else, as from a session that a pooler has put in its place, is written again.

struct batch_writer;

// What one transaction came to.
struct batch_written {
    int64_t stored;       // messages that were new
    int64_t created;      // conversations that were new
    int64_t dead_letters; // that were new, of both stages
    int64_t differing;    // webhooks that came again with other content
    int64_t refused;      // entries set apart as poison
    const char *receipts; // those that were new, a line each (told.h); valid during on_written
    const char *opt_outs; // what stands of pairs that have opted out or in, JSON; "": none has; valid during on_written
    const char *erased; // sends that are not stored, for they were erased (token_canceller.h); valid during on_written
    int64_t took_us;    // from the begin of the staging to the end of the commit
};

struct batch_writer_options {
    struct pg_link *link;      // set up by batch_writer_setup; outlives the writer
    struct batch_queue *queue; // outlives the writer
    unsigned slot;             // of `totals`
    // A batch was taken, so that the queue has room again, or the last one is finished and none waits.
    void (*on_next)(void *argument);
    // Entries first … first + count - 1 of batch are committed.
    void (*on_written)(void *argument, const struct batch *batch, size_t first, size_t count,
                       const struct batch_written *written);
    // A transaction must be repeated, for the times-th time in a row. why: one line.
    void (*on_repeat)(void *argument, unsigned times, const char *why);
    void *argument;
};

struct batch_writer *batch_writer_create(uv_loop_t *loop, const struct batch_writer_options *options);
// The queue has something, or the link has come up.
void batch_writer_kick(struct batch_writer *writer);
// The script that sets a connection up for it, owned by the caller; region is PHONE_REGION's (sql/identities.sql).
char *batch_writer_setup(const struct phone_region *region);
// The link has a new connection, so a new, empty staging table. result: the last one of the set-up.
void batch_writer_renewed(struct batch_writer *writer, const PGresult *result);
bool batch_writer_is_idle(const struct batch_writer *writer);
// The link must have been destroyed before (its jobs call back). Frees itself once its timer has closed.
void batch_writer_destroy(struct batch_writer *writer);

#endif
