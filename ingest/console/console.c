// SPDX-License-Identifier: MIT
#include "ingest/console/console.h"

#include "ingest/request/request.h"
#include "ingest/request/response.h"

extern const char ingest_console_index_html[];
extern const char ingest_console_console_css[];
extern const char ingest_console_console_js[];

// Asked for anew each time, so that the three always fit together.
static void show(struct ingest_request *request, const char *content_type, const char *text) {
    http_add_header(request->http, "Cache-Control", "no-cache");
    response_constant(request, content_type, text);
}

void console_page(struct ingest_request *request) {
    show(request, "text/html; charset=utf-8", ingest_console_index_html);
}

void console_style(struct ingest_request *request) {
    show(request, "text/css; charset=utf-8", ingest_console_console_css);
}

void console_script(struct ingest_request *request) {
    show(request, "text/javascript; charset=utf-8", ingest_console_console_js);
}
