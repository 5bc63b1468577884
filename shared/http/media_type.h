// SPDX-License-Identifier: MIT
#ifndef SHARED_HTTP_MEDIA_TYPE_H
#define SHARED_HTTP_MEDIA_TYPE_H

#include <stdbool.h>

// Content-Type and Accept (RFC 9110, 8.3 and 12.5.1).

// Whether a Content-Type is that type, in any case and with whatever parameters. NULL: the header is absent.
bool media_type_is(const char *content_type, const char *type);
// The same of application/json.
bool media_type_is_json(const char *content_type);

// How much an Accept header wants type/subtype, in thousandths: 0 not at all, 1000 fully. The most specific range
// counts. NULL, or a header without any range: everything is welcome.
int media_type_quality(const char *accept, const char *type, const char *subtype);

#endif
