// SPDX-License-Identifier: MIT
#include "shared/http/framing.h"

#include <string.h>

#include "shared/base/hex.h"

// Nobody here reads either.
enum { CHUNK_LINE_MOST = 256, TRAILERS_MOST = 1024 };

static void http_framing_refuse(struct http_framing *framing, const char *why) {
    framing->refusal = (struct http_refusal){400, why};
}

static uint64_t smaller(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

// ---- Lines: each function takes one without its end, and goes on to the part behind it or refuses.

static void end_request(struct http_framing *framing) {
    framing->part = HTTP_PART_HEAD;
    framing->head = (struct http_head){0};
    framing->trailers = 0;
}

static void end_head(struct http_framing *framing) {
    framing->requests++;
    framing->left = framing->head.content_length;
    if (framing->head.encodings > 0) {
        framing->part = HTTP_PART_CHUNK_BEGIN;
    } else if (framing->left > 0) {
        framing->part = HTTP_PART_BODY;
    } else {
        end_request(framing);
    }
}

static void take_head_line(struct http_framing *framing, const char *line, size_t length) {
    switch (http_head_take(&framing->head, line, length)) {
    case HTTP_HEAD_MORE:
        break;
    case HTTP_HEAD_WHOLE:
        end_head(framing);
        break;
    case HTTP_HEAD_REFUSED:
        framing->refusal = framing->head.refusal;
        break;
    }
}

// Digits, at most 15 of them, and perhaps an extension, without the blanks before it that some readers take and others
// don't.
static bool read_chunk_size(const char *line, size_t length, uint64_t *size) {
    size_t digits = 0;
    *size = 0;
    for (int digit; digits < length && (digit = hex_digit(line[digits])) >= 0;) {
        *size = *size * 16 + (uint64_t)digit;
        if (++digits > 15) {
            return false;
        }
    }
    return digits > 0 && (digits == length || line[digits] == ';');
}

static void take_chunk_line(struct http_framing *framing, const char *line, size_t length) {
    if (!read_chunk_size(line, length, &framing->left) || memchr(line, '\0', length) != NULL ||
        memchr(line, '\r', length) != NULL) {
        http_framing_refuse(framing, "a chunk's size is malformed");
    } else {
        framing->part = framing->left > 0 ? HTTP_PART_CHUNK : HTTP_PART_TRAILER;
    }
}

static void take_chunk_end(struct http_framing *framing, size_t length) {
    if (length > 0) {
        http_framing_refuse(framing, "a chunk is longer than its size");
    } else {
        framing->part = HTTP_PART_CHUNK_BEGIN;
    }
}

static void take_trailer(struct http_framing *framing, const char *line, size_t length) {
    framing->trailers += length;
    if (length == 0) {
        end_request(framing);
    } else if (framing->trailers > TRAILERS_MOST || !http_head_is_field(line, length)) {
        http_framing_refuse(framing, "a trailer is malformed or too long");
    }
}

static void http_framing_take_line(struct http_framing *framing, const char *line, size_t length) {
    switch (framing->part) {
    case HTTP_PART_HEAD:
        take_head_line(framing, line, length);
        break;
    case HTTP_PART_CHUNK_BEGIN:
        take_chunk_line(framing, line, length);
        break;
    case HTTP_PART_CHUNK_END:
        take_chunk_end(framing, length);
        break;
    case HTTP_PART_TRAILER:
        take_trailer(framing, line, length);
        break;
    case HTTP_PART_BODY:
    case HTTP_PART_CHUNK:
        break; // they have no lines
    }
}

// ---- Pieces

// Refuses a line that goes on for too long, whatever comes.
static void look_at_length(struct http_framing *framing, size_t length) {
    switch (framing->part) {
    case HTTP_PART_HEAD:
        if (http_head_is_too_long(&framing->head, length)) {
            framing->refusal = framing->head.refusal;
        }
        break;
    case HTTP_PART_CHUNK_BEGIN:
        if (length > CHUNK_LINE_MOST) {
            http_framing_refuse(framing, "a chunk's extension is too long");
        }
        break;
    case HTTP_PART_CHUNK_END:
        if (length > 1) {
            http_framing_refuse(framing, "a chunk is longer than its size");
        }
        break;
    case HTTP_PART_TRAILER:
        if (framing->trailers + length > TRAILERS_MOST) {
            http_framing_refuse(framing, "a trailer is malformed or too long");
        }
        break;
    case HTTP_PART_BODY:
    case HTTP_PART_CHUNK:
        break;
    }
}

// Lines of a head may end with a bare LF (RFC 9112, 2.2); a chunk's bounds may not, for they are read in more than one
// way.
static void http_framing_end_line(struct http_framing *framing, const char *line, size_t length) {
    bool has_cr = length > 0 && line[length - 1] == '\r';
    if (!has_cr && framing->part != HTTP_PART_HEAD) {
        http_framing_refuse(framing, "a chunk's line must end with CR LF");
    } else {
        http_framing_take_line(framing, line, has_cr ? length - 1 : length);
    }
}

static size_t take_of_body(struct http_framing *framing, size_t length) {
    size_t taken = (size_t)smaller(framing->left, length);
    framing->left -= taken;
    if (framing->left == 0 && framing->part == HTTP_PART_CHUNK) {
        framing->part = HTTP_PART_CHUNK_END;
    } else if (framing->left == 0) {
        end_request(framing);
    }
    return taken;
}

static void http_framing_hold(struct http_framing *framing, const char *bytes, size_t length) {
    if (length > 0 && framing->refusal.status == 0) {
        buf_append(&framing->held, bytes, length);
    }
}

// Passes a line on, once it has been taken as one of `part`. A chunk's extension and trailers are not, which nobody
// here understands: libmicrohttpd 1.0.1 takes the end of a line with an extension for the chunk's first byte.
static void pass_line(const struct http_framing *framing, enum http_framing_part part, const char *line, size_t length,
                      struct buf *out) {
    if (part == HTTP_PART_CHUNK_BEGIN) {
        const char *extension = memchr(line, ';', length);
        buf_append(out, line, extension != NULL ? (size_t)(extension - line) : length);
        buf_puts(out, extension != NULL ? "\r\n" : "");
    } else if (part != HTTP_PART_TRAILER || framing->part != HTTP_PART_TRAILER) {
        buf_append(out, line, length);
    }
}

// Takes what lies in text from framing->line_at on, whose bytes up to `looked_at` have no line end. Returns up to where
// it has been dealt with: what is behind that is the begin of a head or of a line.
static size_t http_framing_take_text(struct http_framing *framing, const char *text, size_t length, size_t looked_at,
                                     struct buf *out) {
    size_t at = framing->line_at;
    size_t done = 0;
    while (at < length) {
        enum http_framing_part part = framing->part;
        if (part == HTTP_PART_BODY || part == HTTP_PART_CHUNK) {
            at += take_of_body(framing, length - at);
            buf_append(out, text + done, at - done);
            done = at;
            continue;
        }
        size_t from = at > looked_at ? at : looked_at;
        const char *end = memchr(text + from, '\n', length - from);
        size_t line = end != NULL ? (size_t)(end - text) - at : length - at;
        look_at_length(framing, line);
        if (end == NULL || framing->refusal.status != 0) {
            break;
        }
        http_framing_end_line(framing, text + at, line);
        at += line + 1;
        if (framing->refusal.status != 0) {
            break;
        }
        if (framing->part != HTTP_PART_HEAD || framing->head.cost == 0) { // not within a head
            pass_line(framing, part, text + done, at - done, out);
            done = at;
        }
    }
    framing->line_at = at - done;
    return done;
}

void http_framing_take(struct http_framing *framing, const char *bytes, size_t length, struct buf *out) {
    struct buf text = framing->held;
    if (framing->refusal.status != 0) {
        return;
    }
    framing->held = (struct buf){0};
    if (text.length > 0) {
        size_t held = text.length;
        buf_append(&text, bytes, length);
        size_t done = http_framing_take_text(framing, text.data, text.length, held, out);
        http_framing_hold(framing, text.data + done, text.length - done);
    } else {
        size_t done = http_framing_take_text(framing, bytes, length, 0, out);
        http_framing_hold(framing, bytes + done, length - done);
    }
    buf_free(&text);
}

bool http_framing_is_in_body(const struct http_framing *framing) {
    return framing->part != HTTP_PART_HEAD;
}

bool http_framing_is_within(const struct http_framing *framing) {
    return framing->part != HTTP_PART_HEAD || framing->held.length > 0;
}

void http_framing_free(struct http_framing *framing) {
    buf_free(&framing->held);
}
