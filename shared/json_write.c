// SPDX-License-Identifier: MIT
#include <string.h>

#include "shared/json.h"
#include "shared/unicode.h"

static bool is_plain(unsigned char c) {
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

static void write_escape(struct buf *out, char c) {
    static const char digits[] = "0123456789abcdef";
    static const char from[] = "\"\\\b\f\n\r\t";
    static const char to[] = "\"\\bfnrt";
    const char *found = c == '\0' ? NULL : strchr(from, c);
    if (found != NULL) {
        char escape[] = {'\\', to[found - from]};
        buf_append(out, escape, sizeof escape);
    } else {
        char escape[] = {'\\', 'u', '0', '0', digits[(c >> 4) & 0x0f], digits[c & 0x0f]};
        buf_append(out, escape, sizeof escape);
    }
}

void json_write_stringn(struct buf *out, const char *text, size_t length) {
    buf_reserve(out, length + 2);
    buf_putc(out, '"');
    size_t at = 0;
    while (at < length) {
        size_t run = at;
        while (run < length && is_plain((unsigned char)text[run])) {
            run++;
        }
        buf_append(out, text + at, run - at);
        at = run;
        if (at == length) {
            break;
        }
        if ((unsigned char)text[at] < 0x80) {
            write_escape(out, text[at]);
            at++;
            continue;
        }
        size_t sequence = unicode_sequence(text + at, length - at);
        if (sequence > 0) {
            buf_append(out, text + at, sequence);
        } else {
            buf_puts(out, "\xef\xbf\xbd"); // U+FFFD
        }
        at += sequence > 0 ? sequence : 1;
    }
    buf_putc(out, '"');
}

void json_write_string(struct buf *out, const char *text) {
    json_write_stringn(out, text, strlen(text));
}

void json_write_name(struct buf *out, const char *name) {
    const char *last = out->length > 0 ? out->data + out->length - 1 : "{";
    if (*last != '{' && *last != '[') {
        buf_putc(out, ',');
    }
    json_write_string(out, name);
    buf_putc(out, ':');
}

void json_write_member(struct buf *out, const char *name, const char *value) {
    json_write_name(out, name);
    if (value != NULL) {
        json_write_string(out, value);
    } else {
        buf_puts(out, "null");
    }
}

void json_write_member_int(struct buf *out, const char *name, int64_t value) {
    char digits[20]; // of the longest: 9223372036854775808
    size_t at = sizeof digits;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    json_write_name(out, name);
    if (value < 0) {
        buf_putc(out, '-');
    }
    buf_append(out, digits + at, sizeof digits - at);
}
