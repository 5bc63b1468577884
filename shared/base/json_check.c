// SPDX-License-Identifier: MIT
#include "shared/base/json_check.h"

#include <ctype.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/hex.h"
#include "shared/base/unicode.h"

// A scanner of RFC 8259's grammar over the bytes, run before cJSON builds the tree, because cJSON takes for good much
// that isn't: control characters and any byte in strings, bytes after the document, numbers such as 01, white space of
// any kind. It recurses once a level, so at most JSON_MAX_DEPTH deep.
//
// What RFC 8259 allows and the tree can't hold is either refused or mended: \u0000 and halves of surrogate pairs, as
// the caller wants; numbers of more digits than cJSON reads are always mended. A mend is as long as what it replaces,
// so it is made in place, in a copy, by scanning once more.

#define NUMBER_MAX_BYTES 63 // cJSON reads a number through a buffer of 64 bytes and cuts it there
#define ESCAPE_BYTES 6      // of \u and its digits

struct scanner {
    const char *at;
    const char *end;
    const char *error; // the first thing that was wrong
    bool lenient;
    bool needs_mending;
    const char *text; // where the document begins
    char *copy;       // where mends go: as text; NULL while it is only looked whether there are any
};

static bool json_check_fail(struct scanner *scanner, const char *error) {
    scanner->error = error;
    return false;
}

// The next byte, or NUL at the end. A NUL in the text is no part of the grammar anywhere, so that they can share it.
static char peek(const struct scanner *scanner) {
    if (scanner->at == scanner->end) {
        return '\0';
    }
    return *scanner->at;
}

static size_t left(const struct scanner *scanner) {
    return (size_t)(scanner->end - scanner->at);
}

static void json_check_skip_space(struct scanner *scanner) {
    while (scanner->at < scanner->end &&
           (*scanner->at == ' ' || *scanner->at == '\t' || *scanner->at == '\n' || *scanner->at == '\r')) {
        scanner->at++;
    }
}

static bool skip_word(struct scanner *scanner, const char *word) {
    size_t length = strlen(word);
    if (left(scanner) < length || memcmp(scanner->at, word, length) != 0) {
        return false;
    }
    scanner->at += length;
    return true;
}

// Four hexadecimal digits; -1 when they aren't.
static int scan_hex(struct scanner *scanner) {
    uint8_t unit[2];
    if (left(scanner) < 4 || !hex_decode(scanner->at, 4, unit, sizeof unit)) {
        return -1;
    }
    scanner->at += 4;
    return unit[0] << 8 | unit[1];
}

// Has `length` bytes of the document replaced by as many.
static void mend(struct scanner *scanner, const char *at, const char *by, size_t length) {
    scanner->needs_mending = true;
    if (scanner->copy != NULL) {
        memcpy(scanner->copy + (at - scanner->text), by, length);
    }
}

// An escape that stands for no character, and ends here: U+FFFD in its place, or the error.
static bool mend_escape(struct scanner *scanner, const char *error) {
    if (!scanner->lenient) {
        return json_check_fail(scanner, error);
    }
    mend(scanner, scanner->at - ESCAPE_BYTES, "\\ufffd", ESCAPE_BYTES);
    return true;
}

// Whether the second half of a surrogate pair follows; skips it.
static bool skip_low_surrogate(struct scanner *scanner) {
    const char *before = scanner->at;
    if (skip_word(scanner, "\\u")) {
        int low = scan_hex(scanner);
        if (low >= 0xdc00 && low <= 0xdfff) {
            return true;
        }
    }
    scanner->at = before;
    return false;
}

static bool scan_unicode_escape(struct scanner *scanner) {
    int unit = scan_hex(scanner);
    if (unit < 0) {
        return json_check_fail(scanner, "A string holds a \\u that four hexadecimal digits do not follow.");
    }
    if (unit == 0) {
        return mend_escape(scanner, "A string holds \\u0000.");
    }
    if (unit < 0xd800 || unit > 0xdfff || (unit <= 0xdbff && skip_low_surrogate(scanner))) {
        return true;
    }
    return mend_escape(scanner, "A string holds half of a surrogate pair.");
}

static bool scan_escape(struct scanner *scanner) {
    scanner->at++; // the backslash
    char c = peek(scanner);
    if (c == 'u') {
        scanner->at++;
        return scan_unicode_escape(scanner);
    }
    if (c == '\0' || strchr("\"\\/bfnrt", c) == NULL) {
        return json_check_fail(scanner, scanner->at == scanner->end
                                            ? "A string is not closed."
                                            : "A string holds a backslash that begins no known escape.");
    }
    scanner->at++;
    return true;
}

// Skips what stands for itself in a string: ASCII but for the quote, the backslash and control characters.
static void skip_plain(struct scanner *scanner) {
    static const bool special[128] = {
        // clang-format off
        1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
        // clang-format on
        ['"'] = 1,
        ['\\'] = 1,
    };
    const char *at = scanner->at;
    while (at < scanner->end && (signed char)*at >= 0 && !special[(unsigned char)*at]) {
        at++;
    }
    scanner->at = at;
}

// Half of a surrogate pair as bytes, as some write it.
static bool mend_raw_surrogate(struct scanner *scanner) {
    const unsigned char *at = (const unsigned char *)scanner->at;
    if (!scanner->lenient || left(scanner) < 3 || at[0] != 0xed || (at[1] & 0xe0) != 0xa0 || (at[2] & 0xc0) != 0x80) {
        return false;
    }
    mend(scanner, scanner->at, "\xef\xbf\xbd", 3);
    scanner->at += 3;
    return true;
}

static bool scan_other_character(struct scanner *scanner) {
    size_t length = unicode_sequence(scanner->at, left(scanner));
    if (length == 0) {
        return mend_raw_surrogate(scanner) || json_check_fail(scanner, "A string holds bytes that are not UTF-8.");
    }
    scanner->at += length;
    return true;
}

static bool scan_string(struct scanner *scanner) {
    scanner->at++; // the opening quote
    for (skip_plain(scanner); scanner->at < scanner->end; skip_plain(scanner)) {
        unsigned char c = (unsigned char)*scanner->at;
        if (c == '"') {
            scanner->at++;
            return true;
        }
        if (c == '\\') {
            if (!scan_escape(scanner)) {
                return false;
            }
        } else if (c < 0x20) {
            return json_check_fail(scanner, "A string holds a raw control character; it must be written as an escape.");
        } else if (!scan_other_character(scanner)) {
            return false;
        }
    }
    return json_check_fail(scanner, "A string is not closed.");
}

static bool scan_digits(struct scanner *scanner, const char *error) {
    if (!isdigit((unsigned char)peek(scanner))) {
        return json_check_fail(scanner, error);
    }
    while (isdigit((unsigned char)peek(scanner))) {
        scanner->at++;
    }
    return true;
}

// The same number in fewer digits, as near as the tree holds it, and spaces.
static void shorten_number(struct scanner *scanner, const char *start, size_t length) {
    scanner->needs_mending = true;
    if (scanner->copy == NULL) {
        return;
    }
    char *written = xstrndup(start, length);
    double value = strtod(written, NULL);
    char shorter[NUMBER_MAX_BYTES + 1];
    int put = isfinite(value) ? snprintf(shorter, sizeof shorter, "%.17g", value)
                              : snprintf(shorter, sizeof shorter, "%s", value < 0 ? "-1e999" : "1e999");
    memset(written, ' ', length);
    memcpy(written, shorter, (size_t)put);
    mend(scanner, start, written, length);
    free(written);
}

static bool scan_number(struct scanner *scanner) {
    const char *start = scanner->at;
    if (peek(scanner) == '-') {
        scanner->at++;
    }
    if (peek(scanner) == 'I') {
        return json_check_fail(scanner, "Infinity is not a JSON number.");
    }
    bool zero = peek(scanner) == '0';
    const char *digits = scanner->at;
    if (!scan_digits(scanner, "A minus sign is not followed by a digit.")) {
        return false;
    }
    if (zero && scanner->at - digits > 1) {
        return json_check_fail(scanner, "A number has a leading zero.");
    }
    if (peek(scanner) == '.') {
        scanner->at++;
        if (!scan_digits(scanner, "A number has no digit after its decimal point.")) {
            return false;
        }
    }
    if (peek(scanner) == 'e' || peek(scanner) == 'E') {
        scanner->at++;
        if (peek(scanner) == '+' || peek(scanner) == '-') {
            scanner->at++;
        }
        if (!scan_digits(scanner, "A number has no digit in its exponent.")) {
            return false;
        }
    }
    if (scanner->at - start > NUMBER_MAX_BYTES) {
        shorten_number(scanner, start, (size_t)(scanner->at - start));
    }
    return true;
}

static bool scan_value(struct scanner *scanner, int depth);

static bool scan_member(struct scanner *scanner, int depth) {
    json_check_skip_space(scanner);
    if (peek(scanner) != '"') {
        return json_check_fail(scanner, "A name in an object is not a string in double quotes.");
    }
    if (!scan_string(scanner)) {
        return false;
    }
    json_check_skip_space(scanner);
    if (peek(scanner) != ':') {
        return json_check_fail(scanner, "A name in an object is not followed by a colon.");
    }
    scanner->at++;
    return scan_value(scanner, depth);
}

// An array or an object, whose opening bracket is the next byte.
static bool scan_container(struct scanner *scanner, int depth) {
    bool object = *scanner->at++ == '{';
    char closing = object ? '}' : ']';
    if (depth > JSON_MAX_DEPTH) {
        return json_check_fail(scanner, "The nesting is deeper than 16.");
    }
    json_check_skip_space(scanner);
    if (peek(scanner) == closing) {
        scanner->at++;
        return true;
    }
    for (;;) {
        if (object ? !scan_member(scanner, depth) : !scan_value(scanner, depth)) {
            return false;
        }
        json_check_skip_space(scanner);
        char c = peek(scanner);
        if (c != ',' && c != closing) {
            return json_check_fail(scanner, scanner->at == scanner->end ? "An array or object is not closed."
                                            : object ? "A member of an object is followed by neither a comma nor }."
                                                     : "An element of an array is followed by neither a comma nor ].");
        }
        scanner->at++;
        if (c == closing) {
            return true;
        }
        json_check_skip_space(scanner);
        if (peek(scanner) == closing) {
            return json_check_fail(scanner, "A comma stands before the end of an array or object.");
        }
    }
}

// What stands where a value should begin, and can't.
static const char *describe_no_value(const struct scanner *scanner) {
    if (scanner->at == scanner->end) {
        return "The document ends where a value should be.";
    }
    switch (*scanner->at) {
    case '\'':
        return "A string is in single quotes; JSON has double quotes only.";
    case '+':
        return "A number begins with a plus sign.";
    case '.':
        return "A number has no digit before its decimal point.";
    case '/':
        return "A comment is not JSON.";
    case 'N':
        return "NaN is not a JSON number.";
    case 'I':
        return "Infinity is not a JSON number.";
    default:
        return "A value is no object, array, string, number, true, false or null.";
    }
}

// depth: how many arrays and objects are open around it.
static bool scan_value(struct scanner *scanner, int depth) {
    json_check_skip_space(scanner);
    char c = peek(scanner);
    if (c == '{' || c == '[') {
        return scan_container(scanner, depth + 1);
    }
    if (c == '"') {
        return scan_string(scanner);
    }
    if (c == '-' || isdigit((unsigned char)c)) {
        return scan_number(scanner);
    }
    if (skip_word(scanner, "true") || skip_word(scanner, "false") || skip_word(scanner, "null")) {
        return true;
    }
    return json_check_fail(scanner, describe_no_value(scanner));
}

void json_members_begin(struct json_members *members, const char *text, size_t length) {
    struct scanner scanner = {.at = text, .end = text + length};
    json_check_skip_space(&scanner);
    bool is_object = peek(&scanner) == '{';
    *members = (struct json_members){.at = is_object ? scanner.at + 1 : scanner.end, .end = scanner.end};
}

bool json_members_next(struct json_members *members) {
    struct scanner scanner = {.at = members->at, .end = members->end, .text = members->at, .lenient = true};
    json_check_skip_space(&scanner);
    if (peek(&scanner) == ',') {
        scanner.at++;
        json_check_skip_space(&scanner);
    }
    members->name = scanner.at + 1;
    if (peek(&scanner) != '"' || !scan_string(&scanner)) {
        return false; // the object's end
    }
    members->name_length = (size_t)(scanner.at - 1 - members->name);
    json_check_skip_space(&scanner);
    scanner.at++; // the colon
    json_check_skip_space(&scanner);
    members->value = scanner.at;
    if (!scan_value(&scanner, 1)) {
        return false;
    }
    members->value_length = (size_t)(scanner.at - members->value);
    members->at = scanner.at;
    return true;
}

bool json_find_member(const char *text, size_t length, const char *name, const char **value, size_t *value_length) {
    struct json_members members;
    size_t name_length = strlen(name);
    json_members_begin(&members, text, length);
    while (json_members_next(&members)) {
        if (members.name_length == name_length && memcmp(members.name, name, name_length) == 0) {
            *value = members.value;
            *value_length = members.value_length;
            return true;
        }
    }
    return false;
}

static const char *scan_document(struct scanner *scanner) {
    if (skip_word(scanner, "\xef\xbb\xbf")) {
        return "The document begins with a byte order mark.";
    }
    json_check_skip_space(scanner);
    if (scanner->at == scanner->end) {
        return "The document is empty.";
    }
    if (!scan_value(scanner, 0)) {
        return scanner->error;
    }
    json_check_skip_space(scanner);
    return scanner->at == scanner->end ? NULL : "Bytes follow the end of the document.";
}

const char *json_check(const char *text, size_t length, enum json_strings strings, char **mended) {
    struct scanner scanner = {.at = text, .end = text + length, .text = text, .lenient = strings == JSON_LENIENT};
    *mended = NULL;
    const char *error = scan_document(&scanner);
    if (error != NULL || !scanner.needs_mending) {
        return error;
    }
    *mended = xstrndup(text, length);
    scanner.at = text;
    scanner.copy = *mended;
    return scan_document(&scanner);
}
