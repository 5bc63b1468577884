// SPDX-License-Identifier: MIT
#include "shared/provider/signed_url.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shared/base/buf.h"
#include "shared/base/form.h"
#include "shared/base/mem.h"

// A URL's parts, which lie one behind the other. Without a scheme all of it is the rest.
struct url_parts {
    const char *scheme; // with "://"
    const char *user;   // with its '@'
    const char *host;   // an address of IPv6 in brackets, which may hold colons
    const char *port;   // with its ':'
    const char *rest;   // path and query
};

static void url_split(const char *url, struct url_parts *out) {
    const char *colon = strstr(url, "://");
    const char *authority = colon != NULL ? colon + 3 : url;
    size_t length = colon != NULL ? strcspn(authority, "/?#") : 0;
    const char *at = memrchr(authority, '@', length);
    *out = (struct url_parts){.scheme = url, .user = authority, .rest = authority + length};
    out->host = at != NULL ? at + 1 : authority;
    size_t left = (size_t)(out->rest - out->host);
    const char *bracket = memrchr(out->host, ']', left);
    const char *name = bracket != NULL ? bracket : out->host;
    const char *port = memchr(name, ':', (size_t)(out->rest - name));
    out->port = port != NULL ? port : out->rest;
}

static bool is_https(const struct url_parts *parts) {
    return strncasecmp(parts->scheme, "https:", 6) == 0;
}

static char *url_without_port(const char *url) {
    struct url_parts parts;
    url_split(url, &parts);
    return xasprintf("%.*s%s", (int)(parts.port - url), url, parts.rest);
}

static char *url_with_port(const char *url) {
    struct url_parts parts;
    url_split(url, &parts);
    bool has_none = parts.port == parts.rest && parts.user > parts.scheme;
    const char *own = !has_none ? "" : is_https(&parts) ? ":443" : ":80";
    return xasprintf("%.*s%s%s", (int)(parts.rest - url), url, own, parts.rest);
}

static void signed_url_escape(struct buf *out, char c) {
    unsigned byte = (unsigned char)c;
    char escape[] = {'%', "0123456789ABCDEF"[byte >> 4], "0123456789ABCDEF"[byte & 15]};
    buf_append(out, escape, sizeof escape);
}

// WHATWG URL, 1.3: the sets of what is escaped in a path, and in a query.
static void write_tidy_rest(struct buf *out, const char *rest) {
    const char *bad = "\"<>`{}";
    buf_puts(out, *rest != '/' ? "/" : "");
    for (const char *c = rest; *c != '\0'; c++) {
        bad = *c == '?' ? "\"<>'" : bad;
        if (*c <= ' ' || *c > '~' || strchr(bad, *c) != NULL) {
            signed_url_escape(out, *c);
        } else {
            buf_putc(out, *c);
        }
    }
}

static char *url_tidy(const char *url) {
    struct url_parts parts;
    struct buf out = {0};
    url_split(url, &parts);
    size_t port = (size_t)(parts.rest - parts.port);
    const char *own = is_https(&parts) ? ":443" : ":80";
    bool is_own = port == 1 || (port == strlen(own) && strncmp(parts.port, own, port) == 0);
    for (const char *c = url; c < parts.port; c++) {
        bool is_user = c >= parts.user && c < parts.host;
        buf_putc(&out, is_user ? *c : (char)tolower((unsigned char)*c));
    }
    buf_append(&out, parts.port, is_own ? 0 : port);
    write_tidy_rest(&out, parts.rest);
    return out.data;
}

// What encodeURIComponent escapes, but for what it takes in forms of its own.
static void write_query_text(struct buf *out, const char *text, size_t length) {
    for (size_t i = 0; i < length; i++) {
        if (isalnum((unsigned char)text[i]) || (text[i] != '\0' && strchr("-_.!~*'()", text[i]) != NULL)) {
            buf_putc(out, text[i]);
        } else {
            signed_url_escape(out, text[i]);
        }
    }
}

static bool has_name(const struct form_field *one, const struct form_field *other) {
    return one->name_length == other->name_length && memcmp(one->name, other->name, one->name_length) == 0;
}

static void write_query_field(struct buf *out, const struct form_field *field) {
    if (out->data[out->length - 1] != '?') {
        buf_putc(out, '&');
    }
    write_query_text(out, field->name, field->name_length);
    buf_putc(out, '=');
    write_query_text(out, field->value, field->value_length);
}

// Those of one name stand where the first of them does.
static void write_query(struct buf *out, const struct form *query) {
    for (size_t i = 0; i < query->count; i++) {
        size_t before = 0;
        while (before < i && !has_name(&query->fields[before], &query->fields[i])) {
            before++;
        }
        for (size_t same = i; before == i && same < query->count; same++) {
            if (has_name(&query->fields[i], &query->fields[same])) {
                write_query_field(out, &query->fields[same]);
            }
        }
    }
}

static char *url_with_query_rewritten(const char *url) {
    const char *mark = strchr(url, '?');
    struct form query;
    if (mark != NULL && mark[1] == '\0') { // Python's package leaves the mark out
        return xstrndup(url, (size_t)(mark - url));
    }
    if (mark == NULL || form_parse(mark + 1, strlen(mark + 1), &query) != 0) {
        return xstrdup(url);
    }
    struct buf out = {0};
    buf_append(&out, url, (size_t)(mark + 1 - url));
    write_query(&out, &query);
    form_free(&query);
    return out.data;
}

// Takes ownership of url.
static void forms_add(char *forms[SIGNED_URL_FORMS], size_t at, char *url) {
    forms[at] = url;
    for (size_t i = 0; i < at; i++) {
        if (forms[i] != NULL && strcmp(forms[i], url) == 0) {
            free(url);
            forms[at] = NULL;
            return;
        }
    }
}

void signed_url_forms(const char *url, char *out[SIGNED_URL_FORMS]) {
    char *tidy = url_tidy(url);
    char *bare = url_without_port(tidy), *whole = url_with_port(tidy);
    forms_add(out, 0, url_without_port(url));
    forms_add(out, 1, url_with_port(url));
    forms_add(out, 2, xstrdup(bare));
    forms_add(out, 3, xstrdup(whole));
    forms_add(out, 4, url_with_query_rewritten(bare));
    forms_add(out, 5, url_with_query_rewritten(whole));
    free(tidy);
    free(bare);
    free(whole);
}

void signed_url_free(char *forms[SIGNED_URL_FORMS]) {
    for (size_t i = 0; i < SIGNED_URL_FORMS; i++) {
        free(forms[i]);
    }
}
