// SPDX-License-Identifier: MIT
#include "shared/message/domain.h"

#include <idn2.h>
#include <stdlib.h>
#include <string.h>

static bool is_ascii(struct span span) {
    for (size_t i = 0; i < span.length; i++) {
        if ((unsigned char)span.text[i] >= 0x80) {
            return false;
        }
    }
    return true;
}

// Letters, digits, what stands in a name, and what has been taken for one since ever: all but RFC 5322's specials.
static bool is_domain_byte(char c) {
    return c > ' ' && c < 0x7f && strchr("()<>[]:;@\\,\"", c) == NULL;
}

// A host's name and '_', which some have.
static bool is_label_byte(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

// Whether each of its labels has something in it, of these characters alone.
static bool has_labels(struct span domain, bool (*is_allowed)(char)) {
    char before = '.';
    for (size_t i = 0; i < domain.length; i++) {
        char c = domain.text[i];
        if (c == '.' ? before == '.' : !is_allowed(c)) {
            return false;
        }
        before = c;
    }
    return before != '.';
}

static bool is_literal(struct span domain) {
    if (domain.length < 3 || domain.text[0] != '[' || domain.text[domain.length - 1] != ']') {
        return false;
    }
    for (size_t i = 1; i < domain.length - 1; i++) {
        if (domain.text[i] != ':' && !is_domain_byte(domain.text[i])) {
            return false;
        }
    }
    return true;
}

static void append_lower(struct buf *out, struct span ascii) {
    for (size_t i = 0; i < ascii.length; i++) {
        char c = ascii.text[i];
        buf_putc(out, c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c);
    }
}

// libidn2's answer is looked at once more: a mapping may have made a ',' or an '@' of its full-width kin. (Its own
// check for that, IDN2_USE_STD3_ASCII_RULES, leaves such characters out, which makes another domain of it.)
static bool append_a_labels(struct buf *out, struct span domain) {
    char *text = xstrndup(domain.text, domain.length), *found = NULL;
    bool done = idn2_to_ascii_8z(text, &found, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) == IDN2_OK;
    if (done) {
        struct span name = {found, strlen(found)};
        if (name.length > 1 && name.text[name.length - 1] == '.') { // U+3002, an ideographic one
            name.length--;
        }
        done = has_labels(name, is_label_byte);
        if (done) {
            buf_append(out, name.text, name.length);
        }
    }
    idn2_free(found);
    free(text);
    return done;
}

bool domain_identify(struct span domain, struct buf *out) {
    if (!is_ascii(domain)) {
        return append_a_labels(out, domain);
    }
    if (!is_literal(domain) && !has_labels(domain, is_domain_byte)) {
        return false;
    }
    append_lower(out, domain);
    return true;
}
