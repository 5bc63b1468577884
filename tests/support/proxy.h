// SPDX-License-Identifier: MIT
#ifndef TESTS_SUPPORT_PROXY_H
#define TESTS_SUPPORT_PROXY_H

#include <stdint.h>

// A TCP proxy between two processes, so that what runs between them can be cut: one listening port a pair. It runs in
// a thread of its own.

struct proxy;

enum proxy_mode {
    PROXY_PASS,
    PROXY_DELAY,   // nothing passes, and nothing is lost: it comes when PROXY_PASS is set again
    PROXY_SWALLOW, // what comes is lost; whichever connection has lost something is reset by PROXY_PASS
};

struct proxy *proxy_create(void);
// A pair, before proxy_start. Returns the port to connect to.
uint16_t proxy_add(struct proxy *proxy, const char *pair, uint16_t target_port);
void proxy_start(struct proxy *proxy);
// These return once it is so.
void proxy_set_mode(struct proxy *proxy, const char *pair, enum proxy_mode mode);
void proxy_reset(struct proxy *proxy, const char *pair); // resets each of its connections
// The same, and its next ones go there.
void proxy_turn(struct proxy *proxy, const char *pair, uint16_t target_port);
void proxy_destroy(struct proxy *proxy);

#endif
