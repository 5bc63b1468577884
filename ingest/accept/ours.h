// SPDX-License-Identifier: MIT
#ifndef INGEST_ACCEPT_OURS_H
#define INGEST_ACCEPT_OURS_H

#include <stdbool.h>

#include "shared/base/mem.h"
#include "shared/message/message.h"

// Whose conversation a webhook with several recipients belongs to: of the first of them that we have sent from, else of
// the first.

struct ingest_request;
struct ingest_resources;
struct ours; // one thread's knowledge of the senders that it has told Redis of lately

// with must outlive it.
struct ours *ours_create(struct ingest_resources *with);
void ours_destroy(struct ours *ours);
// The Redis link came up: what was told before may be lost.
void ours_on_up(struct ours *ours);

// A send is about to be accepted: keeps its sender for ours_add, unless Redis was told of it lately.
void ours_note(struct ingest_request *request, const struct message *message);
// It was accepted: Redis is told of its sender.
void ours_add(struct ingest_request *request);

// Finds out which recipient of a webhook counts, and makes it message->recipient. Returns false where that is done or
// there is only one: go on. Else the route's handler runs again once Redis has answered, and gets false then; or the
// request is answered 503, nothing having been written.
bool ours_ask(struct ingest_request *request, struct message *message) MUST_CHECK;

#endif
