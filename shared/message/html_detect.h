// SPDX-License-Identifier: MIT
#ifndef SHARED_MESSAGE_HTML_DETECT_H
#define SHARED_MESSAGE_HTML_DETECT_H

#include <stdbool.h>
#include <stddef.h>

// Whether an email's body is HTML or text: of both, the API knows but the body. It is HTML where it has a doctype or a
// whole tag of an element that HTML has, and that tag can hardly be anything else:
//   a tag such as <p> or <br>, an element with an attribute (<a href=…>), one that is ended later on (<b>…</b>), or one
//   that stands directly before a word and not directly behind one (<b>now)
// So text stays text with "I <3 you", "a < b", "<jane@x.com>", "vector<int>", "List<Map>", "#include <map>" in it, and
// "the <a> element" too. What is no email is text always.
bool html_detect(const char *body, size_t length);

#endif
