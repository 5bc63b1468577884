// SPDX-License-Identifier: MIT
#include "shared/mime/word.h"

#include <string.h>
#include <strings.h>

#include "shared/base/charset.h"
#include "shared/mime/transfer.h"

enum {
    CHARSET_SIZE = 48,
    SHORTEST = 8, // bytes: a charset of one character, and no text
    MOST_TEXT =
        4096, // bytes of one word, of which the RFC allows 75: so that a text full of beginnings is read in time
};

struct word {
    char charset[CHARSET_SIZE];
    bool is_base64;
    struct span text;
    size_t length; // of the whole, "=?" and "?=" included
};

// Reads the word that begins at text ("=?"); false where none does.
static bool word_read(struct span text, struct word *out) {
    if (text.length < SHORTEST || text.text[0] != '=' || text.text[1] != '?') {
        return false;
    }
    struct span rest = span_tail(text, 2);
    const char *end = memchr(rest.text, '?', rest.length);
    size_t length = end != NULL ? (size_t)(end - rest.text) : 0;
    if (length == 0 || length >= CHARSET_SIZE || rest.length - length < 5 || end[2] != '?' ||
        strchr("BbQq", end[1]) == NULL || end[1] == '\0') {
        return false;
    }
    memcpy(out->charset, rest.text, length);
    out->charset[length] = '\0';
    out->charset[strcspn(out->charset, "*")] = '\0'; // behind it, a language
    out->is_base64 = end[1] == 'B' || end[1] == 'b';
    rest = span_tail(rest, length + 3);
    const char *last = memmem(rest.text, rest.length < MOST_TEXT ? rest.length : MOST_TEXT, "?=", 2);
    if (last == NULL) {
        return false;
    }
    out->text = (struct span){rest.text, (size_t)(last - rest.text)};
    out->length = (size_t)(last + 2 - text.text);
    return true;
}

static size_t word_blanks(struct span text) {
    size_t length = 0;
    while (length < text.length && strchr(" \t\r\n", text.text[length]) != NULL && text.text[length] != '\0') {
        length++;
    }
    return length;
}

// Words that wait for one more of their charset.
struct pending {
    char charset[CHARSET_SIZE];
    struct buf bytes;
    bool any;
};

static void pending_flush(struct pending *pending, struct buf *out) {
    if (pending->any) {
        charset_append_utf8(out, pending->charset, pending->bytes.data, pending->bytes.length);
        buf_clear(&pending->bytes);
        pending->any = false;
    }
}

static void pending_take(struct pending *pending, const struct word *word, struct buf *out) {
    if (pending->any && strcasecmp(pending->charset, word->charset) != 0) {
        pending_flush(pending, out);
    }
    strcpy(pending->charset, word->charset);
    pending->any = true;
    buf_append(&pending->bytes, "", 0);
    if (word->is_base64) {
        transfer_decode_base64(&pending->bytes, word->text.text, word->text.length);
    } else {
        transfer_decode_quoted(&pending->bytes, word->text.text, word->text.length, 1);
    }
}

// Where the next word may begin.
static size_t word_begin(struct span text) {
    const char *next = memmem(text.text, text.length, "=?", 2);
    return next != NULL ? (size_t)(next - text.text) : text.length;
}

void word_decode(struct buf *out, struct span text) {
    struct pending pending = {.any = false};
    struct word word;
    while (text.length > 0) {
        size_t blanks = pending.any ? word_blanks(text) : 0;
        if (word_read(span_tail(text, blanks), &word)) {
            pending_take(&pending, &word, out);
            text = span_tail(text, blanks + word.length);
            continue;
        }
        pending_flush(&pending, out);
        size_t plain = word_begin(text);
        plain = plain > 0 ? plain : 2;
        charset_append_utf8(out, NULL, text.text, plain < text.length ? plain : text.length);
        text = span_tail(text, plain < text.length ? plain : text.length);
    }
    pending_flush(&pending, out);
    buf_append(out, "", 0);
    buf_free(&pending.bytes);
}
