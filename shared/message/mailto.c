// SPDX-License-Identifier: MIT
#include "shared/message/mailto.h"

#include <string.h>
#include <strings.h>

#include "shared/base/percent.h"

bool mailto_find_target(struct span text, struct span *target) {
    if (text.length < 4 || text.text[0] != '[' || text.text[text.length - 1] != ')') {
        return false;
    }
    const char *middle = memmem(text.text, text.length, "](", 2);
    if (middle == NULL) {
        return false;
    }
    *target = span_tail(text, (size_t)(middle - text.text) + 2);
    target->length--;
    return true;
}

// Where the query or the label begins; length: there is neither. A local part may hold a '|', a domain can't.
static size_t find_end(struct span uri) {
    bool in_domain = false;
    size_t at = 0;
    for (; at < uri.length && uri.text[at] != '?' && !(in_domain && uri.text[at] == '|'); at++) {
        in_domain = in_domain || uri.text[at] == '@';
    }
    return at;
}

static void append_decoded(struct span part, struct buf *out) {
    for (size_t i = 0; i < part.length; i++) {
        int byte = percent_byte(part.text + i, part.length - i);
        buf_putc(out, byte >= 0 ? (char)byte : part.text[i]);
        i += byte >= 0 ? 2 : 0;
    }
}

// Appends whom a field of the query names, behind a comma; nobody where it isn't one of recipients (RFC 6068, 2).
static void append_field(struct span field, struct buf *out) {
    static const char *const names[] = {"to=", "cc=", "bcc="};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t length = strlen(names[i]);
        if (field.length > length && strncasecmp(field.text, names[i], length) == 0) {
            struct span value = span_tail(field, length);
            value.length = find_end(value);
            buf_putc(out, ',');
            append_decoded(value, out);
        }
    }
}

static void append_query(struct span query, struct buf *out) {
    while (query.length > 0) {
        const char *end = memchr(query.text, '&', query.length);
        size_t length = end != NULL ? (size_t)(end - query.text) : query.length;
        append_field((struct span){query.text, length}, out);
        query = span_tail(query, end != NULL ? length + 1 : length);
    }
}

bool mailto_decode(struct span uri, struct buf *out) {
    static const char scheme[] = "mailto:";
    size_t skipped = sizeof scheme - 1;
    if (uri.length < skipped || strncasecmp(uri.text, scheme, skipped) != 0) {
        return false;
    }
    uri = span_tail(uri, skipped);
    size_t end = find_end(uri);
    append_decoded((struct span){uri.text, end}, out);
    if (end < uri.length && uri.text[end] == '?') {
        append_query(span_tail(uri, end + 1), out);
    }
    return true;
}
