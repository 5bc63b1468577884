// SPDX-License-Identifier: MIT
#ifndef TESTS_BENCH_LIB_WIRE_H
#define TESTS_BENCH_LIB_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

// One keep-alive HTTP connection to a port of this machine, with as little work of its own as that takes: what drives a
// measurement must not cost what is measured its processor. One request at a time; a connection that breaks under a
// request ends the program, for then a message may have gone missing; one that the server closes while it idles is
// opened again.

struct wire;

struct wire_events {
    void (*ready)(struct wire *wire, void *argument); // connected
    void (*answer)(struct wire *wire, int status, const char *body, void *argument);
};

struct wire *wire_open(uv_loop_t *loop, uint16_t port, const struct wire_events *events, void *argument);
// For the caller: what is under way on it.
void wire_set_context(struct wire *wire, void *context);
void *wire_context(const struct wire *wire);
// Only after `ready`, and after the answer to the request before.
void wire_send(struct wire *wire, const char *bytes, size_t length);
#endif
