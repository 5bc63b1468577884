// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_MOCK_CALLBACKS_H
#define DISPATCHER_MOCK_CALLBACKS_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "dispatcher/mock/agenda.h"
#include "dispatcher/mock/ledger.h"
#include "dispatcher/mock/post.h"
#include "dispatcher/mock/stats.h"
#include "shared/base/buf.h"
#include "shared/message/message.h"
#include "shared/settings/settings.h"

// What the vendors tell by calling back: POSTs that are due at a time, a bounded number of them under way, repeated as
// their vendor repeats them. What is still to be told when the mock ends is lost.

struct mock_callback;

// How a vendor calls back.
struct mock_caller_kind {
    const char *content_type;
    const char *user_agent;
    // Adds header lines (owned, at most 4) that are made anew for each attempt, the signature among them. Returns how
    // many.
    size_t (*sign)(const struct mock_callback *callback, char *lines[]);
    // In how many milliseconds it is repeated after an attempt that came to this, which was no 2xx; -1: no more.
    int64_t (*retry_ms)(const struct mock_callback *callback, const struct mock_posted *posted);
};

struct mock_callback {
    struct mock_due due; // first
    struct mock_callbacks *callbacks;
    const struct mock_caller_kind *kind;
    enum provider provider;
    char *url;       // owned, as the customer gave it
    struct buf body; // owned
    struct buf note; // owned: the ledger's lines once it has been heard, each from the provider on
    uint64_t count;  // of the receipts in it
    void *argument;  // the kind's own, not owned
    unsigned attempts;
    int64_t began_ms; // when it was first tried, of clock_monotonic; 0: not yet
    struct mock_callback *next;
};

struct mock_callbacks;

// Writes what has been heard into ledger, which may be one that keeps nothing. All but loop must outlive it. NULL:
// libcurl can't begin.
struct mock_callbacks *mock_callbacks_create(uv_loop_t *loop, const struct settings *settings, struct mock_stats *stats,
                                             struct mock_ledger *ledger);
// The agenda in which callbacks, and what becomes part of one, wait.
struct mock_agenda *mock_callbacks_agenda(struct mock_callbacks *callbacks);
// Counts a provider's receipt that is to be told, and whether there is room for it.
void mock_callbacks_count(struct mock_callbacks *callbacks, enum provider provider, bool room);
// Calls back in delay_ms, with receipts that are counted already; takes what callback holds. Where there is no room
// for it, they are counted as dropped.
void mock_callbacks_add(struct mock_callbacks *callbacks, const struct mock_callback *callback, int64_t delay_ms);
// Ends it, and says in the log how many receipts are lost by that.
void mock_callbacks_destroy(struct mock_callbacks *callbacks);

#endif
