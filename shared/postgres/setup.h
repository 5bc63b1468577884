// SPDX-License-Identifier: MIT
#ifndef SHARED_POSTGRES_SETUP_H
#define SHARED_POSTGRES_SETUP_H

#include <stdbool.h>
#include <stddef.h>

#include "shared/postgres/conn.h"

// What is run on a connection before a link is up: its script, then, where it is to be a pipeline, the preparing of
// every statement. Where one fails, pg_conn_fail ends the connection.

struct pg_setup {
    // The owner's, all set before the first start.
    struct pg_conn *conn;
    const char *script; // NULL: none
    bool pipeline;
    const struct pg_statement *statements;                  // prepared for a pipeline; ends with a NULL name
    void (*on_script)(void *owner, const PGresult *result); // the script's last result
    void (*on_ready)(void *owner);
    void *owner;
    // Its own.
    size_t prepared;
};

// Ends in on_ready, maybe within this call, or with the connection.
void pg_setup_start(struct pg_setup *setup);

#endif
