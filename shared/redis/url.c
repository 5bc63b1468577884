// SPDX-License-Identifier: MIT
#include "shared/redis/url.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/percent.h"

enum { REDIS_PORT = 6379, SENTINEL_PORT = 26379, MAX_DATABASE = 1 << 20 };

#define SENTINEL_FORM "redis+sentinel://[[user]:password@]host[:port],host[:port]/master[/db]"

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

static const char *parse_port(const char *text, size_t length, struct redis_host *out) {
    if (length == 0) {
        return NULL; // the default's
    }
    long port = text[0] == ':' ? redis_url_number(text + 1, length - 1, UINT16_MAX) : -1;
    if (port <= 0) {
        return "the port must be a number from 1 to 65535";
    }
    out->port = (uint16_t)port;
    return NULL;
}

static const char *redis_url_parse_host(const char *text, size_t length, struct redis_host *out) {
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

static const char *redis_url_parse_hosts(const char *text, size_t length, bool sentinels, struct redis_url *out) {
    const char *end = text + length;
    const char *error = NULL;
    for (const char *comma; error == NULL; text = comma + 1) {
        comma = memchr(text, ',', (size_t)(end - text));
        if (comma != NULL && !sentinels) {
            return "several hosts are a list of Sentinels: write " SENTINEL_FORM;
        }
        out->hosts = xrealloc(out->hosts, (out->count + 1) * sizeof *out->hosts);
        struct redis_host *host = &out->hosts[out->count++];
        *host = (struct redis_host){.port = sentinels ? SENTINEL_PORT : REDIS_PORT};
        error = redis_url_parse_host(text, (size_t)((comma != NULL ? comma : end) - text), host);
        if (comma == NULL) {
            break;
        }
    }
    return error;
}

static const char *parse_database(const char *text, struct redis_url *out) {
    if (text[0] == '\0' || strcmp(text, "/") == 0) {
        return NULL;
    }
    long database = redis_url_number(text + 1, strlen(text + 1), MAX_DATABASE);
    if (text[0] != '/' || database < 0) {
        return "the last part must be /<number of the database>";
    }
    out->database = (int)database;
    return NULL;
}

static const char *parse_master(const char *text, struct redis_url *out) {
    size_t length = text[0] == '/' ? strcspn(text + 1, "/?#") : 0;
    if (length == 0) {
        return "the name that the Sentinels know the master by is missing: write " SENTINEL_FORM;
    }
    out->master = percent_decode(text + 1, length);
    return out->master == NULL ? "a bad percent escape in the master's name" : parse_database(text + 1 + length, out);
}

struct scheme {
    const char *begin;
    bool tls, sentinels;
};

static const struct scheme *scheme_of(const char *url) {
    static const struct scheme schemes[] = {
        {"redis://", false, false},
        {"rediss://", true, false},
        {"redis+sentinel://", false, true},
        {"rediss+sentinel://", true, true},
    };
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        if (strncmp(url, schemes[i].begin, strlen(schemes[i].begin)) == 0) {
            return &schemes[i];
        }
    }
    return NULL;
}

static const char *refuse_scheme(const char *url) {
    if (strncmp(url, "redis+cluster://", 16) == 0 || strncmp(url, "rediss+cluster://", 17) == 0) {
        return "Redis Cluster is not supported yet: name one Redis that has all slots, or Sentinels, " SENTINEL_FORM;
    }
    return "it must have the form redis://[[user]:password@]host[:port][/db] (with TLS: rediss://…) or " SENTINEL_FORM;
}

static const char *parse_parts(const char *url, struct redis_url *out) {
    const struct scheme *scheme = scheme_of(url);
    if (scheme == NULL) {
        return refuse_scheme(url);
    }
    const char *authority = url + strlen(scheme->begin);
    size_t length = strcspn(authority, "/?#");
    const char *error = NULL;
    const char *hosts = authority;
    const char *at = memrchr(authority, '@', length);
    out->tls = scheme->tls;
    if (at != NULL) {
        error = parse_credentials(authority, (size_t)(at - authority), out);
        hosts = at + 1;
    }
    if (error == NULL) {
        error = redis_url_parse_hosts(hosts, (size_t)(authority + length - hosts), scheme->sentinels, out);
    }
    if (error != NULL) {
        return error;
    }
    return scheme->sentinels ? parse_master(authority + length, out) : parse_database(authority + length, out);
}

// Whether a password of which a part is taken for the path may be what is wrong.
static bool ends_before_its_host(const char *url) {
    const struct scheme *scheme = scheme_of(url);
    const char *authority = scheme != NULL ? url + strlen(scheme->begin) : "";
    return strchr(authority + strcspn(authority, "/?#"), '@') != NULL;
}

const char *redis_url_parse(const char *url, struct redis_url *out) {
    *out = (struct redis_url){0};
    const char *error = parse_parts(url, out);
    if (error != NULL) {
        redis_url_free(out);
    }
    return error != NULL && ends_before_its_host(url) ? "in the user and password / is written %2F, ? is %3F, # is %23"
                                                      : error;
}

void redis_url_free(struct redis_url *url) {
    free(url->user);
    free(url->password);
    free(url->master);
    for (size_t i = 0; i < url->count; i++) {
        free(url->hosts[i].host);
    }
    free(url->hosts);
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

static bool redis_url_is_same_text(const char *one, const char *other) {
    return one == NULL || other == NULL ? one == other : strcmp(one, other) == 0;
}

bool redis_url_has_same_hosts(const struct redis_url *one, const struct redis_url *other) {
    if (one->tls != other->tls || one->count != other->count || !redis_url_is_same_text(one->master, other->master)) {
        return false;
    }
    for (size_t i = 0; i < one->count; i++) {
        if (one->hosts[i].port != other->hosts[i].port ||
            !redis_url_is_same_text(one->hosts[i].host, other->hosts[i].host)) {
            return false;
        }
    }
    return true;
}

bool redis_url_has_same_credentials(const struct redis_url *one, const struct redis_url *other) {
    return redis_url_is_same_text(one->user, other->user) && redis_url_is_same_text(one->password, other->password);
}
