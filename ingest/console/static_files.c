// SPDX-License-Identifier: MIT
#include "ingest/console/static_files.h"

#include "gen/ingest/embedded.h"
#include "ingest/request/request.h"
#include "ingest/request/response.h"

// Revalidated each time, so that the three always fit together.
static void static_files_show(struct ingest_request *request, const char *content_type, const char *text) {
    http_add_header(request->http, "Cache-Control", "no-cache");
    response_constant(request, content_type, text);
}

void static_files_page(struct ingest_request *request) {
    static_files_show(request, "text/html; charset=utf-8", ingest_console_index_html);
}

void static_files_style(struct ingest_request *request) {
    static_files_show(request, "text/css; charset=utf-8", ingest_console_console_css);
}

void static_files_script(struct ingest_request *request) {
    static_files_show(request, "text/javascript; charset=utf-8", ingest_console_console_js);
}

void static_files_openapi(struct ingest_request *request) {
    response_constant(request, "application/yaml", ingest_openapi_yaml);
}
