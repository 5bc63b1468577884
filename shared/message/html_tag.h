// SPDX-License-Identifier: MIT
#ifndef SHARED_MESSAGE_HTML_TAG_H
#define SHARED_MESSAGE_HTML_TAG_H

#include <stdbool.h>
#include <stddef.h>

#include "shared/message/html_elements.h"

// A tag, or another piece of markup, as the tokenizer of HTML reads it
// (https://html.spec.whatwg.org/multipage/parsing.html#tokenization); but what people write in text stays text: an
// address or a URL in angle brackets ("<jane@x.com>", "<https://x.com>").

enum html_markup {
    HTML_NO_MARKUP, // a '<' that is text
    HTML_START_TAG,
    HTML_END_TAG,
    HTML_REMARK, // a comment, a doctype, a CDATA section, a processing instruction
};

struct html_tag {
    const struct html_element *element; // NULL: HTML has none of that name
    const char *href;                   // of the attribute, undecoded; NULL: none
    size_t href_length;
    size_t attributes; // how many that have a value
    bool hidden;       // by the attribute hidden, or by display:none or visibility:hidden in the attribute style
    bool complete;     // false: the text ended before the tag did
};

// What begins at text, a '<'. length: what it takes up, at least 1. tag: set for a tag.
enum html_markup html_markup_read(const char *text, size_t left, struct html_tag *tag, size_t *length);

#endif
