// SPDX-License-Identifier: MIT
#ifndef INGEST_CONSOLE_DOCUMENT_H
#define INGEST_CONSOLE_DOCUMENT_H

struct ingest_request;

// GET /openapi.yaml: the contract, ingest/openapi.yaml as the build embeds it.
void document_show(struct ingest_request *request);

#endif
