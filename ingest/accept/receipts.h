// SPDX-License-Identifier: MIT
#ifndef INGEST_ACCEPT_RECEIPTS_H
#define INGEST_ACCEPT_RECEIPTS_H

struct ingest_request;

// The handler of the routes by which a provider reports what became of messages: puts it into the events of the
// messages' partitions. Answered as the provider's way in says once Redis has all of it; 503 where that isn't known of
// each event, whereupon the provider brings all again; 400 where nothing of the post can be read.
void receipts_take(struct ingest_request *request);

#endif
