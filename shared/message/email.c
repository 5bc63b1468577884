// SPDX-License-Identifier: MIT
#include "shared/message/email.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "shared/base/unicode.h"
#include "shared/message/domain.h"

#define IDENTITY_MAX_BYTES 640
#define ALLOWED "one @ with something on both sides, no white space and none of < > ( ) [ ] , ; : outside quotes"

static const char error_email[] = "must be an email address: " ALLOWED;
static const char error_domain[] =
    "must be an email address: its domain must be one that IDNA allows, without empty labels";
static const char error_identity[] = "must be an email address of a usual length";

// An address while it is read.
struct email {
    struct buf local; // its content: without quotes and the backslashes within
    bool was_quoted;
    struct span domain; // from behind the '@'
};

size_t email_quote_end(struct span text, size_t at) {
    for (size_t i = at + 1; i < text.length && i - at <= EMAIL_ENCLOSED_MAX; i++) {
        if (text.text[i] == '"') {
            return i;
        }
        i += text.text[i] == '\\';
    }
    return 0;
}

static const char *email_refuse(int32_t code, char reason[EMAIL_REASON_SIZE]) {
    return refusal_of_character(code, "an email address", ALLOWED, reason);
}

// Whether a character's canonical form is an ASCII one (U+212A is K's, U+037E is ;'s): normalized, it would be another
// address.
static bool is_ascii_in_disguise(int32_t code) {
    utf8proc_int32_t form[4];
    int class = UTF8PROC_BOUNDCLASS_START;
    return code >= 0x80 && utf8proc_decompose_char(code, form, 4, UTF8PROC_DECOMPOSE, &class) == 1 && form[0] < 0x80;
}

static bool is_special(int32_t code) {
    return code < 0x80 && strchr("()<>[]:;@\\,\"", code) != NULL;
}

// What may not stand there, even in quotes.
static bool is_never_allowed(int32_t code) {
    return unicode_is_control(code) || is_ascii_in_disguise(code);
}

// A quoted string's characters, from behind its first quote to before its last.
static const char *read_quoted(struct span text, struct email *out, char reason[EMAIL_REASON_SIZE]) {
    size_t taken;
    out->was_quoted = true;
    for (size_t at = 0; at < text.length; at += taken) {
        int32_t code = unicode_decode(text.text + at, text.length - at, &taken);
        if (code == '\\') {
            at++;
            code = unicode_decode(text.text + at, text.length - at, &taken);
        }
        if (is_never_allowed(code)) {
            return email_refuse(code, reason);
        }
        buf_append(&out->local, text.text + at, taken);
    }
    return NULL;
}

static const char *read_local(struct span text, struct email *out, char reason[EMAIL_REASON_SIZE]) {
    size_t taken;
    for (size_t at = 0; at < text.length; at += taken) {
        int32_t code = unicode_decode(text.text + at, text.length - at, &taken);
        size_t end = code == '"' ? email_quote_end(text, at) : 0;
        if (end > 0) {
            const char *error = read_quoted((struct span){text.text + at + 1, end - at - 1}, out, reason);
            if (error != NULL) {
                return error;
            }
            taken = end + 1 - at;
            continue;
        }
        if (code == '@') {
            out->domain = span_tail(text, at + 1);
            return at == 0 ? error_email : NULL;
        }
        if (is_never_allowed(code) || is_special(code) || unicode_is_space(code) || unicode_is_invisible(code)) {
            return email_refuse(code, reason);
        }
        buf_append(&out->local, text.text + at, taken);
    }
    return error_email;
}

// Names the character that is wrong in a domain, where it is one.
static const char *check_domain(struct span domain, char reason[EMAIL_REASON_SIZE]) {
    size_t taken;
    bool is_literal = domain.length > 0 && domain.text[0] == '[';
    for (size_t at = 0; at < domain.length; at += taken) {
        int32_t code = unicode_decode(domain.text + at, domain.length - at, &taken);
        bool is_bad = is_never_allowed(code) || unicode_is_space(code) || unicode_is_invisible(code);
        if (is_bad || (!is_literal && code != '@' && is_special(code))) {
            return email_refuse(code, reason);
        }
        if (code == '@') {
            return error_email;
        }
    }
    return domain.length == 0 ? error_email : NULL;
}

static bool is_encoded_angle(struct span text, size_t at) {
    return text.length - at >= 3 && (memcmp(text.text + at, "%3C", 3) == 0 || memcmp(text.text + at, "%3E", 3) == 0);
}

static bool needs_quotes(struct span content, bool was_quoted) {
    size_t taken;
    for (size_t at = 0; at < content.length; at += taken) {
        int32_t code = unicode_decode(content.text + at, content.length - at, &taken);
        bool is_plain = !is_special(code) && !unicode_is_space(code) && !unicode_is_invisible(code);
        if (!is_plain || (was_quoted && is_encoded_angle(content, at))) {
            return true;
        }
    }
    return content.length == 0;
}

// Not U+0130 either, whose lower case is i with a dot, and utf8proc's i.
static int32_t email_lower(int32_t code) {
    int32_t lower = utf8proc_tolower(code);
    return code >= 0x80 && lower < 0x80 ? code : lower;
}

// In lower case; what escapes '<' and '>' within quotes stays as it is.
static void lower_text(struct span text, bool was_quoted, struct buf *out) {
    size_t taken;
    for (size_t at = 0; at < text.length; at += taken) {
        if (was_quoted && is_encoded_angle(text, at)) {
            taken = 3;
            buf_append(out, text.text + at, taken);
            continue;
        }
        utf8proc_uint8_t bytes[4];
        int32_t code = unicode_decode(text.text + at, text.length - at, &taken);
        buf_append(out, bytes, (size_t)utf8proc_encode_char(email_lower(code), bytes));
    }
}

static struct span span_of_content(const struct buf *content) {
    return (struct span){content->data != NULL ? content->data : "", content->length};
}

// Appends a text in NFC.
static void compose(struct span text, struct buf *out) {
    utf8proc_uint8_t *composed = NULL;
    utf8proc_ssize_t length = utf8proc_map((const utf8proc_uint8_t *)text.text, (utf8proc_ssize_t)text.length,
                                           &composed, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    if (length < 0) {
        mem_exhausted(); // the text is UTF-8: nothing else can be wrong
    }
    buf_append(out, composed, (size_t)length);
    free(composed);
}

// Appends it in NFC and lower case. A capital and a mark may have no composed form where the small letter has one:
// hence NFC once more.
static void fold(struct span content, bool was_quoted, struct buf *out) {
    struct buf composed = {0}, lower = {0};
    compose(content, &composed);
    lower_text(span_of_content(&composed), was_quoted, &lower);
    compose(span_of_content(&lower), out);
    buf_free(&composed);
    buf_free(&lower);
}

static void append_local(struct span local, bool is_quoted, struct buf *out) {
    if (!is_quoted) {
        buf_append(out, local.text, local.length);
        return;
    }
    buf_putc(out, '"');
    for (size_t i = 0; i < local.length; i++) {
        char c = local.text[i];
        if (c == '<' || c == '>') {
            buf_puts(out, c == '<' ? "%3C" : "%3E");
            continue;
        }
        if (c == '"' || c == '\\') {
            buf_putc(out, '\\');
        }
        buf_putc(out, c);
    }
    buf_putc(out, '"');
}

// Without the +tag. A local part that begins with '+' stays whole: nothing would be left of it.
static struct span without_tag(struct span content) {
    const char *plus = content.length > 0 ? memchr(content.text + 1, '+', content.length - 1) : NULL;
    if (plus != NULL && content.text[0] != '+') {
        content.length = (size_t)(plus - content.text);
    }
    return content;
}

static const char *write_email(const struct email *email, struct buf *out) {
    size_t before = out->length;
    struct buf folded = {0};
    fold(without_tag(span_of_content(&email->local)), email->was_quoted, &folded);
    struct span local = span_of_content(&folded);
    append_local(local, needs_quotes(local, email->was_quoted), out);
    buf_free(&folded);
    buf_putc(out, '@');
    const char *error = domain_identify(email->domain, out) ? NULL : error_domain;
    if (error == NULL && out->length - before > IDENTITY_MAX_BYTES) {
        error = error_identity;
    }
    if (error != NULL) {
        out->length = before;
    }
    return error;
}

// An address of ASCII's plain characters, which nearly all are: its identity is a matter of one pass.
static bool identify_plain(struct span text, struct buf *out) {
    const char *at = memchr(text.text, '@', text.length);
    if (at == NULL || at == text.text) {
        return false;
    }
    char identity[IDENTITY_MAX_BYTES];
    size_t local = (size_t)(at - text.text), length = 0;
    bool in_tag = false;
    if (text.length > sizeof identity) {
        return false;
    }
    char before = '.';
    for (size_t i = 0; i < text.length; i++) {
        char c = text.text[i];
        if (c <= ' ' || c >= 0x7f || (is_special(c) && i != local) || (i > local && c == '.' && before == '.')) {
            return false;
        }
        in_tag = i < local && (in_tag || (c == '+' && i > 0 && text.text[0] != '+'));
        if (!in_tag) {
            identity[length++] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
        }
        before = c == '@' ? '.' : c;
    }
    if (before == '.') {
        return false;
    }
    buf_append(out, identity, length);
    return true;
}

const char *email_identify(struct span text, struct buf *out, char reason[EMAIL_REASON_SIZE]) {
    if (identify_plain(text, out)) {
        return NULL;
    }
    struct email email = {0};
    const char *error = unicode_is_utf8(text.text, text.length) ? read_local(text, &email, reason) : error_email;
    if (error == NULL) {
        error = check_domain(email.domain, reason);
    }
    if (error == NULL) {
        error = write_email(&email, out);
    }
    buf_free(&email.local);
    return error;
}
