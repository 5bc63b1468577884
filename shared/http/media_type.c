// SPDX-License-Identifier: MIT
#include "shared/http/media_type.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#define FULL_QUALITY 1000

static const char *media_type_skip_space(const char *text) {
    return text + strspn(text, " \t");
}

bool media_type_is(const char *content_type, const char *type) {
    if (content_type == NULL) {
        return false;
    }
    content_type = media_type_skip_space(content_type);
    if (strncasecmp(content_type, type, strlen(type)) != 0) {
        return false;
    }
    const char *rest = media_type_skip_space(content_type + strlen(type));
    return *rest == '\0' || *rest == ';';
}

bool media_type_is_json(const char *content_type) {
    return media_type_is(content_type, "application/json");
}

// "0.5" → 500; whatever isn't a qvalue counts as 1.
static int parse_quality(const char *text) {
    if (*text == '1') {
        return FULL_QUALITY;
    }
    if (*text != '0') {
        return FULL_QUALITY;
    }
    int quality = 0, weight = 100;
    if (text[1] == '.') {
        for (text += 2; *text >= '0' && *text <= '9' && weight > 0; text++, weight /= 10) {
            quality += (*text - '0') * weight;
        }
    }
    return quality;
}

// The q among the parameters of a range, which ends at `end`.
static int range_quality(const char *range, const char *end) {
    for (const char *at = memchr(range, ';', (size_t)(end - range)); at != NULL;
         at = memchr(at, ';', (size_t)(end - at))) {
        at = media_type_skip_space(at + 1);
        if (at + 1 < end && (*at == 'q' || *at == 'Q') && at[1] == '=') {
            return parse_quality(at + 2);
        }
        if (at >= end) {
            break;
        }
    }
    return FULL_QUALITY;
}

// How exactly a range names type/subtype: 0 not, 1 by */*, 2 by type/*, 3 by both.
static int range_precision(const char *range, size_t length, const char *type, const char *subtype) {
    const char *slash = memchr(range, '/', length);
    if (slash == NULL) {
        return 0;
    }
    size_t first = (size_t)(slash - range);
    const char *second = slash + 1;
    size_t second_length = length - first - 1;
    bool any_type = first == 1 && *range == '*', any_subtype = second_length == 1 && *second == '*';
    if (any_type) {
        return any_subtype ? 1 : 0;
    }
    if (first != strlen(type) || strncasecmp(range, type, first) != 0) {
        return 0;
    }
    if (any_subtype) {
        return 2;
    }
    return second_length == strlen(subtype) && strncasecmp(second, subtype, second_length) == 0 ? 3 : 0;
}

int media_type_quality(const char *accept, const char *type, const char *subtype) {
    if (accept == NULL || *media_type_skip_space(accept) == '\0') {
        return FULL_QUALITY;
    }
    int best = 0, quality = 0;
    while (*accept != '\0') {
        const char *range = media_type_skip_space(accept);
        const char *end = range + strcspn(range, ",");
        int precision = range_precision(range, strcspn(range, " \t;,"), type, subtype);
        if (precision > best) {
            best = precision;
            quality = range_quality(range, end);
        }
        accept = *end == ',' ? end + 1 : end;
    }
    return quality;
}
