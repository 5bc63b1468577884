// SPDX-License-Identifier: MIT
#include <string.h>

#include "shared/base/json.h"
#include "shared/base/rfc3339.h"
#include "shared/base/unicode.h"

// How many bytes at the start of a text stand for themselves.
static size_t json_write_plain_run(const char *text, size_t length) {
    static const bool special[256] = {
        // clang-format off
        1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
        // clang-format on
        ['"'] = 1,
        ['\\'] = 1,
        [0x7f] = 1,
    };
    size_t run = 0;
    while (run < length && (signed char)text[run] >= 0 && !special[(unsigned char)text[run]]) {
        run++;
    }
    return run;
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

// U+0080 to U+009F: JSON lets them stand, but a terminal that shows a log may obey them, as it does ESC.
static bool is_control(const char *sequence) {
    return (unsigned char)sequence[0] == 0xc2 && (unsigned char)sequence[1] < 0xa0;
}

void json_write_stringn(struct buf *out, const char *text, size_t length) {
    buf_reserve(out, length + 2);
    buf_putc(out, '"');
    size_t at = 0;
    while (at < length) {
        size_t run = json_write_plain_run(text + at, length - at);
        buf_append(out, text + at, run);
        at += run;
        if (at == length) {
            break;
        }
        if ((unsigned char)text[at] < 0x80) {
            write_escape(out, text[at]);
            at++;
            continue;
        }
        size_t sequence = unicode_sequence(text + at, length - at);
        if (sequence == 2 && is_control(text + at)) {
            write_escape(out, text[at + 1]);
        } else if (sequence > 0) {
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

// The names are the program's own, and plain.
void json_write_name(struct buf *out, const char *name) {
    size_t length = strlen(name);
    buf_reserve(out, length + 4);
    char last = out->length > 0 ? out->data[out->length - 1] : '{';
    if (last != '{' && last != '[') {
        buf_putc(out, ',');
    }
    buf_putc(out, '"');
    buf_append(out, name, length);
    buf_append(out, "\":", 2);
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
    json_write_name(out, name);
    buf_put_int(out, value);
}

void json_write_member_time(struct buf *out, const char *name, int64_t time_us) {
    int64_t below_ms = (time_us % 1000 + 1000) % 1000;
    char text[RFC3339_SIZE];
    rfc3339_format((time_us - below_ms) / 1000, text);
    json_write_member(out, name, text);
}
