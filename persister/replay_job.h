// SPDX-License-Identifier: MIT
#ifndef PERSISTER_REPLAY_JOB_H
#define PERSISTER_REPLAY_JOB_H

#include <hiredis/hiredis.h>
#include <stdint.h>

#include "shared/base/mem.h"
#include "shared/base/rfc3339.h"
#include "shared/message/message.h"

// A replay of many dead letters, as ingest asked for it, and how far it has come: a reply of `replay_take`.

#define REPLAY_JOB_TEXT_SIZE 160 // holds a request id and a name of a class

struct replay_job {
    char entry[48];                      // of the job in its stream
    char provider[REPLAY_JOB_TEXT_SIZE]; // "": any
    char class[REPLAY_JOB_TEXT_SIZE];    // of reasons; "": any
    char since[RFC3339_SIZE];            // the earliest time of failure, as Postgres reads it
    char request_id[REPLAY_JOB_TEXT_SIZE];
    int64_t last;       // the last dead letter that belongs to it
    int64_t matched;    // how many there were when it was asked for
    int64_t per_second; // its pace
    int64_t partitions; // of a provider, by the settings of the ingest that took it
    // how far it has come
    int64_t after;    // the last dead letter that is dealt with
    int64_t replayed; // tokens made
    int64_t skipped;  // that others were quicker with, or that hold nothing to send
};

// Reads {JOB, entry, after, replayed, skipped, {field, value, …}}. Returns NULL, or a static sentence that says what is
// wrong; out->entry is set all the same where there is one. Anyone can XADD: nothing is trusted.
const char *replay_job_read(const redisReply *reply, struct replay_job *out) MUST_CHECK;

#endif
