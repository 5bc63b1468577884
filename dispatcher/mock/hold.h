// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_MOCK_HOLD_H
#define DISPATCHER_MOCK_HOLD_H

#include <stdint.h>
#include <uv.h>

#include "dispatcher/mock/wire.h"
#include "shared/http/server.h"

// Answers that are kept back: for the latency that is set, or, for a time-out, until the caller has long gone.

struct mock_holds;

struct mock_holds *mock_holds_create(uv_loop_t *loop);
// Answers after delay_ms, at once when that is 0; takes over what answer holds. content_type is static.
void mock_hold_answer(struct mock_holds *holds, struct http_request *request, struct mock_answer *answer,
                      const char *content_type, int64_t delay_ms);
// Leaves the request without an answer for so long; then its connection is closed with a 504.
void mock_hold_silent(struct mock_holds *holds, struct http_request *request, int64_t delay_ms);
// Answers all that is held, now.
void mock_holds_release(struct mock_holds *holds);
// Nothing may be held.
void mock_holds_destroy(struct mock_holds *holds);

#endif
