// SPDX-License-Identifier: MIT
#include "dispatcher/provider/url.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <strings.h>

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
