// SPDX-License-Identifier: MIT
#include "shared/mime/parameter.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "shared/base/buf.h"
#include "shared/base/charset.h"
#include "shared/base/percent.h"

enum { MOST_SECTIONS = 100, NAME_SIZE = 64, CHARSET_SIZE = 48 };

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct span parameter_strip(struct span span) {
    while (span.length > 0 && is_blank(span.text[0])) {
        span = span_tail(span, 1);
    }
    while (span.length > 0 && is_blank(span.text[span.length - 1])) {
        span.length--;
    }
    return span;
}

struct span parameter_main(struct span value) {
    const char *end = value.length > 0 ? memchr(value.text, ';', value.length) : NULL;
    if (end != NULL) {
        value.length = (size_t)(end - value.text);
    }
    return parameter_strip(value);
}

static bool parameter_equals(struct span span, const char *text) {
    return span.length == strlen(text) && (span.length == 0 || strncasecmp(span.text, text, span.length) == 0);
}

bool parameter_is(struct span value, const char *token) {
    return parameter_equals(parameter_main(value), token);
}

// Reads a value in quotes behind the first of them; returns its length with the last.
static size_t take_quoted(struct span rest, struct buf *out) {
    size_t at = 0;
    while (at < rest.length && rest.text[at] != '"') {
        bool escapes = rest.text[at] == '\\' && at + 1 < rest.length && strchr("\"\\", rest.text[at + 1]) != NULL;
        at += escapes && rest.text[at + 1] != '\0';
        buf_putc(out, rest.text[at++]);
    }
    return at < rest.length ? at + 1 : at;
}

static size_t length_until(struct span rest, const char *ends) {
    size_t length = 0;
    while (length < rest.length && (rest.text[length] == '\0' || strchr(ends, rest.text[length]) == NULL)) {
        length++;
    }
    return length;
}

// Takes the next parameter off the front of *rest, which begins behind a ';'. Returns false where there is no more.
static bool parameter_next(struct span *rest, struct span *name, struct buf *value) {
    if (rest->length == 0) {
        return false;
    }
    buf_clear(value);
    size_t length = length_until(*rest, "=;");
    *name = parameter_strip((struct span){rest->text, length});
    *rest = span_tail(*rest, length);
    if (rest->length > 0 && rest->text[0] == '=') {
        *rest = span_tail(*rest, 1);
        while (rest->length > 0 && is_blank(rest->text[0])) {
            *rest = span_tail(*rest, 1);
        }
        if (rest->length > 0 && rest->text[0] == '"') {
            *rest = span_tail(*rest, 1);
            *rest = span_tail(*rest, take_quoted(*rest, value));
            *rest = span_tail(*rest, length_until(*rest, ";"));
        } else {
            struct span bare = {rest->text, length_until(*rest, ";")};
            *rest = span_tail(*rest, bare.length);
            bare = parameter_strip(bare);
            buf_append(value, bare.text, bare.length);
        }
    }
    *rest = span_tail(*rest, rest->length > 0 ? 1 : 0);
    return true;
}

static bool parameter_find(struct span value, const char *name, struct buf *out) {
    struct span rest = span_tail(value, length_until(value, ";")), found;
    rest = span_tail(rest, rest.length > 0 ? 1 : 0);
    while (parameter_next(&rest, &found, out)) {
        if (parameter_equals(found, name)) {
            return true;
        }
    }
    return false;
}

// Percent-encoded: the bytes that are meant.
static void parameter_decode(const char *text, size_t length, struct buf *out) {
    for (size_t at = 0; at < length; at++) {
        int byte = percent_byte(text + at, length - at);
        buf_putc(out, byte >= 0 ? (char)byte : text[at]);
        at += byte >= 0 ? 2 : 0;
    }
}

// "charset'language'": the charset, and how long all that is; 0 where it doesn't begin so.
static size_t take_charset(const struct buf *value, char charset[CHARSET_SIZE]) {
    const char *first = memchr(value->data, '\'', value->length);
    const char *second = first != NULL ? strchr(first + 1, '\'') : NULL;
    if (second == NULL || first - value->data >= CHARSET_SIZE) {
        return 0;
    }
    memcpy(charset, value->data, (size_t)(first - value->data));
    charset[first - value->data] = '\0';
    return (size_t)(second + 1 - value->data);
}

static char *as_text(const char *charset, const struct buf *bytes) {
    struct buf text = {0};
    charset_append_utf8(&text, charset, bytes->data, bytes->length);
    buf_append(&text, "", 0);
    return text.data;
}

// RFC 8187's `name*`.
static char *parameter_extended(struct span value, const char *name, struct buf *found) {
    char full[NAME_SIZE], charset[CHARSET_SIZE] = "";
    snprintf(full, sizeof full, "%s*", name);
    if (!parameter_find(value, full, found) || found->length == 0) {
        return NULL;
    }
    struct buf bytes = {0};
    size_t before = take_charset(found, charset);
    parameter_decode(found->data + before, found->length - before, &bytes);
    char *text = as_text(charset, &bytes);
    buf_free(&bytes);
    return text;
}

// Appends one section of RFC 2231; false where there is none of that number.
static bool take_section(struct span value, const char *name, int number, struct buf *found, struct buf *bytes,
                         char charset[CHARSET_SIZE]) {
    char full[NAME_SIZE];
    snprintf(full, sizeof full, "%s*%d*", name, number);
    if (parameter_find(value, full, found)) {
        size_t before = number == 0 && found->length > 0 ? take_charset(found, charset) : 0;
        if (found->length > before) {
            parameter_decode(found->data + before, found->length - before, bytes);
        }
        return true;
    }
    full[strlen(full) - 1] = '\0';
    if (!parameter_find(value, full, found)) {
        return false;
    }
    buf_append(bytes, found->data, found->length);
    return true;
}

static char *parameter_continued(struct span value, const char *name, struct buf *found) {
    char charset[CHARSET_SIZE] = "";
    struct buf bytes = {0};
    int number = 0;
    while (number < MOST_SECTIONS && take_section(value, name, number, found, &bytes, charset)) {
        number++;
    }
    char *text = number > 0 ? as_text(charset, &bytes) : NULL;
    buf_free(&bytes);
    return text;
}

char *parameter_get(struct span value, const char *name) {
    struct buf found = {0};
    char *text = parameter_extended(value, name, &found);
    if (text == NULL) {
        text = parameter_continued(value, name, &found);
    }
    if (text == NULL && parameter_find(value, name, &found)) {
        text = as_text(NULL, &found);
    }
    buf_free(&found);
    return text;
}
