// SPDX-License-Identifier: MIT
#ifndef INGEST_REQUEST_MEDIA_TYPE_H
#define INGEST_REQUEST_MEDIA_TYPE_H

#include <stdbool.h>

// Content-Type and Accept (RFC 9110, 8.3 and 12.5.1).

// Whether a Content-Type is application/json, with whatever parameters. NULL: the header is absent.
bool media_type_is_json(const char *content_type);

// Whether it is application/x-www-form-urlencoded, likewise.
bool media_type_is_form(const char *content_type);

// How much an Accept header wants type/subtype, in thousandths: 0 not at all, 1000 fully. The most specific range
// counts. NULL, or a header without any range: everything is welcome.
int media_type_quality(const char *accept, const char *type, const char *subtype);

#endif
