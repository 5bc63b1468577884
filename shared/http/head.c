// SPDX-License-Identifier: MIT
#include "shared/http/head.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

// libmicrohttpd's record of a header, parameter or cookie, which it takes from the same memory.
enum { RECORD_BYTES = 64, LINE_END_BYTES = 2 };

struct text {
    const char *at;
    size_t length;
};

static enum http_head_step http_head_refuse(struct http_head *head, unsigned status, const char *why) {
    head->refusal = (struct http_refusal){status, why};
    return HTTP_HEAD_REFUSED;
}

// RFC 9110, 5.6.2.
static bool is_token(struct text text) {
    for (size_t i = 0; i < text.length; i++) {
        char c = text.at[i];
        if (!isalnum((unsigned char)c) && (c == '\0' || strchr("!#$%&'*+-.^_`|~", c) == NULL)) {
            return false;
        }
    }
    return text.length > 0;
}

static size_t http_head_count(struct text text, char wanted) {
    size_t found = 0;
    for (size_t i = 0; i < text.length; i++) {
        found += text.at[i] == wanted;
    }
    return found;
}

static bool equals(struct text text, const char *word) {
    return text.length == strlen(word) && strncasecmp(text.at, word, text.length) == 0;
}

// Cuts text at the first `mark`, which must be there, and returns what is before it.
static bool http_head_cut(struct text *text, char mark, struct text *before) {
    const char *found = memchr(text->at, mark, text->length);
    if (found == NULL) {
        return false;
    }
    *before = (struct text){text->at, (size_t)(found - text->at)};
    text->at = found + 1;
    text->length -= before->length + 1;
    return true;
}

// Blanks behind a value stay: not every version of the library takes them away, and what is to be read in one way only
// (a length) must not have any.
static struct text http_head_skip_blanks(struct text text) {
    while (text.length > 0 && (text.at[0] == ' ' || text.at[0] == '\t')) {
        text.at++;
        text.length--;
    }
    return text;
}

// ---- Size

static bool is_too_costly(struct http_head *head, size_t cost) {
    if (head->cost + cost <= HTTP_HEAD_MOST) {
        head->cost += cost;
        return false;
    }
    (void)(head->has_request_line ? http_head_refuse(head, 431, "the request's headers are too large")
                                  : http_head_refuse(head, 414, "the request's target is too long"));
    return true;
}

bool http_head_is_too_long(struct http_head *head, size_t length) {
    struct http_head looked_at = *head;
    if (!is_too_costly(&looked_at, length)) {
        return false;
    }
    head->refusal = looked_at.refusal;
    return true;
}

static size_t cost_of_parameters(struct text target) {
    struct text path;
    return http_head_cut(&target, '?', &path) ? RECORD_BYTES * (http_head_count(target, '&') + 1) : 0;
}

// The library keeps a copy of a Cookie header, in pieces.
static size_t cost_of_header(struct text name, struct text value) {
    return equals(name, "Cookie") ? RECORD_BYTES * (http_head_count(value, ';') + 2) + value.length : RECORD_BYTES;
}

// ---- The request line

static bool is_target(struct text target) {
    for (size_t i = 0; i < target.length; i++) {
        if ((unsigned char)target.at[i] <= ' ' || target.at[i] == 0x7f) {
            return false;
        }
    }
    return target.length > 0;
}

// "HTTP/" DIGIT "." DIGIT
static bool is_version(struct text version) {
    return version.length == 8 && memcmp(version.at, "HTTP/", 5) == 0 && isdigit((unsigned char)version.at[5]) &&
           version.at[6] == '.' && isdigit((unsigned char)version.at[7]);
}

static enum http_head_step take_request_line(struct http_head *head, struct text line) {
    struct text method, target, version = line;
    if (!http_head_cut(&version, ' ', &method) || !http_head_cut(&version, ' ', &target) || !is_token(method) ||
        !is_target(target) || !is_version(version)) {
        return http_head_refuse(head, 400, "the request's first line is malformed");
    }
    if (version.at[5] != '1') {
        return http_head_refuse(head, 505, "this version of HTTP is not spoken here");
    }
    if (is_too_costly(head, cost_of_parameters(target))) {
        return HTTP_HEAD_REFUSED;
    }
    head->has_request_line = true;
    head->is_http_1_0 = version.at[7] == '0';
    return HTTP_HEAD_MORE;
}

// ---- Headers

static bool split_field(struct text line, struct text *name, struct text *value) {
    *value = line;
    if (memchr(line.at, '\0', line.length) != NULL || memchr(line.at, '\r', line.length) != NULL ||
        !http_head_cut(value, ':', name)) {
        return false;
    }
    *value = http_head_skip_blanks(*value);
    return is_token(*name);
}

bool http_head_is_field(const char *line, size_t length) {
    struct text name, value;
    return split_field((struct text){line, length}, &name, &value);
}

static enum http_head_step take_content_length(struct http_head *head, struct text value) {
    uint64_t length = 0;
    head->lengths++;
    for (size_t i = 0; i < value.length; i++) {
        if (!isdigit((unsigned char)value.at[i])) {
            return http_head_refuse(head, 400, "Content-Length is no number");
        }
        unsigned digit = (unsigned)(value.at[i] - '0');
        if (length > (UINT64_MAX / 2 - digit) / 10) {
            return http_head_refuse(head, 413, "the request's body is too large");
        }
        length = length * 10 + digit;
    }
    head->content_length = length;
    return value.length > 0 ? HTTP_HEAD_MORE : http_head_refuse(head, 400, "Content-Length is no number");
}

static enum http_head_step take_encoding(struct http_head *head, struct text value) {
    head->encodings++;
    return equals(value, "chunked") ? HTTP_HEAD_MORE
                                    : http_head_refuse(head, 400, "Transfer-Encoding can only be chunked");
}

static enum http_head_step take_header(struct http_head *head, struct text line) {
    struct text name, value;
    if (!split_field(line, &name, &value)) {
        return http_head_refuse(head, 400, "a header is malformed");
    }
    if (is_too_costly(head, cost_of_header(name, value))) {
        return HTTP_HEAD_REFUSED;
    }
    if (equals(name, "Content-Length")) {
        return take_content_length(head, value);
    }
    if (equals(name, "Transfer-Encoding")) {
        return take_encoding(head, value);
    }
    head->hosts += equals(name, "Host");
    return HTTP_HEAD_MORE;
}

// ---- The whole

static enum http_head_step http_head_end(struct http_head *head) {
    if (head->hosts > 1 || (head->hosts == 0 && !head->is_http_1_0)) {
        return http_head_refuse(head, 400, "there must be one Host header");
    }
    if (head->lengths > 1 || head->encodings > 1 || (head->encodings > 0 && head->lengths > 0)) {
        return http_head_refuse(head, 400, "the body's length is told more than once");
    }
    if (head->encodings > 0 && head->is_http_1_0) {
        return http_head_refuse(head, 400, "Transfer-Encoding came with a version of HTTP that has none");
    }
    return HTTP_HEAD_WHOLE;
}

enum http_head_step http_head_take(struct http_head *head, const char *line, size_t length) {
    struct text text = {line, length};
    if (is_too_costly(head, length + LINE_END_BYTES)) {
        return HTTP_HEAD_REFUSED;
    }
    if (!head->has_request_line) {
        return length > 0 ? take_request_line(head, text) : HTTP_HEAD_MORE; // RFC 9112, 2.2: empty lines before it
    }
    return length > 0 ? take_header(head, text) : http_head_end(head);
}
