// SPDX-License-Identifier: MIT
// A send's address is read strictly: one that could be misread is refused, for it would reach somebody else or nobody.
// A webhook's is read as far as possible: what a customer wrote is kept under whatever their provider calls them.
#include "shared/message/address.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/buf.h"
#include "shared/base/unicode.h"
#include "shared/message/email.h"
#include "shared/message/mailbox.h"
#include "shared/message/mailto.h"
#include "shared/message/opaque.h"
#include "shared/message/refusal.h"
#include "shared/message/sender_id.h"
#include "shared/message/span.h"

static const char error_empty[] = "must not be empty";
static const char error_long[] = "must be at most 320 bytes long";
static const char error_kept_long[] = "must be at most 16384 bytes long";
static const char error_alone[] = "must be an email address: a name may stand before it, and nothing else around it";
static const char error_several[] = "must be one address, not several: send a message to each";
static const char error_link[] = "must be an email address: a link must lead to a mailto: address";
static const char error_sender[] = "must be a phone number or a sender id: " SENDER_ID_RULE;

const char *channel_name(enum channel channel) {
    return channel == CHANNEL_SMS ? "sms" : "email";
}

static const char *check_address_size(struct span span) {
    if (span.length == 0) {
        return error_empty;
    }
    return span.length > ADDRESS_MAX_BYTES ? error_long : NULL;
}

static const char *check_control(struct span span, char reason[ADDRESS_REASON_SIZE]) {
    size_t taken;
    for (size_t at = 0; at < span.length; at += taken) {
        int32_t code = unicode_decode(span.text + at, span.length - at, &taken);
        if (unicode_is_control(code)) {
            return refusal_of_control(code, reason);
        }
    }
    return NULL;
}

// ---- Phones

static const char *parse_phone(struct span span, const struct phone_region *region, struct address *out,
                               char reason[ADDRESS_REASON_SIZE]) {
    char identity[PHONE_IDENTITY_SIZE];
    const char *error = phone_parse(span.text, span.length, region, identity, reason);
    if (error == NULL) {
        *out = (struct address){xstrndup(span.text, span.length), xstrdup(identity)};
    }
    return error;
}

static void copy_visible(struct span span, struct buf *out) {
    size_t taken;
    for (size_t at = 0; at < span.length; at += taken) {
        if (!unicode_is_invisible(unicode_decode(span.text + at, span.length - at, &taken))) {
            buf_append(out, span.text + at, taken);
        }
    }
}

static bool parse_sender_id(struct span span, struct address *out) {
    char identity[SENDER_ID_SIZE];
    struct buf visible = {0};
    copy_visible(span, &visible);
    if (!sender_id_parse((struct span){visible.data, visible.length}, identity)) {
        buf_free(&visible);
        return false;
    }
    *out = (struct address){visible.data, xstrdup(identity)};
    return true;
}

static void keep_one(struct address_list *out, struct address address) {
    out->addresses = xrealloc(out->addresses, (out->count + 1) * sizeof address);
    out->addresses[out->count++] = address;
}

static bool is_ascii_letter(int32_t code) {
    return code < 0x80 && (code | 0x20) >= 'a' && (code | 0x20) <= 'z';
}

// Of any script, a picture included; not what may stand in a phone.
static bool is_of_comment(int32_t code) {
    return is_ascii_letter(code) || (code >= 0xc0 && !unicode_is_space(code) && !unicode_is_invisible(code) &&
                                     !(code >= 0x2000 && code <= 0x206f) && !(code >= 0xff00 && code <= 0xff20));
}

// The bytes of a bracket with all within it, or of the whole text where it isn't closed. A letter makes it a comment,
// "(Mum)", where "(0)" belongs to the number.
static size_t measure_bracket(struct span text, bool *is_comment) {
    size_t depth = 0, taken;
    bool is_named = false;
    for (size_t at = 0; at < text.length; at += taken) {
        int32_t code = unicode_decode(text.text + at, text.length - at, &taken);
        is_named = is_named || is_of_comment(code);
        depth += code == '(';
        depth -= code == ')';
        if (depth == 0) {
            *is_comment = is_named;
            return at + taken;
        }
    }
    *is_comment = false;
    return text.length;
}

static void copy_without_comments(struct span text, struct buf *out) {
    size_t taken;
    for (size_t at = 0; at < text.length; at += taken) {
        bool is_comment = false;
        taken = text.text[at] == '(' ? measure_bracket(span_tail(text, at), &is_comment) : 1;
        buf_append(out, is_comment ? " " : text.text + at, is_comment ? 1 : taken);
    }
}

// Of "Mum <+44…>" what stands between '<' and '>'; anything else as it is.
static struct span take_angled(struct span text) {
    const char *open = memchr(text.text, '<', text.length);
    if (open == NULL || text.text[text.length - 1] != '>') {
        return text;
    }
    struct span inner = span_tail(text, (size_t)(open + 1 - text.text));
    inner.length--;
    return span_trim(inner);
}

// Takes the text up to the next ',' or ';', or up to white space that a '+' follows.
static struct span take_phone(struct span *rest) {
    size_t i = 0;
    while (i < rest->length && rest->text[i] != ',' && rest->text[i] != ';' &&
           !(i > 0 && rest->text[i] == '+' && strchr(" \t\r\n", rest->text[i - 1]) != NULL)) {
        i++;
    }
    struct span taken = {rest->text, i};
    bool is_separator = i < rest->length && rest->text[i] != '+';
    *rest = span_tail(*rest, i + is_separator);
    return span_trim(taken);
}

static void forget_all(struct address_list *out) {
    while (out->count > 0) {
        address_free(&out->addresses[--out->count]);
    }
}

// Appends the phones of a list, each of which may have a name, "Mum <+44…>"; false, with nothing appended, where
// something else stands in it.
static bool keep_phones(struct span text, const struct phone_region *region, struct address_list *out) {
    char reason[ADDRESS_REASON_SIZE];
    while (text.length > 0) {
        struct span piece = take_phone(&text);
        struct address address;
        if (piece.length == 0) {
            continue;
        }
        piece = take_angled(piece);
        if (piece.length > ADDRESS_MAX_BYTES || parse_phone(piece, region, &address, reason) != NULL) {
            forget_all(out);
            return false;
        }
        keep_one(out, address);
    }
    return out->count > 0;
}

static bool is_several_phones(struct span text, const struct phone_region *region) {
    struct address_list list = {0};
    bool found = keep_phones(text, region, &list) && list.count > 1;
    address_list_free(&list);
    return found;
}

// What is wrong with a text that was meant for a sender id rather than for a number; NULL: it wasn't.
static const char *refuse_sender_id(struct span text, char reason[ADDRESS_REASON_SIZE]) {
    size_t letters = 0, digits = 0, taken;
    int32_t other = 0;
    for (size_t at = 0; at < text.length; at += taken) {
        int32_t code = unicode_decode(text.text + at, text.length - at, &taken);
        bool is_letter = is_ascii_letter(code), is_digit = code >= '0' && code <= '9';
        letters += is_letter;
        digits += is_digit;
        if (other == 0 && !is_letter && !is_digit && (code >= 0x80 || strchr(SENDER_ID_OTHERS, code) == NULL)) {
            other = code;
        }
    }
    if (letters <= digits || other == '@') {
        return NULL;
    }
    return other == 0 ? error_sender
                      : refusal_of_character(other, "a phone number or a sender id", SENDER_ID_RULE, reason);
}

static const char *parse_sms(enum address_side side, struct span span, const struct phone_region *region,
                             struct address *out, char reason[ADDRESS_REASON_SIZE]) {
    const char *error = check_address_size(span);
    if (error != NULL) {
        return error;
    }
    error = parse_phone(span, region, out, reason);
    if (error == NULL || (side == ADDRESS_FROM && parse_sender_id(span, out))) {
        return NULL;
    }
    if (is_several_phones(span, region)) {
        return error_several;
    }
    const char *other = side == ADDRESS_FROM ? refuse_sender_id(span, reason) : NULL;
    return other != NULL ? other : error;
}

// ---- Emails

static const char *parse_plain_email(struct span span, struct address *out, char reason[ADDRESS_REASON_SIZE]) {
    struct buf identity = {0};
    const char *error = span.length > ADDRESS_MAX_BYTES ? error_long : email_identify(span, &identity, reason);
    if (error != NULL) {
        buf_free(&identity);
        return error;
    }
    *out = (struct address){xstrndup(span.text, span.length), identity.data};
    return NULL;
}

// Without anything around it, which nearly all are.
static bool parse_bare_email(struct span span, struct address *out) {
    char reason[ADDRESS_REASON_SIZE];
    bool may_be = span.length > 0 &&
                  ((span.text[0] >= 'a' && span.text[0] <= 'z') || (span.text[0] >= 'A' && span.text[0] <= 'Z'));
    return may_be && parse_plain_email(span, out, reason) == NULL;
}

static struct span span_of_mailbox(const struct mailbox *box) {
    return (struct span){box->address.data != NULL ? box->address.data : "", box->address.length};
}

// Exactly one: what stands before it can only be its name, "Smith, Jane <a@b>".
static const char *parse_single(const struct mailboxes *boxes, struct address *out, char reason[ADDRESS_REASON_SIZE]) {
    if (boxes->emails > 1) {
        return error_several;
    }
    if (boxes->emails == 0) {
        return parse_plain_email((struct span){"", 0}, out, reason);
    }
    const struct mailbox *last = &boxes->items[boxes->count - 1];
    if (boxes->is_group || !last->is_email || ((boxes->count > 1 || last->is_named) && !last->is_angled)) {
        return error_alone;
    }
    return parse_plain_email(span_of_mailbox(last), out, reason);
}

static const char *parse_mailboxes(struct span text, struct address *out, char reason[ADDRESS_REASON_SIZE]) {
    struct mailboxes boxes;
    mailboxes_read(text, &boxes);
    const char *error = parse_single(&boxes, out, reason);
    mailboxes_free(&boxes);
    return error;
}

// Of a Markdown link or a mailto: URI, what it leads to. Where a link's text and its target differ, the target counts:
// that is where an answer would go.
static bool find_mailto(struct span text, struct buf *out, bool *is_link) {
    struct span target = text;
    *is_link = mailto_find_target(text, &target) && memmem(target.text, target.length, "](", 2) == NULL;
    return mailto_decode(*is_link ? span_trim(target) : text, out);
}

static const char *parse_email(struct span text, struct address *out, char reason[ADDRESS_REASON_SIZE]) {
    if (parse_bare_email(text, out)) {
        return NULL;
    }
    struct buf uri = {0};
    bool is_link, is_mailto = find_mailto(text, &uri, &is_link);
    const char *error = is_link && !is_mailto ? error_link : is_link ? NULL : check_address_size(text);
    if (error == NULL && is_mailto) {
        text = (struct span){uri.data != NULL ? uri.data : "", uri.length};
    }
    if (error == NULL) {
        error = check_control(text, reason);
    }
    if (error == NULL) {
        error = parse_mailboxes(text, out, reason);
    }
    buf_free(&uri);
    return error;
}

const char *address_parse(enum channel channel, enum address_side side, const char *text,
                          const struct phone_region *region, struct address *out, char reason[ADDRESS_REASON_SIZE]) {
    struct span span = span_trim((struct span){text, strlen(text)});
    return channel == CHANNEL_SMS ? parse_sms(side, span, region, out, reason)
           : span.length == 0     ? error_empty
                                  : parse_email(span, out, reason);
}

// ---- What is kept

// With comments, and with a name that looks like a list itself: "Smith, Jane <+44…>".
static void keep_named_phones(struct span text, const struct phone_region *region, struct address_list *out) {
    char reason[ADDRESS_REASON_SIZE];
    struct buf bare = {0};
    struct address address;
    copy_without_comments(text, &bare);
    struct span rest = span_trim((struct span){bare.data, bare.length}), angled = take_angled(rest);
    if (!keep_phones(rest, region, out) && angled.length < rest.length && angled.length <= ADDRESS_MAX_BYTES &&
        parse_phone(angled, region, &address, reason) == NULL) {
        keep_one(out, address);
    }
    buf_free(&bare);
}

static void keep_sms(struct span text, const struct phone_region *region, struct address_list *out) {
    char reason[ADDRESS_REASON_SIZE];
    struct address address;
    bool is_one = text.length <= ADDRESS_MAX_BYTES &&
                  (parse_phone(text, region, &address, reason) == NULL || parse_sender_id(text, &address));
    if (is_one) {
        keep_one(out, address);
    } else if (!keep_phones(text, region, out)) {
        keep_named_phones(text, region, out);
    }
}

static void keep_mailboxes(struct span text, struct address_list *out) {
    char reason[ADDRESS_REASON_SIZE];
    struct mailboxes boxes;
    struct address address;
    mailboxes_read(text, &boxes);
    for (size_t i = 0; i < boxes.count; i++) {
        if (boxes.items[i].is_email && parse_plain_email(span_of_mailbox(&boxes.items[i]), &address, reason) == NULL) {
            keep_one(out, address);
        }
    }
    if (out->count == 1 && boxes.count == 1) {
        out->shown = xstrdup(out->addresses->shown);
    }
    mailboxes_free(&boxes);
}

static void keep_email(struct span text, struct address_list *out) {
    struct address address;
    if (parse_bare_email(text, &address)) {
        keep_one(out, address);
        return;
    }
    struct buf uri = {0};
    bool is_link;
    if (find_mailto(text, &uri, &is_link)) {
        text = (struct span){uri.data != NULL ? uri.data : "", uri.length};
    }
    keep_mailboxes(text, out);
    buf_free(&uri);
}

static void keep_texts(enum channel channel, struct span text, const struct phone_region *region,
                       struct address_list *out) {
    if (channel == CHANNEL_SMS) {
        keep_sms(text, region, out);
    } else {
        keep_email(text, out);
    }
}

// With full-width characters for each '@', and each ':' of what could be a mailto: URI, in which "%40" is an '@'. They
// are longer, so that an identity may be too long only now.
static void hide_address(struct buf *identity) {
    struct buf hidden = {0};
    for (size_t i = 0; i < identity->length; i++) {
        char c = identity->data[i];
        if (c == '@' || c == ':') {
            buf_puts(&hidden, c == '@' ? "\uff20" : "\uff1a");
        } else {
            buf_putc(&hidden, c);
        }
    }
    buf_clear(identity);
    opaque_identify((struct span){hidden.data, hidden.length}, identity);
    buf_free(&hidden);
}

// What is no address. Its identity must not be taken for somebody's address: a phone that only odd white space has kept
// from being read is read after all, an email's '@' gives way.
static void keep_opaque(enum channel channel, struct span text, const struct phone_region *region,
                        struct address_list *out) {
    struct buf identity = {0};
    struct address_list found = {0};
    opaque_identify(text, &identity);
    keep_texts(channel, (struct span){identity.data, identity.length}, region, &found);
    if (found.count > 0 && channel == CHANNEL_SMS) {
        buf_free(&identity);
        address_list_free(out);
        *out = found;
        return;
    }
    if (found.count > 0) {
        hide_address(&identity);
    }
    address_list_free(&found);
    keep_one(out, (struct address){xstrndup(text.text, text.length), identity.data});
}

const char *address_keep(enum channel channel, const char *text, const struct phone_region *region,
                         struct address_list *out) {
    struct span span = span_trim((struct span){text, strlen(text)});
    *out = (struct address_list){0};
    if (span.length == 0) {
        return error_empty;
    }
    if (span.length > ADDRESS_KEPT_MAX_BYTES) {
        return error_kept_long;
    }
    keep_texts(channel, span, region, out);
    if (out->count == 0) {
        keep_opaque(channel, span, region, out);
    }
    if (out->shown == NULL) {
        out->shown = xstrndup(span.text, span.length);
    }
    return NULL;
}

void address_free(struct address *address) {
    free(address->shown);
    free(address->normalized);
    *address = (struct address){0};
}

void address_list_free(struct address_list *list) {
    for (size_t i = 0; i < list->count; i++) {
        address_free(&list->addresses[i]);
    }
    free(list->addresses);
    free(list->shown);
    *list = (struct address_list){0};
}

char *conversation_key(enum channel channel, const char *one, const char *other) {
    struct buf key = {0};
    bool ordered = strcmp(one, other) <= 0; // strcmp compares bytes as unsigned
    buf_puts(&key, channel_name(channel));
    buf_putc(&key, ':');
    buf_puts(&key, ordered ? one : other);
    buf_puts(&key, "<->");
    buf_puts(&key, ordered ? other : one);
    return key.data;
}
