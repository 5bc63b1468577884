// SPDX-License-Identifier: MIT
#include "ingest/accept/attachment.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "shared/base/unicode.h"

#define MAX_BYTES 2048

static const char bad_length[] = "must be 1 to 2048 bytes long";
static const char has_control[] = "must not contain control characters";
static const char has_space_around[] = "must not begin or end with white space";
static const char bad_scheme[] = "must be an http or https URL with a host where it has a scheme";

static bool ends_with_space(const char *text, size_t length) {
    size_t last = length - 1, taken;
    while (last > 0 && (text[last] & 0xc0) == 0x80) { // the continuation of a character
        last--;
    }
    return unicode_is_space(unicode_decode(text + last, length - last, &taken));
}

// RFC 3986, 3.1: a letter, then letters, digits, + - . up to the colon. 0: there is none.
static size_t scheme_length(const char *url) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    static const char others[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.";
    size_t length = strspn(url, others);
    return strspn(url, letters) > 0 && url[length] == ':' ? length : 0;
}

// Whether "//", then perhaps user information and '@', then a host begin it.
static bool attachment_has_host(const char *rest) {
    if (strncmp(rest, "//", 2) != 0) {
        return false;
    }
    rest += 2;
    size_t authority = strcspn(rest, "/?#\\");
    const char *at = memrchr(rest, '@', authority);
    const char *host = at != NULL ? at + 1 : rest;
    return host < rest + authority && *host != ':' && *host != ' ';
}

static bool has_good_scheme(const char *url) {
    size_t length = scheme_length(url);
    bool is_web =
        (length == 4 && strncasecmp(url, "http", 4) == 0) || (length == 5 && strncasecmp(url, "https", 5) == 0);
    return length == 0 || (is_web && attachment_has_host(url + length + 1));
}

const char *attachment_check(const char *url) {
    size_t length = strlen(url), taken;
    if (length == 0 || length > MAX_BYTES) {
        return bad_length;
    }
    if (unicode_has_control(url)) {
        return has_control;
    }
    if (unicode_is_space(unicode_decode(url, length, &taken)) || ends_with_space(url, length)) {
        return has_space_around;
    }
    return has_good_scheme(url) ? NULL : bad_scheme;
}
