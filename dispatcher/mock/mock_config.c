// SPDX-License-Identifier: MIT
#include "dispatcher/mock/mock_config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SEED 9007199254740991LL // 2^53 - 1
#define NO_SEED (-1)
#define NAME_SIZE 64

static const struct field {
    const char *name;
    size_t offset; // in struct mock_settings
    int64_t most;
    int64_t otherwise; // when it is missing or empty
} fields[] = {
    {"timeout_pct", offsetof(struct mock_settings, timeout_pct), 100, 0},
    {"error_pct", offsetof(struct mock_settings, error_pct), 100, 0},
    {"ratelimit_pct", offsetof(struct mock_settings, ratelimit_pct), 100, 0},
    {"seed", offsetof(struct mock_settings, seed), MAX_SEED, NO_SEED},
    {"latency_ms", offsetof(struct mock_settings, latency_ms), 60000, 0},
    {"retry_after_secs", offsetof(struct mock_settings, retry_after_secs), 86400, 1},
};

#define FIELD_COUNT (sizeof fields / sizeof *fields)

static int64_t *value_of(struct mock_settings *settings, const struct field *field) {
    return (int64_t *)(void *)((char *)settings + field->offset);
}

static int64_t get(const struct mock_settings *settings, const struct field *field) {
    return *(const int64_t *)(const void *)((const char *)settings + field->offset);
}

const char *mock_config_field(const redisReply *hash, const char *name) {
    for (size_t i = 0; hash->type == REDIS_REPLY_ARRAY && i + 1 < hash->elements; i += 2) {
        if (hash->element[i]->str && strcmp(hash->element[i]->str, name) == 0) {
            return hash->element[i + 1]->str;
        }
    }
    return NULL;
}

static bool parse(const char *text, const struct field *field, int64_t *out) {
    if (*text == '\0') {
        *out = field->otherwise;
        return true;
    }
    char *end;
    errno = 0;
    *out = strtoll(text, &end, 10);
    return errno == 0 && *end == '\0' && *text >= '0' && *text <= '9' && *out <= field->most;
}

static const char *read_provider(const redisReply *hash, enum provider provider, struct mock_settings *out) {
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        char own[NAME_SIZE];
        snprintf(own, sizeof own, "%s.%s", provider_name(provider), fields[i].name);
        const char *text = mock_config_field(hash, own);
        if (!text) {
            text = mock_config_field(hash, fields[i].name);
        }
        if (!parse(text ? text : "", &fields[i], value_of(out, &fields[i]))) {
            return "a field of mock:config is not a number in its range";
        }
    }
    if (out->timeout_pct + out->error_pct + out->ratelimit_pct > 100) {
        return "the shares in mock:config make more than 100";
    }
    return NULL;
}

const char *mock_config_read(const redisReply *hash, struct mock_config *out) {
    struct mock_config config;
    for (int i = 0; i < PROVIDER_COUNT; i++) {
        const char *error = read_provider(hash, (enum provider)i, &config.providers[i]);
        if (error) {
            return error;
        }
    }
    *out = config;
    return NULL;
}

static void give(const struct mock_settings *settings, const struct field *field, const char *prefix,
                 void (*each)(void *argument, const char *name, const char *value), void *argument) {
    char name[NAME_SIZE], value[24] = "";
    snprintf(name, sizeof name, "%s%s%s", prefix, *prefix ? "." : "", field->name);
    if (get(settings, field) >= 0) {
        snprintf(value, sizeof value, "%" PRId64, get(settings, field));
    }
    each(argument, name, value);
}

void mock_config_each_field(const struct mock_config *config,
                            void (*each)(void *argument, const char *name, const char *value), void *argument) {
    const struct mock_settings *first = &config->providers[0];
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        give(first, &fields[i], "", each, argument);
    }
    for (int provider = 1; provider < PROVIDER_COUNT; provider++) {
        for (size_t i = 0; i < FIELD_COUNT; i++) {
            if (get(&config->providers[provider], &fields[i]) != get(first, &fields[i])) {
                give(&config->providers[provider], &fields[i], provider_name((enum provider)provider), each, argument);
            }
        }
    }
}
