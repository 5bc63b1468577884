// SPDX-License-Identifier: MIT
#include "shared/message/snippet.h"

#include <utf8proc.h>

#include "shared/base/unicode.h"
#include "shared/message/html_detect.h"
#include "shared/message/html_text.h"

enum { FIRST_BYTES = 64, BYTES_PER_GRAPHEME = 2 }; // of text, at the first try

// The snippet as it grows: what was put last decides whether the next code point begins a cluster.
struct cursor {
    struct buf *out;
    size_t left; // clusters that may still begin
    int32_t last;
    utf8proc_int32_t state; // utf8proc's; starts at 0
    bool begun;
};

// Appends one code point of `length` bytes; false when it would begin one cluster too many.
static bool snippet_put(struct cursor *cursor, int32_t code, const char *bytes, size_t length) {
    if (!cursor->begun || utf8proc_grapheme_break_stateful(cursor->last, code, &cursor->state)) {
        if (cursor->left == 0) {
            return false;
        }
        cursor->left--;
    }
    cursor->begun = true;
    cursor->last = code;
    buf_append(cursor->out, bytes, length);
    return true;
}

bool snippet_append(struct buf *out, const char *body, size_t length, size_t graphemes) {
    struct cursor cursor = {.out = out, .left = graphemes};
    bool space = false; // white space came before, so that a word after it is set off
    size_t taken;
    for (size_t at = 0; at < length; at += taken) {
        int32_t code = unicode_decode(body + at, length - at, &taken);
        if (unicode_is_space(code)) {
            space = cursor.begun;
            continue;
        }
        if (space && !snippet_put(&cursor, ' ', " ", 1)) {
            return false;
        }
        space = false;
        bool malformed = code == 0xfffd && taken == 1;
        if (!snippet_put(&cursor, code, malformed ? "\xef\xbf\xbd" : body + at, malformed ? 3 : taken)) {
            return false;
        }
    }
    return true;
}

// As much text as the snippet takes isn't known beforehand: a cluster may have any number of bytes.
static void snippet_append_html(struct buf *out, const char *html, size_t length, size_t graphemes) {
    size_t begin = out->length, most = FIRST_BYTES + graphemes * BYTES_PER_GRAPHEME;
    struct buf text = {0};
    for (bool whole = false, done = false; !done; most *= 2) {
        buf_clear(&text);
        whole = html_text_append(&text, html, length, HTML_TEXT_WORDS, most);
        out->length = begin;
        buf_append(out, "", 0); // its NUL
        done = !snippet_append(out, text.data, text.length, graphemes) || whole;
    }
    buf_free(&text);
}

void snippet_append_email(struct buf *out, const char *body, size_t length, size_t graphemes) {
    if (html_detect(body, length)) {
        snippet_append_html(out, body, length, graphemes);
    } else {
        (void)snippet_append(out, body, length, graphemes);
    }
}
