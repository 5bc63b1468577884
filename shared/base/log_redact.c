// SPDX-License-Identifier: MIT
#include <stdbool.h>
#include <string.h>

#include "shared/base/buf.h"
#include "shared/base/log.h"

// What is taken for a password is rather too much than too little: a URL that is wrong is just the one that ends up in
// an error message.

static bool is_port(const char *text, size_t length) {
    return strspn(text, "0123456789") >= length;
}

// The bytes of a URL's "user:password" stretch that hold the password: from *start up to the returned '@', or NULL.
static const char *find_password(const char *authority, const char **start) {
    size_t length = strcspn(authority, "/?#");
    const char *at = memrchr(authority, '@', length);
    const char *colon = memchr(authority, ':', at != NULL ? (size_t)(at - authority) : length);
    if (colon == NULL) {
        return NULL;
    }
    if (at == NULL) {
        // No user in sight; but what follows the colon is a port, or else a password that holds a '/', '?' or '#'.
        if (is_port(colon + 1, (size_t)(authority + length - colon - 1))) {
            return NULL;
        }
        at = strrchr(colon, '@');
    }
    *start = colon + 1;
    return at;
}

// The end of the value of a "password=" in a query or in libpq's keyword string, where it may be quoted.
static const char *end_of_value(const char *value) {
    if (*value != '\'') {
        return value + strcspn(value, "& \t\n");
    }
    for (value++; *value != '\0' && *value != '\''; value++) {
        if (*value == '\\' && value[1] != '\0') {
            value++;
        }
    }
    return *value == '\'' ? value + 1 : value;
}

static void append_without_parameters(struct buf *out, const char *rest) {
    static const char keyword[] = "password=";
    const char *found;
    while ((found = strstr(rest, keyword)) != NULL) {
        const char *value = found + sizeof keyword - 1;
        buf_append(out, rest, (size_t)(value - rest));
        buf_puts(out, "***");
        rest = end_of_value(value);
    }
    buf_puts(out, rest);
}

char *log_redact_url(const char *url) {
    struct buf out = {0};
    const char *scheme = strstr(url, "://");
    const char *start = NULL;
    const char *at = scheme != NULL ? find_password(scheme + 3, &start) : NULL;
    if (at != NULL) {
        buf_append(&out, url, (size_t)(start - url));
        buf_puts(&out, "***");
    }
    append_without_parameters(&out, at != NULL ? at : url);
    return out.data;
}
