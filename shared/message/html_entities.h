// SPDX-License-Identifier: MIT
#ifndef SHARED_MESSAGE_HTML_ENTITIES_H
#define SHARED_MESSAGE_HTML_ENTITIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Decodes the character reference ("&amp;", "&copy", "&#8364;", "&#x20ac;") that begins at text, a '&', of which `left`
// bytes are there, as browsers do (https://html.spec.whatwg.org/multipage/parsing.html#character-reference-state): the
// longest name that HTML has, some without ';'; numbers of 0x80 to 0x9f by Windows-1252; a number that is no code point
// is U+FFFD.
//   in_attribute  a name without ';' before '=', a letter or a digit is none there, as in "?a=1&copy=2"
//   codes         the code points that it stands for; the second is 0 where it is one
// Returns its length in bytes, or 0 where no reference begins: '&' then stands for itself.
size_t html_entity_decode(const char *text, size_t left, bool in_attribute, int32_t codes[2]);

#endif
