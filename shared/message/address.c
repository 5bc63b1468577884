// SPDX-License-Identifier: MIT
#include "shared/message/address.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <utf8proc.h>

#include "shared/base/buf.h"
#include "shared/base/percent.h"
#include "shared/base/unicode.h"

static const char error_empty[] = "must not be empty";
static const char error_long[] = "must be at most 320 bytes long";
static const char error_control[] = "must not contain control characters";
static const char error_email[] =
    "must be an email address: one @ with something on both sides and no white space within";
static const char error_link[] = "must be an email address: a link must lead to a mailto: address";

// A stretch of the caller's text.
struct span {
    const char *text;
    size_t length;
};

const char *channel_name(enum channel channel) {
    return channel == CHANNEL_SMS ? "sms" : "email";
}

static bool is_ascii_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static struct span address_trim(struct span span) {
    while (span.length > 0 && is_ascii_space(span.text[0])) {
        span.text++;
        span.length--;
    }
    while (span.length > 0 && is_ascii_space(span.text[span.length - 1])) {
        span.length--;
    }
    return span;
}

static struct span tail(struct span span, size_t skipped) {
    return (struct span){span.text + skipped, span.length - skipped};
}

static bool has_control(struct span span) {
    size_t taken;
    for (size_t at = 0; at < span.length; at += taken) {
        if (unicode_is_control(unicode_decode(span.text + at, span.length - at, &taken))) {
            return true;
        }
    }
    return false;
}

static bool has_space(struct span span) {
    size_t taken;
    for (size_t at = 0; at < span.length; at += taken) {
        if (unicode_is_space(unicode_decode(span.text + at, span.length - at, &taken))) {
            return true;
        }
    }
    return false;
}

static const char *check_address_size(struct span span) {
    if (span.length == 0) {
        return error_empty;
    }
    return span.length > ADDRESS_MAX_BYTES ? error_long : NULL;
}

static const char *check_email_text(struct span span) {
    const char *error = check_address_size(span);
    return error == NULL && has_control(span) ? error_control : error;
}

// In lower case. '<' and '>' are percent-encoded, so that no identity contains the "<->" of a conversation's key.
// Nothing else leaves a capital letter, so an address that is written with "%3C" itself is another one still.
static void append_identity(struct buf *out, struct span span) {
    size_t taken;
    for (size_t at = 0; at < span.length; at += taken) {
        int32_t code = unicode_decode(span.text + at, span.length - at, &taken);
        if (code == 0xfffd) {
            buf_append(out, span.text + at, taken);
            continue;
        }
        if (code == '<' || code == '>') {
            buf_puts(out, code == '<' ? "%3C" : "%3E");
            continue;
        }
        utf8proc_uint8_t bytes[4];
        utf8proc_ssize_t length = utf8proc_encode_char(utf8proc_tolower(code), bytes);
        buf_append(out, bytes, (size_t)length);
    }
}

static bool address_is_email(struct span span) {
    const char *at = memchr(span.text, '@', span.length);
    if (at == NULL || at == span.text || at == span.text + span.length - 1) {
        return false;
    }
    size_t after = (size_t)(at - span.text) + 1;
    return memchr(at + 1, '@', span.length - after) == NULL && !has_space(span);
}

// Its identity: lower case without the +tag. A local part that begins with '+' stays whole: nothing would be left of
// it.
static void normalize_email(struct span span, struct buf *out) {
    const char *at = memchr(span.text, '@', span.length);
    size_t local = (size_t)(at - span.text);
    const char *plus = memchr(span.text, '+', local);
    size_t kept = plus != NULL && plus > span.text ? (size_t)(plus - span.text) : local;
    append_identity(out, (struct span){span.text, kept});
    append_identity(out, tail(span, local));
}

// "[text](target)": the target, if the span has that form.
static bool find_link_target(struct span span, struct span *target) {
    if (span.length < 4 || span.text[0] != '[' || span.text[span.length - 1] != ')') {
        return false;
    }
    const char *middle = memmem(span.text, span.length, "](", 2);
    if (middle == NULL) {
        return false;
    }
    *target = tail(span, (size_t)(middle - span.text) + 2);
    target->length--;
    return true;
}

// The address of a mailto: URI (RFC 6068): percent-decoded, without its ?subject=… part. False when it is another URI.
static bool decode_mailto(struct span target, struct buf *out) {
    static const char scheme[] = "mailto:";
    size_t skipped = sizeof scheme - 1;
    if (target.length < skipped || strncasecmp(target.text, scheme, skipped) != 0) {
        return false;
    }
    target = tail(target, skipped);
    for (size_t i = 0; i < target.length && target.text[i] != '?'; i++) {
        int byte = percent_byte(target.text + i, target.length - i);
        buf_putc(out, byte >= 0 ? (char)byte : target.text[i]);
        i += byte >= 0 ? 2 : 0;
    }
    return true;
}

// "Name <a@b>" is a@b.
static struct span without_name(struct span span) {
    const char *open = memrchr(span.text, '<', span.length);
    if (open == NULL || span.text[span.length - 1] != '>') {
        return span;
    }
    struct span inner = tail(span, (size_t)(open - span.text) + 1);
    inner.length--;
    return address_trim(inner);
}

static const char *parse_phone(struct span span, const struct phone_region *region, char **shown, char **normalized,
                               char reason[ADDRESS_REASON_SIZE]) {
    char identity[PHONE_IDENTITY_SIZE];
    const char *error = check_address_size(span);
    if (error == NULL) {
        error = phone_parse(span.text, span.length, region, identity, reason);
    }
    if (error != NULL) {
        return error;
    }
    *shown = xstrndup(span.text, span.length);
    *normalized = xstrdup(identity);
    return NULL;
}

static const char *parse_plain_email(struct span span, char **shown, char **normalized) {
    const char *error = check_email_text(span);
    if (error != NULL) {
        return error;
    }
    if (!address_is_email(span)) {
        return error_email;
    }
    struct buf lower = {0};
    normalize_email(span, &lower);
    *shown = xstrndup(span.text, span.length);
    *normalized = lower.data;
    return NULL;
}

// Where a link's text and its target differ, the target counts: that is where an answer would go.
static const char *parse_link(struct span target, char **shown, char **normalized) {
    struct buf plain = {0};
    const char *error = error_link;
    if (decode_mailto(address_trim(target), &plain) && plain.length > 0) {
        struct span span = address_trim((struct span){plain.data, plain.length});
        error = unicode_is_utf8(span.text, span.length) ? parse_plain_email(span, shown, normalized) : error_email;
    }
    buf_free(&plain);
    return error;
}

const char *address_parse(enum channel channel, const char *text, const struct phone_region *region, char **shown,
                          char **normalized, char reason[ADDRESS_REASON_SIZE]) {
    struct span span = address_trim((struct span){text, strlen(text)});
    if (channel == CHANNEL_SMS) {
        return parse_phone(span, region, shown, normalized, reason);
    }
    struct span target;
    if (find_link_target(span, &target)) {
        return parse_link(target, shown, normalized);
    }
    const char *error = check_email_text(span);
    if (error != NULL) {
        return error;
    }
    span = without_name(span);
    return span.length == 0 ? error_email : parse_plain_email(span, shown, normalized);
}

char *conversation_key(enum channel channel, const char *one, const char *other) {
    bool ordered = strcmp(one, other) <= 0; // strcmp compares bytes as unsigned
    return xasprintf("%s:%s<->%s", channel_name(channel), ordered ? one : other, ordered ? other : one);
}
