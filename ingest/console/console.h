// SPDX-License-Identifier: MIT
#ifndef INGEST_CONSOLE_CONSOLE_H
#define INGEST_CONSOLE_CONSOLE_H

struct ingest_request;

// GET /, /console.css and /console.js: the page for people, ingest/console/ as the build embeds it.
void console_page(struct ingest_request *request);
void console_style(struct ingest_request *request);
void console_script(struct ingest_request *request);

#endif
