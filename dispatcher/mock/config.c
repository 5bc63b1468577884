// SPDX-License-Identifier: MIT
#include "dispatcher/mock/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shared/redis/reply.h"

static bool parse(const char *text, const struct mock_field_rule *field, int64_t *out) {
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
static const char *mock_config_text_of(const redisReply *hash, enum provider provider, enum mock_field field) {
    char own[MOCK_FIELD_NAME_SIZE];
    mock_field_name(provider, field, own);
    return redis_reply_field(hash, own, redis_reply_field(hash, mock_fields[field].name, ""));
}

static const char *read_provider(const redisReply *hash, enum provider provider, struct mock_settings *out) {
    for (int i = 0; i < MOCK_NUMBER_COUNT; i++) {
        if (!parse(mock_config_text_of(hash, provider, (enum mock_field)i), &mock_fields[i], &out->number[i])) {
            return "a field of mock:config is not a number in its range";
        }
    }
    if (out->timeout_pct + out->error_pct + out->ratelimit_pct > 100) {
        return "the shares in mock:config make more than 100";
    }
    return NULL;
}

// The text is asked for 20 times a second, so it is parsed only where it has changed.
static const char *read_refusals(const redisReply *hash, enum provider provider, const struct mock_behaviour *old,
                                 struct mock_refusals **out) {
    const char *text = mock_config_text_of(hash, provider, MOCK_REFUSED_SENDERS);
    if (strcmp(mock_refusals_text(old->refusals[provider]), text) == 0) {
        *out = old->refusals[provider];
        return NULL;
    }
    *out = mock_refusals_parse(provider, old->region, text);
    return *out != NULL ? NULL : "refused_senders in mock:config is no array of strings";
}

static const char *mock_config_read_all(const redisReply *hash, const struct mock_behaviour *old,
                                        struct mock_behaviour *out) {
    const char *error = NULL;
    for (int i = 0; i < PROVIDER_COUNT && error == NULL; i++) {
        error = read_provider(hash, (enum provider)i, &out->providers[i]);
    }
    for (int i = 0; i < PROVIDER_COUNT && error == NULL; i++) {
        error = read_refusals(hash, (enum provider)i, old, &out->refusals[i]);
    }
    return error;
}

// Frees those of config's lists that aren't also in kept.
static void free_other(struct mock_behaviour *config, const struct mock_behaviour *kept) {
    for (int i = 0; i < PROVIDER_COUNT; i++) {
        if (config->refusals[i] != kept->refusals[i]) {
            mock_refusals_free(config->refusals[i]);
        }
    }
}

const char *mock_config_read(const redisReply *hash, struct mock_behaviour *out, bool *changed) {
    struct mock_behaviour config = {.region = out->region};
    const char *error = mock_config_read_all(hash, out, &config);
    if (error != NULL) {
        free_other(&config, out);
        return error;
    }
    *changed = memcmp(&config, out, sizeof config) != 0; // of int64_t and pointers: there is no padding
    free_other(out, &config);
    *out = config;
    return NULL;
}

void mock_config_free(struct mock_behaviour *config) {
    free_other(config, &(struct mock_behaviour){0});
}

static void give_refusals(const struct mock_behaviour *config,
                          void (*each)(void *argument, const char *name, const char *value), void *argument) {
    for (int provider = 0; provider < PROVIDER_COUNT; provider++) {
        if (*mock_refusals_text(config->refusals[provider])) {
            char name[MOCK_FIELD_NAME_SIZE];
            mock_field_name((unsigned)provider, MOCK_REFUSED_SENDERS, name);
            each(argument, name, mock_refusals_text(config->refusals[provider]));
        }
    }
}

void mock_config_each_field(const struct mock_behaviour *config,
                            void (*each)(void *argument, const char *name, const char *value), void *argument) {
    mock_fields_each(config->providers, each, argument);
    give_refusals(config, each, argument);
}
