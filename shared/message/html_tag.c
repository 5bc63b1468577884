// SPDX-License-Identifier: MIT
#include "shared/message/html_tag.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

struct html_span {
    const char *text;
    size_t length;
};

static bool html_is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

static bool span_is(const struct html_span *span, const char *word) {
    return span->length == strlen(word) && strncasecmp(span->text, word, span->length) == 0;
}

// What lies before the first `stop`, which is skipped as well; or all that is left.
static struct html_span split(struct html_span *rest, char stop) {
    const char *end = memchr(rest->text, stop, rest->length);
    struct html_span part = {rest->text, end != NULL ? (size_t)(end - rest->text) : rest->length};
    size_t taken = part.length + (end != NULL);
    *rest = (struct html_span){rest->text + taken, rest->length - taken};
    return part;
}

static struct html_span trim(struct html_span span) {
    while (span.length > 0 && html_is_blank(*span.text)) {
        span.text++;
        span.length--;
    }
    while (span.length > 0 && html_is_blank(span.text[span.length - 1])) {
        span.length--;
    }
    return span;
}

// Whether a style's declarations say that nothing is to be seen.
static bool style_hides(struct html_span style) {
    while (style.length > 0) {
        struct html_span value = split(&style, ';');
        struct html_span name = trim(split(&value, ':'));
        value = split(&value, '!'); // without !important
        value = trim(value);
        if ((span_is(&name, "display") && span_is(&value, "none")) ||
            (span_is(&name, "visibility") && span_is(&value, "hidden"))) {
            return true;
        }
    }
    return false;
}

static void take_attribute(struct html_tag *tag, const struct html_span *name, const struct html_span *value) {
    tag->attributes += value->text != NULL;
    if (span_is(name, "hidden")) {
        tag->hidden = true;
    } else if (span_is(name, "style") && value->text != NULL) {
        tag->hidden = tag->hidden || style_hides(*value);
    } else if (span_is(name, "href") && tag->href == NULL) {
        struct html_span target = value->text != NULL ? trim(*value) : *value;
        tag->href = target.text;
        tag->href_length = target.length;
    }
}

static size_t html_skip_blanks(const char *text, size_t left, size_t at) {
    while (at < left && html_is_blank(text[at])) {
        at++;
    }
    return at;
}

// An attribute's value at `at`, behind its '='. Returns where it ends; value->text stays NULL where a quote has no end.
static size_t read_value(const char *text, size_t left, size_t at, struct html_span *value) {
    at = html_skip_blanks(text, left, at);
    if (at < left && (text[at] == '"' || text[at] == '\'')) {
        const char *end = memchr(text + at + 1, text[at], left - at - 1);
        if (end == NULL) {
            return left;
        }
        *value = (struct html_span){text + at + 1, (size_t)(end - text) - at - 1};
        return (size_t)(end - text) + 1;
    }
    size_t begin = at;
    while (at < left && text[at] != '>' && !html_is_blank(text[at])) {
        at++;
    }
    *value = (struct html_span){text + begin, at - begin};
    return at;
}

static size_t read_attribute(const char *text, size_t left, size_t at, struct html_tag *tag) {
    size_t begin = at++; // even a '=' begins a name
    while (at < left && text[at] != '=' && text[at] != '/' && text[at] != '>' && !html_is_blank(text[at])) {
        at++;
    }
    struct html_span name = {text + begin, at - begin}, value = {NULL, 0};
    size_t equals = html_skip_blanks(text, left, at);
    if (equals < left && text[equals] == '=') {
        at = read_value(text, left, equals + 1, &value);
    }
    take_attribute(tag, &name, &value);
    return at;
}

// The attributes at `at`, up to and with the '>'. Returns where the tag ends.
static size_t read_attributes(const char *text, size_t left, size_t at, struct html_tag *tag) {
    while (at < left && text[at] != '>') {
        if (html_is_blank(text[at]) || text[at] == '/') {
            at++;
        } else {
            at = read_attribute(text, left, at, tag);
        }
    }
    tag->complete = at < left;
    return tag->complete ? at + 1 : left;
}

static bool is_name_character(char c) {
    return isalnum((unsigned char)c) || c == '-' || c == ':' || c == '_' || c == '.';
}

// The length of the tag's name at name; 0: none, as in "<3", "<jane@x.com>" and "<https://x.com>".
static size_t name_length(const char *name, size_t left) {
    size_t length = 0;
    while (length < left && is_name_character(name[length])) {
        length++;
    }
    if (length == 0 || !isalpha((unsigned char)*name) || name[length - 1] == ':') {
        return 0;
    }
    bool ends = length == left || name[length] == '>' || name[length] == '/' || html_is_blank(name[length]);
    return ends ? length : 0;
}

// Up to and with the first `end`, or to the end of the text.
static size_t length_to(const char *text, size_t left, const char *end) {
    const char *found = memmem(text, left, end, strlen(end));
    return found != NULL ? (size_t)(found - text) + strlen(end) : left;
}

// "<!-->" and "<!--->" are whole comments.
static size_t comment_length(const char *text, size_t left) {
    size_t dashes = left > 4 && text[4] == '-' ? 5 : 4;
    if (dashes < left && text[dashes] == '>') {
        return dashes + 1;
    }
    size_t plain = 4 + length_to(text + 4, left - 4, "-->");
    size_t odd = 4 + length_to(text + 4, plain - 4, "--!>");
    return odd < plain ? odd : plain;
}

// A CDATA section is taken whole, though browsers end one at its first '>' where it isn't foreign content.
static size_t remark_length(const char *text, size_t left) {
    if (left >= 4 && memcmp(text, "<!--", 4) == 0) {
        return comment_length(text, left);
    }
    bool cdata = left >= 9 && memcmp(text, "<![CDATA[", 9) == 0;
    return length_to(text, left, cdata ? "]]>" : ">");
}

enum html_markup html_markup_read(const char *text, size_t left, struct html_tag *tag, size_t *length) {
    bool closes = left > 1 && text[1] == '/';
    size_t begin = closes ? 2 : 1;
    size_t name = name_length(text + begin, left - begin);
    *length = 1;
    if (name > 0) {
        *tag = (struct html_tag){.element = html_element_find(text + begin, name)};
        *length = read_attributes(text, left, begin + name, tag);
        return closes ? HTML_END_TAG : HTML_START_TAG;
    }
    bool remark =
        left > 1 && (text[1] == '!' || text[1] == '?' || (closes && left > 2 && !isalpha((unsigned char)text[2])));
    if (remark) {
        *length = remark_length(text, left);
        return HTML_REMARK;
    }
    return HTML_NO_MARKUP;
}
