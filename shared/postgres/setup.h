// SPDX-License-Identifier: MIT
#ifndef SHARED_POSTGRES_SETUP_H
#define SHARED_POSTGRES_SETUP_H

#include <stdbool.h>
#include <stddef.h>

#include "shared/postgres/job.h"

// What is run on a connection before a link is up: its script, then, where it is to be a pipeline, the preparing of
// every statement.

struct pg_setup {
    // The owner's, all set before the first start.
    const char *script; // NULL: none
    bool pipeline;
    const struct pg_statement *statements;                  // prepared for a pipeline; ends with a NULL name
    void (*on_script)(void *owner, const PGresult *result); // the script's last result
    void (*on_ready)(void *owner);
    void (*on_failed)(void *owner, const char *why); // the owner drops the connection within this call
    void *owner;
    // Its own.
    struct pg_jobs *jobs;
    size_t prepared;
};

// Ends in on_ready or on_failed, maybe within this call, or with the connection.
void pg_setup_start(struct pg_setup *setup, struct pg_jobs *jobs);

#endif
