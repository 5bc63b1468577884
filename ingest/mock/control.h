// SPDX-License-Identifier: MIT
#ifndef INGEST_MOCK_CONTROL_H
#define INGEST_MOCK_CONTROL_H

struct ingest_request;

// GET and PUT /api/provider/mock/config: the hash `mock:config`, which the mock provider follows.
void mock_control_show(struct ingest_request *request);
void mock_control_change(struct ingest_request *request);

#endif
