// SPDX-License-Identifier: MIT
#ifndef TESTS_SUPPORT_WATCHER_H
#define TESTS_SUPPORT_WATCHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A client of GET /api/events on a socket of its own, which reads only when it is asked to, so that it can be slow.

struct watcher;

// Connects and asks. last_event_id may be NULL.
struct watcher *watcher_open(uint16_t port, const char *last_event_id);
void watcher_close(struct watcher *watcher);

// Reads what has come by now. Returns false once the other side has closed.
bool watcher_read(struct watcher *watcher);
// Reads, then: whether what came holds that text.
bool watcher_saw(struct watcher *watcher, const char *text);
// How often it does.
size_t watcher_count(struct watcher *watcher, const char *text);
// Reads, then: whether the other side has closed; *whole tells whether the chunked body came to its end.
bool watcher_ended(struct watcher *watcher, bool *whole);
// The id of the last event that had one, or ""; valid until the next call.
const char *watcher_last_id(struct watcher *watcher);
// All that came, NUL-terminated.
const char *watcher_text(struct watcher *watcher);

#endif
