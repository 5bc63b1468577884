// SPDX-License-Identifier: MIT
#include "ingest/document.h"

#include "ingest/answer.h"

extern const char ingest_openapi_yaml[];

void document_show(struct ingest_request *request) {
    answer_constant(request, "application/yaml", ingest_openapi_yaml);
}
