// SPDX-License-Identifier: MIT
#include "shared/mime/header.h"

#include <string.h>
#include <strings.h>

// The first line, with its end.
static struct span first_line(struct span text) {
    const char *end = text.length > 0 ? memchr(text.text, '\n', text.length) : NULL;
    return (struct span){text.text, end != NULL ? (size_t)(end + 1 - text.text) : text.length};
}

static struct span without_end(struct span line) {
    if (line.length > 0 && line.text[line.length - 1] == '\n') {
        line.length--;
    }
    while (line.length > 0 && line.text[line.length - 1] == '\r') {
        line.length--;
    }
    return line;
}

static bool header_is_blank(char c) {
    return c == ' ' || c == '\t';
}

static bool goes_on(struct span rest) {
    return rest.length > 0 && header_is_blank(rest.text[0]);
}

// A line of blanks alone goes on the one before it, for so do gateways fold.
size_t header_length(struct span mail) {
    struct span rest = mail;
    while (rest.length > 0) {
        struct span line = first_line(rest);
        rest = span_tail(rest, line.length);
        if (without_end(line).length == 0) {
            break;
        }
    }
    return mail.length - rest.length;
}

// Where the value begins in a line that is a field of that name; 0: it isn't.
static size_t value_at(struct span line, const char *name) {
    size_t length = strlen(name);
    if (line.length <= length || strncasecmp(line.text, name, length) != 0) {
        return 0;
    }
    while (length < line.length && header_is_blank(line.text[length])) {
        length++;
    }
    return length < line.length && line.text[length] == ':' ? length + 1 : 0;
}

static void header_trim(struct buf *out) {
    size_t before = 0;
    while (out->length > 0 && header_is_blank(out->data[out->length - 1])) {
        out->length--;
    }
    while (before < out->length && header_is_blank(out->data[before])) {
        before++;
    }
    if (out->data != NULL) {
        memmove(out->data, out->data + before, out->length - before);
        out->length -= before;
        out->data[out->length] = '\0';
    }
}

// The value that begins on a line, and on the next ones that are folded.
static void header_take(struct span line, size_t at, struct span rest, struct buf *out) {
    line = without_end(line);
    buf_append(out, line.text + (at < line.length ? at : line.length), at < line.length ? line.length - at : 0);
    while (goes_on(rest)) {
        line = first_line(rest);
        rest = span_tail(rest, line.length);
        line = without_end(line);
        buf_append(out, line.text, line.length);
    }
    header_trim(out);
}

bool header_get(struct span mail, const char *name, struct buf *out) {
    buf_clear(out);
    buf_append(out, "", 0);
    struct span rest = {mail.text, header_length(mail)};
    while (rest.length > 0) {
        struct span line = first_line(rest);
        rest = span_tail(rest, line.length);
        size_t at = value_at(line, name);
        if (at > 0) {
            header_take(line, at, rest, out);
            return true;
        }
    }
    return false;
}

char *header_message_id(struct span value) {
    const char *begin = value.length > 0 ? memchr(value.text, '<', value.length) : NULL;
    const char *end = begin != NULL ? memchr(begin, '>', value.length - (size_t)(begin - value.text)) : NULL;
    if (end != NULL && end > begin + 1) {
        value = (struct span){begin + 1, (size_t)(end - begin - 1)};
    }
    struct buf id = {0};
    for (size_t i = 0; i < value.length; i++) {
        if (strchr(" \t\r\n", value.text[i]) == NULL) {
            buf_putc(&id, value.text[i]);
        }
    }
    return id.data;
}
