// SPDX-License-Identifier: MIT
#include "ingest/document.h"

#include <string.h>

#include "ingest/answer.h"

extern const char ingest_openapi_yaml[];

void document_show(struct ingest_request *request) {
    answer_content(request, 200, "application/yaml", ingest_openapi_yaml, strlen(ingest_openapi_yaml));
}
