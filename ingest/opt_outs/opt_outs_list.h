// SPDX-License-Identifier: MIT
#ifndef INGEST_OPT_OUTS_LIST_H
#define INGEST_OPT_OUTS_LIST_H

struct ingest_request;

// GET /api/opt-outs: the pairs that have opted out, the latest first, by channel, our_address and their_address.
void opt_outs_list(struct ingest_request *request);

#endif
