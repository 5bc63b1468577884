// SPDX-License-Identifier: MIT
#ifndef SHARED_MESSAGE_HTML_SCAN_H
#define SHARED_MESSAGE_HTML_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/message/html_elements.h"
#include "shared/message/html_tag.h"

// An HTML text, piece by piece: what of it a reader sees, and the tags between. Left out are comments and their like,
// what scripts, styles and titles hold, and what is hidden by an attribute, as the preheader of a newsletter is: as in
// innerText (https://html.spec.whatwg.org/multipage/dom.html#the-innertext-idl-attribute), but for what style sheets
// say. Reads no further than asked, and each byte once or twice; owns nothing.

enum html_piece { HTML_END, HTML_TEXT, HTML_OPEN, HTML_CLOSE };

struct html_scan {
    const char *at, *end;
    const char *text; // of HTML_TEXT, references decoded: UTF-8 where the HTML is
    size_t length;
    struct html_tag tag; // of HTML_OPEN and HTML_CLOSE
    char decoded[8];     // where text points to for a reference
    // What stands open, by html_element_index: around the hidden element that is being read, if any, and in it.
    uint16_t open[HTML_ELEMENT_MOST];
    uint16_t inside[HTML_ELEMENT_MOST];
    bool hidden;
    const struct html_element *hider;
    size_t nests; // of those inside, how many hold items or cells
};

void html_scan_begin(struct html_scan *scan, const char *html, size_t length);
enum html_piece html_scan_next(struct html_scan *scan);

#endif
