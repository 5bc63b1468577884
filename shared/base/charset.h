// SPDX-License-Identifier: MIT
#ifndef SHARED_BASE_CHARSET_H
#define SHARED_BASE_CHARSET_H

#include <stdbool.h>
#include <stddef.h>

#include "shared/base/buf.h"

// Texts in whatever charset somebody declares, as UTF-8.

// Appends a text as well-formed UTF-8 without NUL: what isn't of its charset becomes U+FFFD, and so does a NUL; a byte
// order mark at its beginning is left out. Nothing is refused: a charset that isn't known, or none, is read as UTF-8.
//   charset  as it is declared: a name of IANA's or one that mail programs write, in any case, quoted or not
//            ("Cp1252", "CP-1252", "utf8"); NULL: none. One that holds another counts as that other, as browsers have
//            it (https://encoding.spec.whatwg.org/#names-and-labels): ISO-8859-1 as windows-1252, GB2312 as GB18030,
//            US-ASCII as UTF-8.
void charset_append_utf8(struct buf *out, const char *charset, const char *bytes, size_t length);
// Whether a charset's name is one that can be read.
bool charset_is_known(const char *charset);

#endif
