// SPDX-License-Identifier: MIT
#ifndef SHARED_MESSAGE_SNIPPET_H
#define SHARED_MESSAGE_SNIPPET_H

#include <stdbool.h>
#include <stddef.h>

#include "shared/base/buf.h"

// Appends body's snippet: white space (Unicode's) collapsed to single spaces and trimmed, cut after
// `graphemes` extended grapheme clusters (Unicode TR 29, by utf8proc), never inside one. body is valid UTF-8. Returns
// false where it was cut.
bool snippet_append(struct buf *out, const char *body, size_t length, size_t graphemes);
// The same of an email's body, which may be HTML (html_detect.h): then of its text. No more of it is read than it
// takes.
void snippet_append_email(struct buf *out, const char *body, size_t length, size_t graphemes);

#endif
