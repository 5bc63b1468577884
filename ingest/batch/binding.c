// SPDX-License-Identifier: MIT
//
// One key binds a whole list, but its messages are accepted by several calls, in several slots, and a crash may come
// between any two of them. So the list's digest is written first, in one step that says who was first (SET … NX GET);
// only who has seen its own digest there sends anything, each message under a key of its own that is made of the
// list's, the digest and its place (idempotency_part).
//   - Two lists race: one SET is first, and the other's request ends before anything of it is sent.
//   - The same list races with itself: each message's own key decides, within accept.
//   - A reply is lost, or a process dies: the binding stands, and the list repeated finds which of its messages were
//     accepted; what was not is accepted then. Whoever binds leaves nothing that must be undone.
//   - The binding ends before a message's own key, which is younger: then the list can be bound again, its messages
//     keep their ids as long as they are remembered, and another list's are never taken for them, because the digest
//     is part of their keys.
//   - STREAM_PARTITIONS changes: the binding is in no partition's slot; a message's key is looked for where it lay
//     (accept/former.c).
//
// Rejected: to write down in one place which messages were accepted. That is a second truth, and a crash between the
// two doubles a message.
#include "ingest/batch/binding.h"

#include <stdlib.h>
#include <string.h>

#include "ingest/request/log.h"
#include "ingest/request/request.h"
#include "ingest/request/resources.h"
#include "ingest/request/response.h"
#include "shared/base/decimal.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/redis/link.h"
#include "shared/settings/settings.h"

enum { RETRY_SECS = 1 };

struct binding {
    struct ingest_request *request;
    uint8_t digest[SHA256_SIZE];
    void (*bound)(struct ingest_request *request);
};

static void binding_refuse(struct ingest_request *request, const char *why) {
    request_log_trouble(request, LOG_WARN, "list_unbound", why);
    response_unavailable(request, "Redis could not be asked for the first list of that key", RETRY_SECS, false);
}

static void binding_judge(const struct binding *binding, const redisReply *reply) {
    struct ingest_request *request = binding->request;
    if (reply->type == REDIS_REPLY_NIL || (reply->type == REDIS_REPLY_STRING && reply->len == SHA256_SIZE &&
                                           memcmp(reply->str, binding->digest, SHA256_SIZE) == 0)) {
        binding->bound(request);
    } else if (reply->type == REDIS_REPLY_STRING) {
        response_error(request, API_IDEMPOTENCY_KEY_REUSED, "this Idempotency-Key was used with another list");
    } else {
        binding_refuse(request, "the reply has another shape");
    }
}

static void binding_on_set(void *argument, enum redis_result result, const redisReply *reply) {
    struct binding *binding = argument;
    if (!request_reply_came(binding->request)) {
        // Nobody waits for the answer.
    } else if (result == REDIS_LINK_OK) {
        binding_judge(binding, reply);
    } else {
        binding_refuse(binding->request, reply != NULL ? reply->str : "the connection broke");
    }
    free(binding);
}

void batch_bind(struct ingest_request *request, const char *key, const uint8_t digest[SHA256_SIZE],
                void (*bound)(struct ingest_request *request)) {
    struct binding *binding = xcalloc(1, sizeof *binding);
    binding->request = request;
    binding->bound = bound;
    memcpy(binding->digest, digest, SHA256_SIZE);
    const char *ttl_ms = DECIMAL(request->with->settings->idempotency_ttl_secs * 1000);
    const char *set[] = {"SET", key, (const char *)binding->digest, "PX", ttl_ms, "NX", "GET"};
    const size_t lengths[] = {3, strlen(key), SHA256_SIZE, 2, strlen(ttl_ms), 2, 3};
    if (redis_link_call(request->with->redis, binding_on_set, binding, 7, set, lengths) == 0) {
        request_expect_reply(request);
    } else {
        free(binding);
        binding_refuse(request, "the link is down");
    }
}
