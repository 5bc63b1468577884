// SPDX-License-Identifier: MIT
#ifndef SHARED_MESSAGE_HTML_TEXT_H
#define SHARED_MESSAGE_HTML_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "shared/base/buf.h"

// What a reader of an HTML text sees (html_scan.h), as plain text: white space collapsed but in <pre>, a line for each
// block and <br>, an empty line around paragraphs and their like. Marks that only say where a word may or may not be
// broken (soft hyphen, zero-width space, word joiner) are left out, and so are invisible ones that stand alone, with
// which newsletters fill the preview.

enum html_text_form {
    HTML_TEXT_WORDS, // the words alone: for a snippet
    HTML_TEXT_WHOLE, // items begin with "- ", and a link's target is behind it, "text (https://x.com)": for reading
};

// Appends the text of html, at most about `most` bytes of it. Returns false where it ends for that. Time is linear in
// what is read of html, which is no more than it takes.
bool html_text_append(struct buf *out, const char *html, size_t length, enum html_text_form form, size_t most);

#endif
