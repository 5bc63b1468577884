// SPDX-License-Identifier: MIT
#include "shared/message/html_detect.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "shared/message/html_tag.h"

static bool is_word(char c) {
    return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

// Whether the tag from `at` to `behind` stands before a word and not behind one.
static bool introduces_a_word(const char *body, size_t length, size_t at, size_t behind) {
    return behind < length && (is_word(body[behind]) || body[behind] == '&') && (at == 0 || !is_word(body[at - 1]));
}

static bool is_doctype(const char *text, size_t left) {
    return left > 14 && strncasecmp(text, "<!doctype html", 14) == 0 && !isalnum((unsigned char)text[14]);
}

// Whether a start tag can hardly be anything else; at and behind: where it begins and ends.
static bool is_plain_tag(const struct html_tag *tag, const char *body, size_t length, size_t at, size_t behind) {
    return tag->element != NULL && ((tag->element->traits & HTML_SURE) != 0 || tag->attributes > 0 ||
                                    introduces_a_word(body, length, at, behind));
}

bool html_detect(const char *body, size_t length) {
    bool open[HTML_ELEMENT_MOST] = {false}; // by html_element_index: a start tag has been seen
    const char *at = body, *end = body + length;
    for (size_t taken; (at = memchr(at, '<', (size_t)(end - at))) != NULL; at += taken) {
        struct html_tag tag = {.complete = true};
        enum html_markup markup = html_markup_read(at, (size_t)(end - at), &tag, &taken);
        size_t begin = (size_t)(at - body), index = html_element_index(tag.element);
        if (!tag.complete) {
            return false; // up to the end of the text there is no whole tag any more
        }
        if ((markup == HTML_REMARK && is_doctype(at, taken)) || (markup == HTML_END_TAG && open[index]) ||
            (markup == HTML_START_TAG && is_plain_tag(&tag, body, length, begin, begin + taken))) {
            return true;
        }
        open[index] = open[index] || (markup == HTML_START_TAG && tag.element != NULL);
    }
    return false;
}
