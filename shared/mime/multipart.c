// SPDX-License-Identifier: MIT
//
// A delimiter is a line end, "--", the boundary, perhaps "--", perhaps blanks, and a line end. A line end is nowhere
// else in it, so where what is held turns out to be none, all of it is content but its last byte, which may begin
// another: nothing is ever looked at twice.
//
// libmicrohttpd has a parser of multipart/form-data (MHD_create_post_processor). It isn't used: it needs the
// connection, which a replay of a kept webhook doesn't have; names end at their first quote, and RFC 8187's aren't
// read; of a part's head only what it understands is given, so the form can't be written again without its files; and a
// body that it can't read ends it, which would lose the mail.
#include "shared/mime/multipart.h"

#include <stdlib.h>
#include <string.h>

#include "shared/mime/parameter.h"

enum { BLANKS_MOST = 256 }; // behind a boundary; with more of them it is none

enum place { BEFORE_PARTS, IN_HEAD, IN_CONTENT, BEHIND_PARTS };

enum match {
    MATCH_NONE,
    MATCH_CR,     // held ends with it
    MATCH_TEXT,   // `matched` bytes of "--boundary" follow on a line's begin
    MATCH_BEHIND, // so does all of it
    MATCH_DASH,   // and one '-'
    MATCH_BLANKS, // and `matched` blanks
    MATCH_END,    // and CR
};

char *multipart_boundary(struct span content_type) {
    char *boundary = parameter_get(content_type, "boundary");
    if (boundary == NULL) {
        return NULL;
    }
    size_t length = strlen(boundary);
    while (length > 0 && boundary[length - 1] == ' ') {
        boundary[--length] = '\0';
    }
    if (length == 0 || length > MULTIPART_BOUNDARY_MOST || boundary[strcspn(boundary, "\r\n")] != '\0') {
        free(boundary);
        return NULL;
    }
    return boundary;
}

// ---- What is no delimiter

static void head_is_whole(struct multipart *multipart) {
    multipart->place = IN_CONTENT;
    multipart->sink.head(multipart->sink.argument, multipart->head.data, multipart->head.length);
    buf_clear(&multipart->head);
}

// Lines that don't fit are left out as a whole, so that no half of a parameter is taken for it.
static void multipart_cut_head(struct multipart *multipart) {
    struct buf *head = &multipart->head;
    while (head->length > 0 && head->data[head->length - 1] != '\n') {
        head->length--;
    }
    multipart->head_is_full = true;
}

static void multipart_put_head(struct multipart *multipart, char byte) {
    struct buf *head = &multipart->head;
    if (byte == '\n' && multipart->line_length == 0) {
        while (head->length > 0 && head->data[head->length - 1] == '\r') { // of the empty line
            head->length--;
        }
        head_is_whole(multipart);
        return;
    }
    if (!multipart->head_is_full) {
        buf_putc(head, byte);
    }
    if (head->length == MULTIPART_HEAD_MOST) {
        multipart_cut_head(multipart);
    }
    multipart->line_length = byte == '\n' ? 0 : multipart->line_length + (byte != '\r');
}

static void multipart_put(struct multipart *multipart, const char *bytes, size_t length) {
    size_t at = 0;
    while (multipart->place == IN_HEAD && at < length) {
        multipart_put_head(multipart, bytes[at++]);
    }
    if (at == length) {
        return;
    }
    if (multipart->place == IN_CONTENT) {
        multipart->sink.content(multipart->sink.argument, bytes + at, length - at);
    } else if (multipart->place == BEFORE_PARTS && multipart->sink.before != NULL) {
        multipart->sink.before(multipart->sink.argument, bytes + at, length - at);
    }
}

// ---- Delimiters

static void multipart_end_part(struct multipart *multipart) {
    if (multipart->place == IN_HEAD) {
        head_is_whole(multipart);
    }
    if (multipart->place == IN_CONTENT) {
        multipart->sink.end(multipart->sink.argument);
    }
}

static void multipart_delimit(struct multipart *multipart, bool is_last) {
    multipart_end_part(multipart);
    buf_clear(&multipart->held);
    multipart->place = is_last ? BEHIND_PARTS : IN_HEAD;
    multipart->line_length = 0;
    multipart->head_is_full = false;
    multipart->match = is_last ? MATCH_NONE : MATCH_TEXT; // the next delimiter may follow on this one's line end
    multipart->matched = 0;
}

// The byte of "--boundary" at an index.
static char delimiter_at(const struct multipart *multipart, size_t index) {
    return index < 2 ? '-' : multipart->boundary[index - 2];
}

// Whether a byte goes on with what is held. Where it makes a delimiter whole, that is done as well.
static bool multipart_goes_on(struct multipart *multipart, char byte) {
    bool is_end = byte == '\r' || byte == '\n', is_blank = byte == ' ' || byte == '\t';
    switch ((enum match)multipart->match) {
    case MATCH_NONE:
        break;
    case MATCH_CR:
        if (byte == '\n') {
            multipart->match = MATCH_TEXT;
            multipart->matched = 0;
            return true;
        }
        break;
    case MATCH_TEXT:
        if (byte == delimiter_at(multipart, multipart->matched)) {
            bool is_whole = ++multipart->matched == multipart->boundary_length + 2;
            multipart->match = is_whole ? MATCH_BEHIND : MATCH_TEXT;
            return true;
        }
        break;
    case MATCH_BEHIND:
        multipart->matched = 0;
        multipart->match = byte == '-' ? MATCH_DASH : byte == '\r' ? MATCH_END : MATCH_BLANKS;
        return byte == '-' || is_end || is_blank;
    case MATCH_DASH:
        return byte == '-';
    case MATCH_BLANKS:
        multipart->match = byte == '\r' ? MATCH_END : MATCH_BLANKS;
        return is_end || (is_blank && ++multipart->matched < BLANKS_MOST);
    case MATCH_END:
        return byte == '\n';
    }
    return false;
}

// What is held is none: content, but perhaps for its last byte.
static void multipart_let_go(struct multipart *multipart) {
    struct buf *held = &multipart->held;
    bool keeps = multipart->match == MATCH_END && held->length > 0;
    size_t length = held->length - keeps;
    if (length > 0) {
        multipart_put(multipart, held->data, length);
    }
    buf_clear(held);
    if (keeps) {
        buf_putc(held, '\r');
    }
    multipart->match = keeps ? MATCH_CR : MATCH_NONE;
}

static void multipart_hold(struct multipart *multipart, char byte) {
    buf_putc(&multipart->held, byte);
}

static void multipart_take_byte(struct multipart *multipart, char byte) {
    int before = multipart->match;
    if (multipart_goes_on(multipart, byte)) {
        multipart_hold(multipart, byte);
        bool is_last = before == MATCH_DASH;
        if (is_last || (byte == '\n' && before >= MATCH_BEHIND)) {
            multipart_delimit(multipart, is_last);
        }
        return;
    }
    multipart->match = before;
    multipart_let_go(multipart);
    if (multipart->match == MATCH_CR && multipart_goes_on(multipart, byte)) {
        multipart_hold(multipart, byte);
    } else if (byte == '\r' || byte == '\n') {
        multipart_let_go(multipart);
        multipart_hold(multipart, byte);
        multipart->match = byte == '\r' ? MATCH_CR : MATCH_TEXT;
        multipart->matched = 0;
    } else {
        multipart_let_go(multipart);
        multipart_put(multipart, &byte, 1);
    }
}

// How many bytes are none of a delimiter, for nothing is held.
static size_t plain_length(const char *bytes, size_t length) {
    const char *end = memchr(bytes, '\n', length);
    size_t plain = end != NULL ? (size_t)(end - bytes) : length;
    return plain > 0 && bytes[plain - 1] == '\r' ? plain - 1 : plain;
}

void multipart_take(struct multipart *multipart, const char *bytes, size_t length) {
    while (length > 0 && multipart->place != BEHIND_PARTS) {
        size_t plain = multipart->match == MATCH_NONE ? plain_length(bytes, length) : 0;
        if (plain > 0) {
            multipart_put(multipart, bytes, plain);
        } else {
            multipart_take_byte(multipart, *bytes);
            plain = 1;
        }
        bytes += plain;
        length -= plain;
    }
}

void multipart_end(struct multipart *multipart) {
    if (multipart->match >= MATCH_BEHIND && multipart->match != MATCH_DASH) {
        multipart_delimit(multipart, true); // its line's end is all that is missing
    }
    if (multipart->place != BEHIND_PARTS) {
        multipart->match = MATCH_NONE;
        multipart_let_go(multipart);
        multipart_end_part(multipart);
        multipart->place = BEHIND_PARTS;
    }
}

void multipart_begin(struct multipart *multipart, const char *boundary, const struct multipart_sink *sink) {
    *multipart = (struct multipart){.sink = *sink, .place = BEFORE_PARTS, .match = MATCH_TEXT};
    multipart->boundary_length = strlen(boundary);
    memcpy(multipart->boundary, boundary, multipart->boundary_length);
    buf_append(&multipart->head, "", 0);
}

void multipart_free(struct multipart *multipart) {
    buf_free(&multipart->held);
    buf_free(&multipart->head);
}
