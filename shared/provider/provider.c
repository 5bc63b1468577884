// SPDX-License-Identifier: MIT
#include "shared/provider/provider.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"
#include "shared/http/media_type.h"

#define MOST_ERROR_BYTES 200

static const struct provider_adapter *const provider_adapters[] = {&provider_twilio, &provider_generic,
                                                                   &provider_sendgrid};

enum { ADAPTER_COUNT = sizeof provider_adapters / sizeof *provider_adapters };

const struct provider_adapter *provider_adapter(const struct settings *settings, enum provider provider) {
    if (provider == PROVIDER_EMAIL) {
        return &provider_sendgrid;
    }
    return strcmp(settings->provider_sms_kind, "generic") == 0 ? &provider_generic : &provider_twilio;
}

static const struct provider_way_in *way_in_of(const struct provider_adapter *adapter, enum provider_route route,
                                               const char *content_type) {
    for (const struct provider_way_in *const *way = adapter->ways_in; *way != NULL; way++) {
        if ((*way)->route == route && media_type_is(content_type, (*way)->media_type)) {
            return *way;
        }
    }
    return NULL;
}

const struct provider_way_in *provider_way_in(const struct settings *settings, enum provider provider,
                                              enum provider_route route, const char *content_type) {
    return way_in_of(provider_adapter(settings, provider), route, content_type);
}

const struct provider_way_in *provider_way_in_at(const struct settings *settings, enum provider provider,
                                                 enum provider_route route, size_t index) {
    const struct provider_way_in *const *way = provider_adapter(settings, provider)->ways_in;
    for (; *way != NULL; way++) {
        if ((*way)->route == route && index-- == 0) {
            return *way;
        }
    }
    return NULL;
}

const struct provider_way_in *provider_way_in_of_any(enum provider provider, enum provider_route route,
                                                     const char *content_type) {
    const struct provider_way_in *found = NULL;
    for (size_t i = 0; i < ADAPTER_COUNT && found == NULL; i++) {
        if (provider_adapters[i]->provider == provider) {
            found = way_in_of(provider_adapters[i], route, content_type);
        }
    }
    return found;
}

bool provider_is_signed(const struct settings *settings, enum provider provider) {
    const struct provider_way_in *const *way = provider_adapter(settings, provider)->ways_in;
    while (*way != NULL && !(*way)->is_signed(settings)) {
        way++;
    }
    return *way != NULL;
}

char *provider_url_join(const char *base, const char *path) {
    size_t length = strlen(base);
    while (length > 0 && base[length - 1] == '/') {
        length--;
    }
    return xasprintf("%.*s%s", (int)length, base, path);
}

const char *provider_sms_from(const struct message *message) {
    return strpbrk(message->sender, "abcdefghijklmnopqrstuvwxyz") != NULL ? message->from : message->sender;
}

// Those bytes that go on a UTF-8 sequence are 10xxxxxx, and at most three do.
void provider_cut(char *text, size_t most) {
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
