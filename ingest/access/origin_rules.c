// SPDX-License-Identifier: MIT
#include "ingest/access/origin_rules.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shared/provider/public_url.h"

enum { HTTP_PORT = 80, HTTPS_PORT = 443, MOST_SCHEME = 31 };

static const char bad_origins[] =
    "must be origins joined by commas, each scheme://host or scheme://host:port and nothing more, not * nor null";
static const char bad_hosts[] =
    "must be host names joined by commas, without scheme and port, international ones as xn--…";

struct origin {
    char scheme[MOST_SCHEME + 1]; // in lower case
    struct http_host host;        // with the port that its scheme has anyway, where it names none
};

struct origin_rules {
    size_t origin_count, host_count;
    struct origin *origins;
    struct http_host *hosts; // WEBHOOK_PUBLIC_URL's among them
};

// One way to write a name: "example.com." is example.com, and each IPv6 address has its shortest form.
static void simplify(struct http_host *host) {
    size_t length = strlen(host->name);
    struct in6_addr address;
    if (length > 1 && host->name[length - 1] == '.') {
        host->name[length - 1] = '\0';
    }
    if (host->is_address && inet_pton(AF_INET6, host->name, &address) == 1) {
        inet_ntop(AF_INET6, &address, host->name, sizeof host->name);
    }
}

static bool parse_host(const char *text, size_t length, struct http_host *out) {
    if (!http_host_parse(text, length, out) || out->name[0] == '\0') {
        return false;
    }
    simplify(out);
    return true;
}

static uint16_t port_of(const char *scheme) {
    return strcmp(scheme, "https") == 0 ? HTTPS_PORT : strcmp(scheme, "http") == 0 ? HTTP_PORT : 0;
}

static bool parse_scheme(const char *text, size_t length, char out[MOST_SCHEME + 1]) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz", more[] = "abcdefghijklmnopqrstuvwxyz0123456789+-.";
    if (length == 0 || length > MOST_SCHEME) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        char c = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] - 'A' + 'a') : text[i];
        if (c == '\0' || strchr(i == 0 ? letters : more, c) == NULL) {
            return false;
        }
        out[i] = c;
    }
    out[length] = '\0';
    return true;
}

static bool parse_origin(const char *text, size_t length, struct origin *out) {
    const char *colon = memmem(text, length, "://", 3);
    if (colon == NULL || !parse_scheme(text, (size_t)(colon - text), out->scheme)) {
        return false;
    }
    if (!parse_host(colon + 3, length - (size_t)(colon + 3 - text), &out->host)) {
        return false;
    }
    if (out->host.port == 0) {
        out->host.port = port_of(out->scheme);
    }
    return true;
}

static bool is_same_host(const struct http_host *one, const struct http_host *other) {
    return strcmp(one->name, other->name) == 0;
}

// ---- The settings

// The next entry of a list without the white space around it; false at its end. Empty ones are passed over.
static bool next_entry(const char **at, const char **entry, size_t *length) {
    *at += strspn(*at, ", \t");
    *entry = *at;
    *length = strcspn(*at, ",");
    *at += *length;
    while (*length > 0 && strchr(" \t", (*entry)[*length - 1]) != NULL) {
        (*length)--;
    }
    return *length > 0;
}

static bool read_origins(const char *list, struct origin_rules *rules) {
    const char *entry;
    size_t length;
    while (next_entry(&list, &entry, &length)) {
        rules->origins = xrealloc(rules->origins, (rules->origin_count + 1) * sizeof *rules->origins);
        if (!parse_origin(entry, length, &rules->origins[rules->origin_count++])) {
            return false;
        }
    }
    return true;
}

static struct http_host *add_host(struct origin_rules *rules) {
    rules->hosts = xrealloc(rules->hosts, (rules->host_count + 1) * sizeof *rules->hosts);
    return &rules->hosts[rules->host_count++];
}

static bool is_host_name(const struct http_host *host) {
    static const char of_names[] = "abcdefghijklmnopqrstuvwxyz0123456789-._";
    return host->is_address || host->name[strspn(host->name, of_names)] == '\0';
}

static bool read_hosts(const char *list, struct origin_rules *rules) {
    const char *entry;
    size_t length;
    while (next_entry(&list, &entry, &length)) {
        struct http_host *host = add_host(rules);
        if (!parse_host(entry, length, host) || host->port != 0 || !is_host_name(host)) {
            return false;
        }
    }
    return true;
}

// It is checked by main.c, which names it.
static void read_public_url(const char *url, struct origin_rules *rules) {
    struct http_host host;
    if (public_url_host(url, &host)) {
        simplify(&host);
        *add_host(rules) = host;
    }
}

struct origin_rules *origin_rules_create(const struct settings *settings, const char **setting, const char **reason) {
    struct origin_rules *rules = xcalloc(1, sizeof *rules);
    read_public_url(settings->webhook_public_url, rules);
    if (!read_origins(settings->cors_allowed_origins, rules)) {
        *setting = "CORS_ALLOWED_ORIGINS";
        *reason = bad_origins;
    } else if (!read_hosts(settings->allowed_hosts, rules)) {
        *setting = "ALLOWED_HOSTS";
        *reason = bad_hosts;
    } else {
        return rules;
    }
    origin_rules_free(rules);
    return NULL;
}

void origin_rules_free(struct origin_rules *rules) {
    free(rules->origins);
    free(rules->hosts);
    free(rules);
}

// ---- The rules

bool origin_rules_lists_any(const struct origin_rules *rules) {
    return rules->origin_count > 0;
}

bool origin_rules_lists(const struct origin_rules *rules, const char *origin) {
    struct origin given;
    if (rules->origin_count == 0 || !parse_origin(origin, strlen(origin), &given)) {
        return false;
    }
    for (size_t i = 0; i < rules->origin_count; i++) {
        const struct origin *listed = &rules->origins[i];
        if (strcmp(listed->scheme, given.scheme) == 0 && is_same_host(&listed->host, &given.host) &&
            listed->host.port == given.host.port) {
            return true;
        }
    }
    return false;
}

bool origin_is_of(const char *origin, const struct http_host *host, bool behind_tls) {
    struct origin given;
    struct http_host simple = *host;
    if (!parse_origin(origin, strlen(origin), &given)) {
        return false;
    }
    simplify(&simple);
    uint16_t usual = port_of(given.scheme); // 0: no page of http or https
    return usual != 0 && (usual == HTTPS_PORT || !behind_tls) && is_same_host(&given.host, &simple) &&
           given.host.port == (simple.port != 0 ? simple.port : usual);
}

bool origin_rules_know(const struct origin_rules *rules, const struct http_host *host) {
    struct http_host simple = *host;
    simplify(&simple);
    if (host->is_address || strchr(host->name, '.') == NULL || strcmp(simple.name, "localhost") == 0) {
        return true;
    }
    for (size_t i = 0; i < rules->host_count; i++) {
        if (is_same_host(&rules->hosts[i], &simple)) {
            return true;
        }
    }
    return false;
}
