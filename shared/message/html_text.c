// SPDX-License-Identifier: MIT
#include "shared/message/html_text.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>
#include <utf8proc.h>

#include "shared/base/unicode.h"
#include "shared/message/html_entities.h"
#include "shared/message/html_scan.h"

enum {
    MOST_TARGET = 2048, // bytes of a link's target that is shown
    MOST_MARKS = 4,     // invisible marks in a row within a word: more are no writing
};

struct html_writer {
    struct buf *out;
    enum html_text_form form;
    size_t begin;    // where in out the text begins
    size_t newlines; // that are due before the next word
    size_t verbatim; // elements open that keep their white space
    bool space;      // due before the next word
    bool item;       // the next word is an item's first
    int32_t marks[MOST_MARKS];
    size_t mark_count; // invisible marks behind the last word, dropped unless it goes on
    struct html_tag link;
    size_t link_begin; // where in out the link's text begins
};

// ---- Words

// Invisible marks that shape a word are kept within one: the grapheme joiner, the zero-width non-joiner and joiner.
static bool is_mark(int32_t code) {
    return code == 0x34f || code == 0x200c || code == 0x200d;
}

// Soft hyphen, zero-width space, word joiner, zero-width no-break space.
static bool is_break_hint(int32_t code) {
    return code == 0xad || code == 0x200b || code == 0x2060 || code == 0xfeff;
}

static void put_code(struct buf *out, int32_t code) {
    if (code < 0x80) {
        buf_putc(out, (char)code);
        return;
    }
    utf8proc_uint8_t bytes[4];
    buf_append(out, bytes, (size_t)utf8proc_encode_char(code, bytes));
}

static bool at_begin(const struct html_writer *writer) {
    return writer->out->length == writer->begin;
}

// What is due before a word: lines, or a space, or the marks that turn out to be within it.
static void put_before_word(struct html_writer *writer) {
    for (size_t i = 0; i < writer->newlines && !at_begin(writer); i++) {
        buf_putc(writer->out, '\n');
    }
    bool apart = writer->newlines > 0 || writer->space;
    if (writer->space && writer->newlines == 0 && !at_begin(writer)) {
        buf_putc(writer->out, ' ');
    }
    for (size_t i = 0; i < writer->mark_count && !apart && !at_begin(writer); i++) {
        put_code(writer->out, writer->marks[i]);
    }
    if (writer->item && writer->form == HTML_TEXT_WHOLE) {
        buf_puts(writer->out, "- ");
    }
    writer->newlines = writer->mark_count = 0;
    writer->space = writer->item = false;
}

static void need_newlines(struct html_writer *writer, size_t count) {
    writer->newlines = writer->newlines > count ? writer->newlines : count;
}

static void put_space(struct html_writer *writer, int32_t code) {
    if (writer->verbatim == 0) {
        writer->space = true;
    } else if (code == '\n') {
        writer->newlines += writer->newlines < 2;
    } else if (!at_begin(writer)) {
        put_before_word(writer);
        buf_putc(writer->out, ' ');
    }
}

static void put_mark(struct html_writer *writer, int32_t code) {
    if (writer->mark_count < MOST_MARKS) {
        writer->marks[writer->mark_count++] = code;
    }
}

// Takes one character that isn't of ASCII's visible ones. Returns its length in bytes.
static size_t put_character(struct html_writer *writer, const char *text, size_t left) {
    size_t taken;
    int32_t code = unicode_decode(text, left, &taken);
    if (unicode_is_space(code)) {
        put_space(writer, code);
    } else if (is_mark(code)) {
        put_mark(writer, code);
    } else if (!is_break_hint(code)) {
        put_before_word(writer);
        put_code(writer->out, code);
    }
    return taken;
}

static void put_text(struct html_writer *writer, const char *text, size_t length) {
    for (size_t at = 0; at < length;) {
        size_t word = at;
        while (word < length && text[word] > ' ' && text[word] < 0x7f) {
            word++;
        }
        if (word == at) {
            at += put_character(writer, text + at, length - at);
        } else {
            put_before_word(writer);
            buf_append(writer->out, text + at, word - at);
            at = word;
        }
    }
}

// ---- Links

// Whether the text of the link says its target already, at least as "x.com" for "https://x.com/".
static bool is_said(const struct html_writer *writer, const struct buf *target) {
    const char *host = strstr(target->data, "//") + 2;
    size_t length = strlen(host);
    length -= length > 0 && host[length - 1] == '/';
    size_t text = writer->out->length - writer->link_begin;
    return text > 0 && memmem(writer->out->data + writer->link_begin, text, host, length) != NULL;
}

static void put_target_code(struct buf *target, int32_t code) {
    if (code == ' ') {
        buf_puts(target, "%20");
    } else if (!unicode_is_control(code) && !unicode_is_space(code)) {
        put_code(target, code);
    }
}

// The link's target, its references decoded, in one printable word.
static void read_target(const struct html_tag *link, struct buf *target) {
    const char *href = link->href, *end = href + link->href_length;
    int32_t codes[2];
    for (size_t taken; href < end && target->length <= MOST_TARGET; href += taken) {
        taken = *href == '&' ? html_entity_decode(href, (size_t)(end - href), true, codes) : 0;
        if (taken == 0) {
            codes[0] = unicode_decode(href, (size_t)(end - href), &taken);
            codes[1] = 0;
        }
        put_target_code(target, codes[0]);
        put_target_code(target, codes[1]); // 0, where there is no second, is a control character
    }
}

static bool is_web_address(const struct buf *target) {
    return target->length > 0 && target->length <= MOST_TARGET &&
           (strncasecmp(target->data, "https://", 8) == 0 || strncasecmp(target->data, "http://", 7) == 0);
}

// At a link's end: its target behind its text, or instead of one.
static void end_link(struct html_writer *writer) {
    struct buf target = {0};
    if (writer->link.href != NULL && writer->form == HTML_TEXT_WHOLE) {
        read_target(&writer->link, &target);
    }
    writer->link.href = NULL;
    if (is_web_address(&target) && !is_said(writer, &target)) {
        bool text = writer->out->length > writer->link_begin;
        writer->space = writer->space || text;
        put_before_word(writer);
        buf_printf(writer->out, text ? "(%s)" : "%s", target.data);
    }
    buf_free(&target);
}

static void begin_link(struct html_writer *writer, const struct html_tag *tag) {
    end_link(writer);
    writer->link = *tag;
    writer->link_begin = writer->out->length;
}

// ---- Tags

static void put_block(struct html_writer *writer, unsigned traits) {
    if ((traits & (HTML_BLOCK | HTML_GAP)) != 0) {
        need_newlines(writer, (traits & HTML_GAP) != 0 ? 2 : 1);
    }
    if ((traits & HTML_CELL) != 0) {
        writer->space = true;
    }
}

static void put_open(struct html_writer *writer, const struct html_tag *tag) {
    unsigned traits = tag->element != NULL ? tag->element->traits : 0;
    put_block(writer, traits);
    if ((traits & HTML_BREAK) != 0) {
        writer->newlines += writer->newlines < 2;
    }
    writer->item = writer->item || (traits & HTML_ITEM) != 0;
    writer->verbatim += (traits & HTML_VERBATIM) != 0;
    if ((traits & HTML_LINK) != 0) {
        begin_link(writer, tag);
    }
}

static void put_close(struct html_writer *writer, const struct html_tag *tag) {
    unsigned traits = tag->element != NULL ? tag->element->traits : 0;
    if ((traits & HTML_LINK) != 0) {
        end_link(writer);
    }
    put_block(writer, traits);
    writer->item = writer->item && (traits & HTML_ITEM) == 0;
    writer->verbatim -= (traits & HTML_VERBATIM) != 0 && writer->verbatim > 0;
}

bool html_text_append(struct buf *out, const char *html, size_t length, enum html_text_form form, size_t most) {
    struct html_writer writer = {.out = out, .form = form, .begin = out->length};
    struct html_scan scan;
    html_scan_begin(&scan, html, length);
    for (enum html_piece piece; (piece = html_scan_next(&scan)) != HTML_END;) {
        if (out->length - writer.begin >= most) {
            return false;
        }
        if (piece == HTML_TEXT) {
            put_text(&writer, scan.text, scan.length);
        } else if (piece == HTML_OPEN) {
            put_open(&writer, &scan.tag);
        } else {
            put_close(&writer, &scan.tag);
        }
    }
    end_link(&writer);
    return true;
}
