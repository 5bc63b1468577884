// SPDX-License-Identifier: MIT
#include "ingest/console/document.h"

#include "ingest/request/response.h"

extern const char ingest_openapi_yaml[];

void document_show(struct ingest_request *request) {
    response_constant(request, "application/yaml", ingest_openapi_yaml);
}
