// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_MOCK_INBOUND_H
#define DISPATCHER_MOCK_INBOUND_H

#include <uv.h>

#include "dispatcher/mock/teller.h"
#include "shared/http/server.h"

// POST /mock/inbound: a customer's message (arrival.h) goes to the webhook below WEBHOOK_PUBLIC_URL as its vendor posts
// it, signed where a secret or key is set; the answer is what the webhook answered.

struct mock_inbound;

// teller must outlive it. NULL: libcurl can't begin.
struct mock_inbound *mock_inbound_create(uv_loop_t *loop, const struct mock_teller *teller);
// Answers, now or later.
void mock_inbound_serve(struct mock_inbound *inbound, struct http_request *http, enum http_body_state state);
// Breaks off what is under way; each is answered.
void mock_inbound_destroy(struct mock_inbound *inbound);

#endif
