// SPDX-License-Identifier: MIT
#ifndef INGEST_REQUEST_REQUEST_H
#define INGEST_REQUEST_REQUEST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "ingest/request/client_address.h"
#include "ingest/request/route.h"
#include "ingest/request/verdicts.h"
#include "shared/base/mem.h"
#include "shared/base/uuid.h"
#include "shared/http/server.h"
#include "shared/provider/way_in.h"

struct ingest_resources;

#define REQUEST_ID_SIZE 129 // 1 to 128 printable characters

// One request of a client, from its headers to the end of its answer and of whatever it asked Redis or Postgres for.
struct ingest_request {
    struct ingest_resources *with;
    struct http_request *http; // NULL once http_server has let go of it: nobody is left to answer
    enum route_result found;
    struct route_match match;
    const struct provider_way_in *way_in; // of a webhook; NULL: nobody posts what is of this media type there
    char id[REQUEST_ID_SIZE];             // X-Request-Id, theirs or ours
    char client[CLIENT_ADDRESS_SIZE];
    char message_id[UUID_TEXT_SIZE]; // "" until it is known, or where it is about none

    enum origin_verdict origin;
    enum access access;
    uint8_t signature[SIGNATURE_ID_SIZE]; // of a webhook that is_signed
    bool is_signed;
    const struct email_sums *sums;    // of a webhook's body that isn't kept as it came; http_server's
    char key_name[API_KEY_NAME_SIZE]; // whose the request is, where keys are configured; "": nobody's

    enum rate_limit_state limit;
    struct rate_window window; // the address's; the sender's once it was evaluated; of wrong keys, where access failed
    bool shows_limit;          // RateLimit-* in the answer are the window
    struct ingest_request *next_counted; // whose limit is asked for by the same call (access/rate_limit.c)

    bool has_arrived; // on_request came; `body` is valid
    enum http_body_state body;
    unsigned replies; // of Redis and Postgres under way; the memory stays until they came

    // What its route's handler keeps of it (request_state), freed with the request. leave, where it is set, is called
    // when http_server lets go of the request.
    void *state;
    void (*leave)(struct ingest_request *request);

    // Of a part: what takes the object that says why it is refused, in place of a client; json ends with a NUL. NULL:
    // it is no part, and http takes it.
    void (*take_error)(struct ingest_request *part, unsigned status, const char *json);

    LIST_ENTRY(ingest_request) entry; // in with->live, then in with->idle
};

// A request has begun whose answer is http's; it is in with->live, and http's context.
struct ingest_request *request_begin(struct ingest_resources *with, struct http_request *http);
// http_server lets go of it. Its memory stays until the last reply came.
void request_end(struct ingest_request *request);

// A message of many that came in one request goes the way of a request of its own: it is a part, whose answer is
// gathered by whoever made it. It has the whole's id, key and connection, is counted against no address, and takes the
// route's checks as passed.
struct ingest_request *request_begin_part(struct ingest_request *whole, const struct route *route,
                                          void (*take_error)(struct ingest_request *part, unsigned status,
                                                             const char *json));
// It was answered, or nobody waits for the whole's answer any more. Its memory stays until the last reply came.
void request_end_part(struct ingest_request *part);

// The state, of that size, which a handler that runs once more finds as it was; zeroed at first.
void *request_state(struct ingest_request *request, size_t size);
// Frees what finished requests left for reuse.
void request_free_idle(struct ingest_resources *with);

// Whether its route was found and has that flag.
bool request_has_flag(const struct ingest_request *request, enum route_flag flag);

// For every call with the request as its argument: once when it was taken, and first thing in its callback.
void request_expect_reply(struct ingest_request *request);
// Returns false when nobody waits for the answer any more; the request is then gone and must not be touched.
bool request_reply_came(struct ingest_request *request) MUST_CHECK;

#endif
