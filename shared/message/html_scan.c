// SPDX-License-Identifier: MIT
#include "shared/message/html_scan.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>
#include <utf8proc.h>

#include "shared/base/unicode.h"
#include "shared/message/html_entities.h"

enum { MOST_RUN = 512 }; // bytes of text at once, as a reader may want no more

void html_scan_begin(struct html_scan *scan, const char *html, size_t length) {
    scan->at = html;
    scan->end = html + length;
    scan->hidden = false;
    memset(scan->open, 0, sizeof scan->open);
}

static size_t bytes_left(const struct html_scan *scan) {
    return (size_t)(scan->end - scan->at);
}

static bool has_trait(const struct html_element *element, unsigned traits) {
    return element != NULL && (element->traits & traits) != 0;
}

// ---- What is hidden

static void html_scan_hide(struct html_scan *scan, const struct html_element *element) {
    scan->hidden = true;
    scan->hider = element;
    scan->nests = 0;
    memset(scan->inside, 0, sizeof scan->inside);
    scan->inside[html_element_index(element)] = 1;
}

// Counts the element of a start tag.
static void count_open(uint16_t *counts, const struct html_element *element) {
    uint16_t *open = &counts[html_element_index(element)];
    if (!has_trait(element, HTML_VOID) && *open < UINT16_MAX) {
        ++*open;
    }
}

// Counts that of an end tag. Returns whether it stood open.
static bool count_close(uint16_t *counts, const struct html_element *element) {
    uint16_t *open = &counts[html_element_index(element)];
    if (*open == 0) {
        return false;
    }
    --*open;
    return true;
}

// Whether a start tag ends the hidden element, whose own end tag may be left out.
static bool ends_hider(const struct html_scan *scan, const struct html_element *element) {
    const struct html_element *hider = scan->hider;
    if (hider == NULL || element == NULL) {
        return false;
    }
    if (strcmp(hider->name, "p") == 0) {
        return has_trait(element, HTML_BLOCK);
    }
    bool like = (hider->traits & element->traits & (HTML_ITEM | HTML_CELL)) != 0 ||
                (has_trait(hider, HTML_CELL) && strcmp(element->name, "tr") == 0);
    return like && scan->nests == 0;
}

// Takes a start tag while something is hidden. Returns whether it is to be seen.
static bool open_hidden(struct html_scan *scan) {
    const struct html_element *element = scan->tag.element;
    if (ends_hider(scan, element)) {
        scan->hidden = false;
        return true;
    }
    count_open(scan->inside, element);
    scan->nests += has_trait(element, HTML_NEST);
    return false;
}

// The same for an end tag: that of an element around what is hidden ends it, too, but of a template.
static bool close_hidden(struct html_scan *scan) {
    const struct html_element *element = scan->tag.element;
    if (count_close(scan->inside, element)) {
        scan->nests -= has_trait(element, HTML_NEST);
        scan->hidden = scan->inside[html_element_index(scan->hider)] > 0;
        return false;
    }
    bool around = scan->open[html_element_index(element)] > 0 && has_trait(element, HTML_BLOCK | HTML_CELL);
    scan->hidden = !around || has_trait(scan->hider, HTML_UNSEEN);
    return !scan->hidden;
}

// ---- Markup

// Behind the content of an element that holds no markup: at its end tag.
static void skip_raw(struct html_scan *scan, const struct html_element *element) {
    size_t name = strlen(element->name);
    while ((scan->at = memchr(scan->at, '<', bytes_left(scan))) != NULL) {
        if (bytes_left(scan) >= name + 2 && scan->at[1] == '/' && strncasecmp(scan->at + 2, element->name, name) == 0 &&
            (bytes_left(scan) == name + 2 || !isalnum((unsigned char)scan->at[name + 2]))) {
            return;
        }
        scan->at++;
    }
    scan->at = scan->end;
}

// Takes a start tag. Returns whether it is to be seen.
static bool html_scan_open(struct html_scan *scan) {
    const struct html_element *element = scan->tag.element;
    if (has_trait(element, HTML_RAW)) {
        skip_raw(scan, element);
    }
    if (scan->hidden && !open_hidden(scan)) {
        return false;
    }
    if (!has_trait(element, HTML_VOID) && (scan->tag.hidden || has_trait(element, HTML_UNSEEN))) {
        html_scan_hide(scan, element);
        return false;
    }
    count_open(scan->open, element);
    return true;
}

// The same for an end tag.
static bool html_scan_close(struct html_scan *scan) {
    if (scan->hidden && !close_hidden(scan)) {
        return false;
    }
    (void)count_close(scan->open, scan->tag.element);
    return true;
}

// Takes the markup that begins here; HTML_END where there is none to be seen.
static enum html_piece take_markup(struct html_scan *scan, enum html_markup markup) {
    if (markup == HTML_REMARK || !scan->tag.complete) {
        return HTML_END;
    }
    if (markup == HTML_START_TAG) {
        return html_scan_open(scan) ? HTML_OPEN : HTML_END;
    }
    return html_scan_close(scan) ? HTML_CLOSE : HTML_END;
}

// ---- Text

// Takes text up to the next '<' or '&', the first byte whatever it is, and no character in part.
static enum html_piece take_run(struct html_scan *scan) {
    size_t length = 1, left = bytes_left(scan);
    while (length < left && length < MOST_RUN && scan->at[length] != '<' && scan->at[length] != '&') {
        length++;
    }
    for (int i = 0; i < 3 && length > 1 && length < left && ((unsigned char)scan->at[length] & 0xc0) == 0x80; i++) {
        length--;
    }
    scan->text = scan->at;
    scan->length = length;
    scan->at += length;
    return HTML_TEXT;
}

// Control characters, which HTML doesn't allow, aren't taken over from a reference; white space is.
static void decode_code(struct html_scan *scan, int32_t code) {
    if (!unicode_is_control(code) || unicode_is_space(code)) {
        scan->length += (size_t)utf8proc_encode_char(code, (utf8proc_uint8_t *)scan->decoded + scan->length);
    }
}

static enum html_piece take_reference(struct html_scan *scan) {
    int32_t codes[2];
    size_t length = html_entity_decode(scan->at, bytes_left(scan), false, codes);
    if (length == 0) {
        return take_run(scan);
    }
    scan->at += length;
    scan->text = scan->decoded;
    scan->length = 0;
    decode_code(scan, codes[0]);
    if (codes[1] != 0) {
        decode_code(scan, codes[1]);
    }
    return HTML_TEXT;
}

static enum html_piece take_any(struct html_scan *scan) {
    if (*scan->at == '&') {
        return take_reference(scan);
    }
    size_t length = 0;
    enum html_markup markup =
        *scan->at == '<' ? html_markup_read(scan->at, bytes_left(scan), &scan->tag, &length) : HTML_NO_MARKUP;
    if (markup == HTML_NO_MARKUP) {
        return take_run(scan);
    }
    scan->at += length;
    return take_markup(scan, markup);
}

enum html_piece html_scan_next(struct html_scan *scan) {
    while (scan->at < scan->end) {
        enum html_piece piece = take_any(scan);
        if (piece != HTML_END && !(piece == HTML_TEXT && scan->hidden)) {
            return piece;
        }
    }
    return HTML_END;
}
