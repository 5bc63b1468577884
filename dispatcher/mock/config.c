// SPDX-License-Identifier: MIT
#include "dispatcher/mock/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/decimal.h"
#include "shared/redis/reply.h"

#define MAX_SEED 9007199254740991LL // 2^53 - 1
#define NO_SEED (-1)
#define NAME_SIZE 64
#define REFUSED_SENDERS "refused_senders"

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

static int64_t *mock_config_value_of(struct mock_settings *settings, const struct field *field) {
    return (int64_t *)(void *)((char *)settings + field->offset);
}

static int64_t get(const struct mock_settings *settings, const struct field *field) {
    return *(const int64_t *)(const void *)((const char *)settings + field->offset);
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

// What the hash says of one provider: its own field, or else everyone's, or else "".
static const char *mock_config_text_of(const redisReply *hash, enum provider provider, const char *name) {
    char own[NAME_SIZE];
    snprintf(own, sizeof own, "%s.%s", provider_name(provider), name);
    return redis_reply_field(hash, own, redis_reply_field(hash, name, ""));
}

static const char *read_provider(const redisReply *hash, enum provider provider, struct mock_settings *out) {
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        if (!parse(mock_config_text_of(hash, provider, fields[i].name), &fields[i],
                   mock_config_value_of(out, &fields[i]))) {
            return "a field of mock:config is not a number in its range";
        }
    }
    if (out->timeout_pct + out->error_pct + out->ratelimit_pct > 100) {
        return "the shares in mock:config make more than 100";
    }
    return NULL;
}

// The text is asked for 20 times a second, so it is parsed only where it has changed.
static const char *read_refusals(const redisReply *hash, enum provider provider, const struct mock_config *old,
                                 struct mock_refusals **out) {
    const char *text = mock_config_text_of(hash, provider, REFUSED_SENDERS);
    if (strcmp(mock_refusals_text(old->refusals[provider]), text) == 0) {
        *out = old->refusals[provider];
        return NULL;
    }
    *out = mock_refusals_parse(provider, text);
    return *out ? NULL : "refused_senders in mock:config is no array of strings";
}

static const char *mock_config_read_all(const redisReply *hash, const struct mock_config *old,
                                        struct mock_config *out) {
    const char *error = NULL;
    for (int i = 0; i < PROVIDER_COUNT && !error; i++) {
        error = read_provider(hash, (enum provider)i, &out->providers[i]);
    }
    for (int i = 0; i < PROVIDER_COUNT && !error; i++) {
        error = read_refusals(hash, (enum provider)i, old, &out->refusals[i]);
    }
    return error;
}

// Frees those of config's lists that aren't also in kept.
static void free_other(struct mock_config *config, const struct mock_config *kept) {
    for (int i = 0; i < PROVIDER_COUNT; i++) {
        if (config->refusals[i] != kept->refusals[i]) {
            mock_refusals_free(config->refusals[i]);
        }
    }
}

const char *mock_config_read(const redisReply *hash, struct mock_config *out, bool *changed) {
    struct mock_config config = {0};
    const char *error = mock_config_read_all(hash, out, &config);
    if (error) {
        free_other(&config, out);
        return error;
    }
    *changed = memcmp(&config, out, sizeof config) != 0; // of int64_t and pointers: there is no padding
    free_other(out, &config);
    *out = config;
    return NULL;
}

void mock_config_free(struct mock_config *config) {
    free_other(config, &(struct mock_config){0});
}

static void mock_config_give(const struct mock_settings *settings, const struct field *field, const char *prefix,
                             void (*each)(void *argument, const char *name, const char *value), void *argument) {
    char name[NAME_SIZE];
    snprintf(name, sizeof name, "%s%s%s", prefix, *prefix ? "." : "", field->name);
    each(argument, name, get(settings, field) >= 0 ? DECIMAL(get(settings, field)) : "");
}

static void give_refusals(const struct mock_config *config,
                          void (*each)(void *argument, const char *name, const char *value), void *argument) {
    for (int provider = 0; provider < PROVIDER_COUNT; provider++) {
        if (*mock_refusals_text(config->refusals[provider])) {
            char name[NAME_SIZE];
            snprintf(name, sizeof name, "%s." REFUSED_SENDERS, provider_name((enum provider)provider));
            each(argument, name, mock_refusals_text(config->refusals[provider]));
        }
    }
}

void mock_config_each_field(const struct mock_config *config,
                            void (*each)(void *argument, const char *name, const char *value), void *argument) {
    const struct mock_settings *first = &config->providers[0];
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        mock_config_give(first, &fields[i], "", each, argument);
    }
    for (int provider = 1; provider < PROVIDER_COUNT; provider++) {
        for (size_t i = 0; i < FIELD_COUNT; i++) {
            if (get(&config->providers[provider], &fields[i]) != get(first, &fields[i])) {
                mock_config_give(&config->providers[provider], &fields[i], provider_name((enum provider)provider), each,
                                 argument);
            }
        }
    }
    give_refusals(config, each, argument);
}
