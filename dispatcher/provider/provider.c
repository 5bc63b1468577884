// SPDX-License-Identifier: MIT
#include "dispatcher/provider/provider.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shared/base/mem.h"

#define MOST_ERROR_BYTES 200

const struct provider_adapter *provider_adapter(enum provider provider) {
    static const struct provider_adapter *const adapters[PROVIDER_COUNT] = {
        [PROVIDER_SMS_MMS] = &provider_sms_adapter,
        [PROVIDER_EMAIL] = &provider_email_adapter,
    };
    return adapters[provider];
}

static bool has_part(CURLU *url, CURLUPart part) {
    char *value = NULL;
    bool has = curl_url_get(url, part, &value, 0) == CURLUE_OK;
    curl_free(value);
    return has;
}

static const char *provider_check_parts(CURLU *url) {
    char *scheme = NULL;
    const char *error = NULL;
    bool has_scheme = curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK;
    if (!has_scheme || (strcasecmp(scheme, "http") != 0 && strcasecmp(scheme, "https") != 0)) {
        error = "must begin with http:// or https://";
    } else if (has_part(url, CURLUPART_USER) || has_part(url, CURLUPART_PASSWORD)) {
        error = "must not hold credentials: they have settings of their own";
    } else if (has_part(url, CURLUPART_QUERY) || has_part(url, CURLUPART_FRAGMENT)) {
        error = "must not have a query or fragment";
    }
    curl_free(scheme);
    return error;
}

const char *provider_url_check(const char *url) {
    CURLU *parsed = curl_url();
    if (parsed == NULL) {
        return "could not be read: out of memory";
    }
    const char *error = "is not a URL such as https://api.example.com";
    if (curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK) {
        error = provider_check_parts(parsed);
    }
    curl_url_cleanup(parsed);
    return error;
}

static bool is_mock_host(const char *host) {
    static const char *const hosts[] = {"127.0.0.1", "localhost", "[::1]", "mock-provider"};
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        if (strcasecmp(host, hosts[i]) == 0) {
            return true;
        }
    }
    return false;
}

bool provider_url_is_mock(const char *url, int64_t mock_port) {
    char *host = NULL, *port = NULL;
    CURLU *parsed = curl_url();
    bool is_mock = parsed != NULL && curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK &&
                   curl_url_get(parsed, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
                   curl_url_get(parsed, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK && is_mock_host(host) &&
                   strtoll(port, NULL, 10) == mock_port;
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(parsed);
    return is_mock;
}

char *provider_url_join(const char *base, const char *path) {
    size_t length = strlen(base);
    while (length > 0 && base[length - 1] == '/') {
        length--;
    }
    return xasprintf("%.*s%s", (int)length, base, path);
}

// Not within a UTF-8 sequence: those bytes that go on one are 10xxxxxx, and at most three do.
static void provider_cut(char *text, size_t most) {
    if (strlen(text) <= most) {
        return;
    }
    size_t least = most - 3;
    while (most > least && ((unsigned char)text[most] & 0xc0) == 0x80) {
        most--;
    }
    text[most] = '\0';
}

char *provider_error(const char *code, const char *text) {
    if (text == NULL || *text == '\0') {
        return NULL;
    }
    char *error = code != NULL && *code ? xasprintf("%s: %s", code, text) : xstrdup(text);
    for (char *c = error; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f) {
            *c = ' ';
        }
    }
    provider_cut(error, MOST_ERROR_BYTES);
    return error;
}
