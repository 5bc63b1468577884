// SPDX-License-Identifier: MIT
#ifndef SHARED_LOOP_TRANSPORT_H
#define SHARED_LOOP_TRANSPORT_H

#include <curl/curl.h>
#include <uv.h>

// libcurl's multi socket interface on a libuv loop. A multi handle slows down beyond some 500 transfers, so there are
// as many as are needed; the first ones are filled first, for each has its own connections to reuse.

struct transport;

// One transfer; embedded in what it belongs to. easy and done are set before transport_start.
struct transfer {
    CURL *easy;                                               // stays its owner's
    void (*done)(struct transfer *transfer, CURLcode result); // once, from the loop; the transfer is over by then
    void *multi;                                              // transport's own
};

// most: how many transfers there will be at once.
struct transport *transport_create(uv_loop_t *loop, unsigned most);
void transport_start(struct transport *transport, struct transfer *transfer);
// Ends a transfer that is under way; done won't be called.
void transport_cancel(struct transfer *transfer);
// No transfer may be under way. Frees itself once its handles have closed.
void transport_destroy(struct transport *transport);

#endif
