// SPDX-License-Identifier: MIT
#ifndef SHARED_HTTP_BUDGET_H
#define SHARED_HTTP_BUDGET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/mem.h"

// A budget of the bytes that a process holds for its clients: bodies, answers that aren't sent yet, and what is fetched
// for them; over all of its threads.
//
// A body that is being received makes way for whatever else is to be held, the one that began first before the others.
// What is kept, a body that is complete or an answer, doesn't. One client (an IPv6 /64 is one) holds at most a quarter;
// what is kept for it is also at most half of what that leaves to the others, so that a few can't use up the whole.
//
// Up to HTTP_FREE_BYTES a request are not counted: they come with its connection, and a small request is served
// whatever the others hold.
enum { HTTP_FREE_BYTES = 4096 };

struct http_budget;

// bytes: at least 1. The bytes held may exceed it by a quarter while another thread hasn't let go of what makes way.
struct http_budget *http_budget_create(size_t bytes);
void http_budget_destroy(struct http_budget *budget);
// Bytes held now.
size_t http_budget_used(struct http_budget *budget);

// What follows is http_server's.

struct http_claim;

// A thread, as the budget knows it. Both are called with the budget locked.
struct http_claimant {
    void (*drop)(struct http_claim *claim);       // the body makes way: free it now; from its own thread only
    void (*wake)(struct http_claimant *claimant); // there is a claim for http_claimant_next; from any thread
    struct http_claim *first_leaving;
};

enum http_claim_state {
    HTTP_CLAIM_NONE, // nothing is held
    HTTP_CLAIM_UNFINISHED,
    HTTP_CLAIM_LEAVING, // it was unfinished and has to make way
    HTTP_CLAIM_KEPT,
};

struct http_claim_links {
    struct http_claim *older, *younger;
};

// What is held for one request. Zero-initialised is valid, and counts nothing.
struct http_claim {
    struct http_budget *budget;
    struct http_claimant *claimant;
    struct in6_addr network; // of the client, as http/peers.h has it; not to be changed while anything is held
    int64_t since_us;        // clock_monotonic_us: who has waited longest
    void *owner;
    // The budget's.
    bool counted; // something is, or was and makes way
    enum http_claim_state state;
    size_t bytes;
    struct http_holder *holder;
    struct http_claim_links of_all, of_holder; // while it is unfinished
    struct http_claim *next_leaving;
};

// A body that isn't complete takes so many bytes in all. False: it has to make way itself.
bool http_claim_grow(struct http_claim *claim, size_t bytes) MUST_CHECK;
// The body is complete. False: it has had to make way.
bool http_claim_keep(struct http_claim *claim) MUST_CHECK;
// So many bytes in all are to be kept. False: there aren't as many, and nothing has changed; fewer are always granted.
bool http_claim_hold(struct http_claim *claim, size_t bytes) MUST_CHECK;
// The same, whether there are or not.
void http_claim_force(struct http_claim *claim, size_t bytes);
// How many bytes http_claim_hold would grant now.
size_t http_claim_room(struct http_claim *claim);
// Nothing is held any more.
void http_claim_release(struct http_claim *claim);

// One that has had to make way, NULL when there is none. It is no longer counted.
struct http_claim *http_claimant_next(struct http_budget *budget, struct http_claimant *claimant);

#endif
