// SPDX-License-Identifier: MIT
#ifndef SHARED_MIME_PARAMETER_H
#define SHARED_MIME_PARAMETER_H

#include <stdbool.h>

#include "shared/base/mem.h"
#include "shared/message/span.h"

// The parameters of a header's value: `form-data; name="text"; filename*=UTF-8''%C3%A4.pdf` (RFC 2045, 5.1).

// What stands before the first ';', without white space around.
struct span parameter_main(struct span value);
// Whether that is the given token, in any case.
bool parameter_is(struct span value, const char *token);
// A parameter by its name in any case, as UTF-8 (what isn't becomes U+FFFD), owned by the caller; NULL: there is none.
// `name*` (RFC 8187) goes before `name*0`, `name*1*`… (RFC 2231, 3 and 4), and these before `name`. Of several of one
// name the first counts. In quotes a backslash makes '"' and '\' ordinary and is one itself elsewhere, for file names
// come with Windows's; a quote that isn't closed ends with the value.
char *parameter_get(struct span value, const char *name) MUST_CHECK;

#endif
