// SPDX-License-Identifier: MIT
#ifndef INGEST_BATCH_STATE_H
#define INGEST_BATCH_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "ingest/accept/acceptance.h"
#include "ingest/accept/idempotency.h"
#include "ingest/accept/payload.h"
#include "ingest/batch/list.h"

// What is kept of one batch, in ingest/batch/ only.

enum batch_stage {
    BATCH_LOOKING, // all messages are looked at once before any is sent: for the digest, and for the format they need
    BATCH_LOOKED,  // it waits for that format, or for its Idempotency-Key to be bound
    BATCH_SENDING, // from now on messages may have been accepted
};

struct batch_item {
    struct batch_span span;
    struct ingest_request *part; // NULL: not sent yet, or let go of
    char *answer;                // its object, owned; NULL: there is none yet
};

struct batch {
    struct acceptance acceptance; // the whole's: it may have a key and wait for a format, and is not accepted itself
    struct ingest_request *request;
    const char *text;           // the body, until it is answered
    struct payload_rules rules; // one clock for all of it
    const char *key;            // the Idempotency-Key; NULL: none
    char list_key[IDEMPOTENCY_KEY_SIZE];
    uint8_t digest[SHA256_SIZE];
    int format; // the newest that a message needs
    enum batch_stage stage;
    struct batch_item *items;
    size_t count;
    size_t at;         // the next that is to be looked at, or sent
    size_t begun;      // from here on parts have not been let go of
    size_t unanswered; // parts under way
    size_t again;      // parts that are to be sent once more, by batch_part_again
    size_t furthest;   // one more than the place of the last one in the list that was accepted; 0: none was
    bool is_walking;   // within a slice
    bool is_due;       // in the queue
    size_t accepted, repeated;
    void (*answered)(struct batch *batch); // one of its parts was
    TAILQ_ENTRY(batch) due;
};

#endif
