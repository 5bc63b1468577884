// SPDX-License-Identifier: MIT
#ifndef TESTS_SUPPORT_FAKE_SERVER_H
#define TESTS_SUPPORT_FAKE_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "shared/base/buf.h"

// A TCP server in the test's own loop that misbehaves as told: says nothing, says rubbish, hangs up.

struct fake_server;

struct fake_behaviour {
    const char *greeting; // sent at once to whoever connects; NULL: nothing
    bool hang_up;         // closes after the greeting
    // What to say to what came; appends to answer. Returns false to hang up after it. NULL: never answers.
    bool (*on_input)(void *argument, const char *input, size_t length, struct buf *answer);
    void *argument;
};

struct fake_server *fake_server_start(uv_loop_t *loop, const struct fake_behaviour *behaviour);
uint16_t fake_server_port(const struct fake_server *server);
unsigned fake_server_connections(const struct fake_server *server); // ever accepted
unsigned fake_server_reads(const struct fake_server *server);       // pieces of input
void fake_server_say(struct fake_server *server, const char *text); // to everyone
void fake_server_say_bytes(struct fake_server *server, const char *bytes, size_t length);
void fake_server_hang_up(struct fake_server *server); // on everyone
void fake_server_destroy(struct fake_server *server);

#endif
