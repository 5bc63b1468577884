// SPDX-License-Identifier: MIT
#ifndef INGEST_OPT_OUTS_CHANGE_H
#define INGEST_OPT_OUTS_CHANGE_H

struct ingest_request;

// PUT and DELETE /api/opt-outs: an operator opts a pair out, or in again. Both are answered once every partition knows,
// with the pair as it is known; what is so already is said once more.
void opt_outs_put(struct ingest_request *request);
void opt_outs_delete(struct ingest_request *request);

#endif
