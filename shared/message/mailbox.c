// SPDX-License-Identifier: MIT
#include "shared/message/mailbox.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shared/base/mem.h"
#include "shared/base/unicode.h"
#include "shared/message/email.h"
#include "shared/message/mailto.h"

// So often the end of what begins like a quoted string or a comment is looked for in vain; then it isn't any more, so
// that a text of nothing but such beginnings is read in time.
#define MOST_IN_VAIN 64

// A text while it is taken apart.
struct mailbox_reader {
    struct span text;
    size_t at;
    unsigned *vain; // how often an end was looked for in vain
    bool is_inner;  // the text stood in < >: nothing in it separates addresses
    bool in_group;  // a ':' came, and no ';' yet
    struct mailbox box;
    struct mailboxes *out;
};

static struct span span_of(const struct buf *buf) {
    return (struct span){buf->data != NULL ? buf->data : "", buf->length};
}

// As email_quote_end, 0 where it has been looked for in vain too often.
static size_t quote_end(struct span text, size_t at, unsigned *vain) {
    size_t end = *vain < MOST_IN_VAIN ? email_quote_end(text, at) : 0;
    *vain += end == 0;
    return end;
}

// Where it stands outside quotes; the length: nowhere.
static size_t find_unquoted(struct span text, char c) {
    unsigned vain = 0;
    for (size_t i = 0; i < text.length; i++) {
        size_t end = text.text[i] == '"' ? quote_end(text, i, &vain) : 0;
        i = end > 0 ? end : i;
        if (text.text[i] == c) {
            return i;
        }
    }
    return text.length;
}

static bool has_at_sign(struct span text) {
    return find_unquoted(text, '@') < text.length;
}

// ---- What is done with: a mailbox goes into the list

static void mailbox_put(struct mailbox_reader *reader, struct span address) {
    struct mailboxes *out = reader->out;
    out->items = xrealloc(out->items, (out->count + 1) * sizeof *out->items);
    struct mailbox *box = &out->items[out->count++];
    *box = (struct mailbox){{0}, reader->box.is_angled, has_at_sign(address), reader->box.is_named};
    buf_append(&box->address, address.text, address.length);
    out->emails += box->is_email;
}

// Without the quotes that somebody put around an address, and the brackets that are left of "[a@b](mailto:a@b)".
static struct span unquote(struct span text) {
    static const char *const pairs[][2] = {{"'", "'"},           {"\"", "\""},         {"`", "`"},
                                           {"\u201c", "\u201d"}, {"\u2018", "\u2019"}, {"[", "]"}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        size_t open = strlen(pairs[i][0]), close = strlen(pairs[i][1]);
        if (text.length > open + close && memcmp(text.text, pairs[i][0], open) == 0 &&
            memcmp(text.text + text.length - close, pairs[i][1], close) == 0) {
            struct span inner = {text.text + open, text.length - open - close};
            return has_at_sign(inner) ? span_trim(inner) : text;
        }
    }
    return text;
}

// Without quotes around it and a dot at its end.
static void put_plain(struct mailbox_reader *reader, struct span text) {
    size_t before;
    do {
        before = text.length;
        text = unquote(text);
        if (text.length > 1 && text.text[text.length - 1] == '.' && has_at_sign(text)) {
            text.length--;
        }
    } while (text.length < before);
    mailbox_put(reader, text);
}

// The text's address, or a mailto: URI's, which may be several.
static void put_address(struct mailbox_reader *reader, struct span text) {
    struct buf decoded = {0};
    if (!mailto_decode(text, &decoded)) {
        put_plain(reader, text);
        return;
    }
    for (struct span left = span_of(&decoded); left.length > 0;) {
        size_t end = find_unquoted(left, ',');
        struct span one = span_trim((struct span){left.text, end});
        if (one.length > 0) {
            put_plain(reader, one);
        }
        left = span_tail(left, end < left.length ? end + 1 : end);
    }
    buf_free(&decoded);
}

// The length of the text's first word; white space within quotes doesn't end it.
static size_t word_length(struct span text) {
    unsigned vain = 0;
    size_t taken = 0, i = 0;
    while (i < text.length && !unicode_is_space(unicode_decode(text.text + i, text.length - i, &taken))) {
        size_t end = text.text[i] == '"' ? quote_end(text, i, &vain) : 0;
        i = end > 0 ? end + 1 : i + taken;
    }
    return i;
}

// "a@b c@d": more words than one, and each an address.
static bool is_row(struct span text) {
    size_t words = 0;
    while (text.length > 0) {
        size_t length = word_length(text);
        if (!has_at_sign((struct span){text.text, length})) {
            return false;
        }
        text = span_trim(span_tail(text, length));
        words++;
    }
    return words > 1;
}

static void mailbox_put_row(struct mailbox_reader *reader, struct span text) {
    while (text.length > 0) {
        size_t length = word_length(text);
        put_address(reader, (struct span){text.text, length});
        text = span_trim(span_tail(text, length));
    }
}

static void mailbox_finish(struct mailbox_reader *reader) {
    struct span text = span_trim(span_of(&reader->box.address));
    if (!reader->box.is_angled && is_row(text)) {
        mailbox_put_row(reader, text);
    } else if (text.length > 0 || reader->box.is_angled) {
        put_address(reader, text);
    }
    buf_free(&reader->box.address);
    reader->box = (struct mailbox){0};
}

// ---- What is read

// Where the comment ends that begins at `at` ('(', RFC 5322, 3.2.2: they nest); 0: it isn't closed, or an end was
// looked for in vain too often.
static size_t comment_end(struct span text, size_t at, unsigned *vain) {
    int depth = 0;
    size_t most = *vain < MOST_IN_VAIN ? EMAIL_ENCLOSED_MAX : 0;
    for (size_t i = at; i < text.length && i - at <= most; i++) {
        depth += text.text[i] == '(' ? 1 : text.text[i] == ')' ? -1 : 0;
        if (depth == 0) {
            return i;
        }
        i += text.text[i] == '\\';
    }
    ++*vain;
    return 0;
}

// Whether nothing or an address stands there, not just anything, as in "c<->d@e".
static bool is_angled_part(struct span inner) {
    return span_trim(inner).length == 0 || memchr(inner.text, '@', inner.length) != NULL;
}

// Where the '>' of the '<' at `at` stands; 0: nowhere before another '<', or no address is between them.
static size_t angle_end(struct span text, size_t at, unsigned *vain) {
    for (size_t i = at + 1; i < text.length && text.text[i] != '<'; i++) {
        if (text.text[i] == '>') {
            return is_angled_part((struct span){text.text + at + 1, i - at - 1}) ? i : 0;
        }
        size_t end = text.text[i] == '"' ? quote_end(text, i, vain) : 0;
        i = end > 0 ? end : i;
    }
    return 0;
}

// Where an address literal ends, "@[127.0.0.1]", that begins at `at`; 0: it is none.
static size_t literal_end(const struct mailbox_reader *reader, size_t at) {
    struct span before = span_of(&reader->box.address);
    if (before.length == 0 || before.text[before.length - 1] != '@') {
        return 0;
    }
    const char *end = memchr(reader->text.text + at, ']', reader->text.length - at);
    return end != NULL ? (size_t)(end - reader->text.text) : 0;
}

static void take_ordinary(struct mailbox_reader *reader, size_t length) {
    if (reader->box.is_angled) { // something after the '>'
        mailbox_finish(reader);
    }
    buf_append(&reader->box.address, reader->text.text + reader->at, length);
    reader->at += length;
}

static void mailbox_read(struct mailbox_reader *reader);

// What stands in < >: without a route before it ("<@a,@b:c@d>", RFC 5322, 4.4).
static void take_angle(struct mailbox_reader *reader, size_t end) {
    if (reader->box.is_angled) {
        mailbox_finish(reader);
    }
    struct span inner = {reader->text.text + reader->at + 1, end - reader->at - 1};
    const char *route = inner.length > 0 && inner.text[0] == '@' ? memchr(inner.text, ':', inner.length) : NULL;
    if (route != NULL) {
        inner = span_tail(inner, (size_t)(route - inner.text) + 1);
    }
    struct mailbox_reader within = {.text = inner, .vain = reader->vain, .is_inner = true};
    mailbox_read(&within);
    buf_free(&reader->box.address);
    reader->box.address = within.box.address;
    reader->box.is_angled = true;
    reader->at = end + 1;
}

// A name ends here, a group's if a ';' follows; unless it is a URI's scheme or something else within an address.
static bool mailbox_take_name(struct mailbox_reader *reader) {
    struct span name = span_trim(span_of(&reader->box.address));
    if (reader->is_inner || reader->box.is_angled || has_at_sign(name) ||
        (name.length == 6 && strncasecmp(name.text, "mailto", 6) == 0)) {
        return false;
    }
    reader->in_group = true;
    reader->box.is_named = true;
    buf_clear(&reader->box.address);
    reader->at++;
    return true;
}

static void take_separator(struct mailbox_reader *reader, bool ends_group) {
    mailbox_finish(reader);
    if (ends_group) {
        reader->out->is_group = reader->out->is_group || reader->in_group;
        reader->in_group = false;
    }
    reader->at++;
}

// Takes what has a beginning and an end; false where the character at hand begins nothing.
static bool take_enclosed(struct mailbox_reader *reader, char c) {
    size_t at = reader->at;
    size_t end = c == '"'                        ? quote_end(reader->text, at, reader->vain)
                 : c == '('                      ? comment_end(reader->text, at, reader->vain)
                 : c == '['                      ? literal_end(reader, at)
                 : c == '<' && !reader->is_inner ? angle_end(reader->text, at, reader->vain)
                                                 : 0;
    if (end == 0) {
        return false;
    }
    if (c == '<') {
        take_angle(reader, end);
    } else if (c == '(') {
        reader->at = end + 1;
    } else {
        take_ordinary(reader, end + 1 - at);
    }
    return true;
}

static void take_one(struct mailbox_reader *reader) {
    size_t taken;
    int32_t code = unicode_decode(reader->text.text + reader->at, reader->text.length - reader->at, &taken);
    if (code < 0x80 && take_enclosed(reader, (char)code)) {
        return;
    }
    if ((code == ',' || code == ';') && !reader->is_inner) {
        take_separator(reader, code == ';');
    } else if (unicode_is_invisible(code)) {
        reader->at += taken;
    } else if (unicode_is_space(code)) {
        buf_append(&reader->box.address, reader->text.text + reader->at, taken);
        reader->at += taken;
    } else if (code != ':' || !mailbox_take_name(reader)) {
        take_ordinary(reader, taken);
    }
}

static void mailbox_read(struct mailbox_reader *reader) {
    while (reader->at < reader->text.length) {
        take_one(reader);
    }
}

void mailboxes_read(struct span text, struct mailboxes *out) {
    *out = (struct mailboxes){0};
    unsigned vain = 0;
    struct mailbox_reader reader = {.text = text, .vain = &vain, .out = out};
    mailbox_read(&reader);
    mailbox_finish(&reader);
}

void mailboxes_free(struct mailboxes *mailboxes) {
    for (size_t i = 0; i < mailboxes->count; i++) {
        buf_free(&mailboxes->items[i].address);
    }
    free(mailboxes->items);
    *mailboxes = (struct mailboxes){0};
}
