// SPDX-License-Identifier: MIT
#ifndef INGEST_CONSOLE_STATIC_FILES_H
#define INGEST_CONSOLE_STATIC_FILES_H

struct ingest_request;

// GET /, /console.css and /console.js: the page for people, ingest/console/ as the build embeds it.
void static_files_page(struct ingest_request *request);
void static_files_style(struct ingest_request *request);
void static_files_script(struct ingest_request *request);
// GET /openapi.yaml: the contract, ingest/openapi.yaml as the build embeds it.
void static_files_openapi(struct ingest_request *request);

#endif
