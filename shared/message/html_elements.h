// SPDX-License-Identifier: MIT
#ifndef SHARED_MESSAGE_HTML_ELEMENTS_H
#define SHARED_MESSAGE_HTML_ELEMENTS_H

#include <stddef.h>

// The elements of HTML, obsolete ones included (https://html.spec.whatwg.org/multipage/indices.html#elements-3), and
// what each means to the text of a document.
enum html_trait {
    HTML_BLOCK = 1,      // begins and ends a line
    HTML_GAP = 2,        // has an empty line before and behind it
    HTML_VOID = 4,       // has no content and no end tag
    HTML_RAW = 8,        // its content, up to its end tag, is neither markup nor shown
    HTML_UNSEEN = 16,    // its content isn't shown
    HTML_BREAK = 32,     // ends a line: br
    HTML_CELL = 64,      // is set off from its neighbour: td
    HTML_ITEM = 128,     // li
    HTML_LINK = 256,     // a
    HTML_VERBATIM = 512, // keeps its white space: pre
    HTML_NEST = 1024,    // holds items or cells: ul, table
    HTML_SURE = 2048,    // a tag that makes a text HTML wherever it stands
};

struct html_element {
    const char *name;
    unsigned traits; // of enum html_trait
};

#define HTML_ELEMENT_NAME_MAX 10 // characters of the longest name
#define HTML_ELEMENT_MOST 160    // more than there are: for arrays by html_element_index

// The element whose name, in any case, is the `length` characters at name; NULL: HTML has none of that name.
const struct html_element *html_element_find(const char *name, size_t length);
// Its place among them, from 1; that of NULL, which is any other, is 0.
size_t html_element_index(const struct html_element *element);

#endif
