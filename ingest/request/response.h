// SPDX-License-Identifier: MIT
#ifndef INGEST_REQUEST_RESPONSE_H
#define INGEST_REQUEST_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/buf.h"

struct ingest_request;

// Every answer leaves through here, so that each carries the security headers, X-Request-Id and, to a send,
// RateLimit-*, and each is logged. Each request is answered exactly once. A part's errors (request.h) go to its
// take_error instead, with their status and `retry_after_secs` as members.

// The errors of the API (ingest/openapi.yaml).
enum api_error {
    API_BAD_REQUEST,
    API_UNAUTHORIZED,
    API_FORBIDDEN,
    API_NOT_FOUND,
    API_METHOD_NOT_ALLOWED,
    API_NOT_ACCEPTABLE,
    API_REQUEST_TIMEOUT,
    API_CONFLICT,
    API_PAYLOAD_TOO_LARGE,
    API_UNSUPPORTED_MEDIA_TYPE,
    API_IDEMPOTENCY_KEY_REUSED,
    API_OPTED_OUT,
    API_RATE_LIMITED,
    API_INTERNAL_ERROR,
    API_SERVICE_UNAVAILABLE,
};

// The body's memory is taken where it is large. Where the budget of bytes held for clients hasn't room for it, the
// answer is response_crowded's.
void response_json(struct ingest_request *request, unsigned status, struct buf *json);
void response_content(struct ingest_request *request, unsigned status, const char *content_type, struct buf *body);
// No body.
void response_empty(struct ingest_request *request, unsigned status);
// 200 with a text that stays as long as the process.
void response_constant(struct ingest_request *request, const char *content_type, const char *body);

// 200 with a body that goes on until http_stream_end (http/stream.h); not to be stored by anybody.
void response_stream(struct ingest_request *request, const char *content_type, size_t most_unsent);
// The same to HEAD: no body follows.
void response_stream_head(struct ingest_request *request, const char *content_type);

// 202 with the message's id (request->message_id) and Location.
void response_accepted(struct ingest_request *request, bool replayed);
// The same under another status, for a provider that wants to see one.
void response_accepted_as(struct ingest_request *request, unsigned status, bool replayed);

// {"code","message"}.
void response_error(struct ingest_request *request, enum api_error error, const char *message);
// The same, and the connection closes: what follows on it can't be trusted or isn't worth reading.
void response_and_close(struct ingest_request *request, enum api_error error, const char *message);
// 400; field is the payload's field, the parameter or the header, reason goes on from its name ("is required").
void response_bad_field(struct ingest_request *request, const char *field, const char *reason);
// 409: a kept webhook still can't become a message; field as in payload_error, "" the body as a whole.
void response_conflict_field(struct ingest_request *request, const char *field, const char *reason);
// 409: what has become of a message, `status`, leaves nothing to do.
void response_conflict_status(struct ingest_request *request, const char *status, const char *message);
// 422: the recipient wants nothing from the sender; details name the field `to`.
void response_opted_out(struct ingest_request *request, const char *message);
// 503. ambiguous: the send may have been written all the same.
void response_unavailable(struct ingest_request *request, const char *message, int64_t retry_after_secs,
                          bool ambiguous);
// 503: the budget has no room for the answer.
void response_crowded(struct ingest_request *request);
// 429 by request->window; whose is "sender" or "address", of what: "" or what is counted, as in "sends".
void response_limited(struct ingest_request *request, const char *whose, const char *of_what);
// 401; challenge is the value of WWW-Authenticate.
void response_unauthorized(struct ingest_request *request, const char *challenge, const char *message);
// 403: the key is not good for scope, which the answer names.
void response_forbidden(struct ingest_request *request, const char *scope);
// 403: the host or origin (`name`) of that value (may be NULL) isn't one that `setting` lists.
void response_foreign(struct ingest_request *request, const char *name, const char *value, const char *setting,
                      const char *message);
// 500; what happened is in the log.
void response_internal_error(struct ingest_request *request);

#endif
