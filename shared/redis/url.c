// SPDX-License-Identifier: MIT
#include "shared/redis/url.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/percent.h"

enum { DEFAULT_PORT = 6379, MAX_DATABASE = 1 << 20 };

// Returns NULL on a bad escape or an escaped NUL.
static char *percent_decode(const char *text, size_t length) {
    char *out = xmalloc(length + 1);
    size_t used = 0;
    for (size_t i = 0; i < length; i++) {
        int byte = percent_byte(text + i, length - i);
        if (text[i] == '%' && byte <= 0) {
            free(out);
            return NULL;
        }
        out[used++] = byte > 0 ? (char)byte : text[i];
        i += byte > 0 ? 2 : 0;
    }
    out[used] = '\0';
    return out;
}

// A decimal number without sign that fills the text. Returns -1 when it isn't one or is above max.
static long redis_url_number(const char *text, size_t length, long max) {
    long value = 0;
    if (length == 0) {
        return -1;
    }
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return -1;
        }
        value = value * 10 + (text[i] - '0');
        if (value > max) {
            return -1;
        }
    }
    return value;
}

static const char *parse_credentials(const char *text, size_t length, struct redis_url *out) {
    const char *colon = memchr(text, ':', length);
    if (colon == NULL) {
        return "a user without a password: write redis://user:password@host";
    }
    size_t user = (size_t)(colon - text);
    if (user > 0 && (out->user = percent_decode(text, user)) == NULL) {
        return "a bad percent escape in the user";
    }
    if (user + 1 < length && (out->password = percent_decode(colon + 1, length - user - 1)) == NULL) {
        return "a bad percent escape in the password";
    }
    if (out->user != NULL && out->password == NULL) {
        return "a user without a password: write redis://user:password@host";
    }
    return NULL;
}

static const char *parse_port(const char *text, size_t length, struct redis_url *out) {
    out->port = DEFAULT_PORT;
    if (length == 0) {
        return NULL;
    }
    long port = text[0] == ':' ? redis_url_number(text + 1, length - 1, UINT16_MAX) : -1;
    if (port <= 0) {
        return "the port must be a number from 1 to 65535";
    }
    out->port = (uint16_t)port;
    return NULL;
}

static const char *redis_url_parse_address(const char *text, size_t length, struct redis_url *out) {
    const char *host = text;
    const char *end;
    const char *rest;
    if (length > 0 && text[0] == '[') {
        host = text + 1;
        end = memchr(text, ']', length);
        if (end == NULL) {
            return "an IPv6 address needs its closing bracket";
        }
        rest = end + 1;
    } else {
        end = memchr(text, ':', length);
        if (end == NULL) {
            end = text + length;
        }
        rest = end;
    }
    if (end == host) {
        return "the host is missing";
    }
    out->host = xstrndup(host, (size_t)(end - host));
    return parse_port(rest, (size_t)(text + length - rest), out);
}

static const char *parse_database(const char *text, struct redis_url *out) {
    if (text[0] == '\0' || strcmp(text, "/") == 0) {
        return NULL;
    }
    long database = redis_url_number(text + 1, strlen(text + 1), MAX_DATABASE);
    if (text[0] != '/' || database < 0) {
        return "what follows the host must be /<number of the database>";
    }
    out->database = (int)database;
    return NULL;
}

static const char *parse_parts(const char *url, struct redis_url *out) {
    static const char scheme[] = "redis://";
    if (strncmp(url, "rediss://", 9) == 0) {
        return "rediss:// (TLS) is not supported: use redis:// over a private network or a TLS tunnel";
    }
    if (strncmp(url, scheme, sizeof scheme - 1) != 0) {
        return "it must have the form redis://[[user]:password@]host[:port][/db]";
    }
    const char *authority = url + sizeof scheme - 1;
    size_t length = strcspn(authority, "/?#");
    const char *error = NULL;
    const char *address = authority;
    const char *at = memrchr(authority, '@', length);
    if (at != NULL) {
        error = parse_credentials(authority, (size_t)(at - authority), out);
        address = at + 1;
    }
    if (error == NULL) {
        error = redis_url_parse_address(address, (size_t)(authority + length - address), out);
    }
    return error != NULL ? error : parse_database(authority + length, out);
}

const char *redis_url_parse(const char *url, struct redis_url *out) {
    *out = (struct redis_url){0};
    const char *error = parse_parts(url, out);
    if (error != NULL) {
        redis_url_free(out);
    }
    return error;
}

void redis_url_free(struct redis_url *url) {
    free(url->user);
    free(url->password);
    free(url->host);
    *url = (struct redis_url){0};
}

const char *redis_url_check(const char *url) {
    struct redis_url parts;
    const char *error = redis_url_parse(url, &parts);
    if (error == NULL) {
        redis_url_free(&parts);
    }
    return error;
}
