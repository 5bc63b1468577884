// SPDX-License-Identifier: MIT
#ifndef INGEST_ERASE_ERASE_H
#define INGEST_ERASE_ERASE_H

#include <uv.h>

struct erase_fence;
struct ingest_request;

// DELETE /api/conversations/{id}: 202 once every partition of its provider knows that what was accepted of it until now
// is erased, and none of it is called any more; a persister deletes it. 404 where there is no such conversation, 503
// where it can't be said or isn't known everywhere: to be repeated.
void erase_conversation(struct ingest_request *request);

// Where the answers of one thread wait until no call begins any more (ERASURE_FENCE_MS).
struct erase_fence *erase_fence_create(uv_loop_t *loop);
// Who waits is answered 503.
void erase_fence_destroy(struct erase_fence *fence);

#endif
