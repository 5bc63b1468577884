// SPDX-License-Identifier: MIT
#ifndef INGEST_ACCEPT_ACCEPTOR_H
#define INGEST_ACCEPT_ACCEPTOR_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "ingest/accept/call.h"
#include "shared/base/mem.h"
#include "shared/message/message.h"
#include "shared/redis/keys.h"

struct acceptor; // one thread's way into the streams
struct heartbeat;
struct ingest_request;
struct ingest_resources;

// with must outlive it.
struct acceptor *acceptor_create(uv_loop_t *loop, struct ingest_resources *with);
void acceptor_destroy(struct acceptor *acceptor);
// The Redis link came up: makes the partitions known, before which nothing is accepted.
void acceptor_on_up(struct acceptor *acceptor);
void acceptor_on_down(struct acceptor *acceptor);
// Tells the heartbeat which partitions those are.
void acceptor_serve(const struct acceptor *acceptor, struct heartbeat *heartbeat);

// The keys of the partition that a message belongs to. Owned by the acceptor.
const struct partition_keys *acceptor_keys(const struct acceptor *acceptor, const struct message *message);

// What a call that brings a message needs. Each has answered where it says no.
// The Idempotency-Key into *key, or NULL where there is none; false where it is wrong: 400 was answered, or is once
// the limit has been asked.
bool acceptor_take_key(struct ingest_request *request, const char **key) MUST_CHECK;
// Whether anything is taken now.
bool acceptor_is_open(struct ingest_request *request) MUST_CHECK;
// The same for what takes no memory, or frees some: Redis may be short of it.
bool acceptor_is_reachable(struct ingest_request *request) MUST_CHECK;
// The call was sent, or not (sent is redis_link_call's result); its reply is expected, and that of the replicas.
void acceptor_sent(struct ingest_request *request, int sent);
// Redis has it: answer(request, is it a repeat under an Idempotency-Key) gives the 202, once the replicas have it too.
// repeated: Redis had it before.
void acceptor_answer(struct ingest_request *request, bool repeated,
                     void (*answer)(struct ingest_request *request, bool replayed));

// Puts a message into its stream and answers the request when Redis has, by its acceptance's `accepted`, or at once
// where it can't. Keeps neither message nor identity.
void acceptor_message(struct ingest_request *request, const struct message *message,
                      const struct accept_identity *identity);

#endif
