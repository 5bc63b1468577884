// SPDX-License-Identifier: MIT
#include "ingest/mock/control.h"

#include "ingest/mock/config.h"
#include "ingest/request/log.h"
#include "ingest/request/request.h"
#include "ingest/request/resources.h"
#include "ingest/request/response.h"
#include "shared/redis/keys.h"
#include "shared/redis/link.h"

#define EVERY_FIELD ((PROVIDER_COUNT + 1) * MOCK_FIELD_COUNT)

static void answer_config(struct ingest_request *request, const struct mock_config *config) {
    struct buf *json = &request->with->answer;
    buf_clear(json);
    ingest_mock_config_write(config, json);
    response_json(request, 200, json);
}

static void mock_control_answer_away(struct ingest_request *request, bool ambiguous) {
    response_unavailable(request, "Redis is unreachable", 1, ambiguous);
}

// ---- GET

static void mock_control_on_shown(void *argument, enum redis_result result, const redisReply *reply) {
    struct ingest_request *request = argument;
    if (!request_reply_came(request)) {
        return;
    }
    if (result != REDIS_LINK_OK) {
        mock_control_answer_away(request, false);
        return;
    }
    struct mock_config config;
    ingest_mock_config_from_settings(request->with->settings, &config);
    if (reply->elements > 0) {
        // What the hash says holds alone; an absent seed is none. The settings have no list that would have to be
        // freed.
        for (int provider = 0; provider < PROVIDER_COUNT; provider++) {
            config.provider[provider] = (struct mock_values){0};
        }
        config.general.value[MOCK_SEED] = MOCK_NO_SEED;
    }
    for (size_t i = 0; i + 1 < reply->elements; i += 2) {
        ingest_mock_config_take(&config, reply->element[i]->str, reply->element[i + 1]->str);
    }
    answer_config(request, &config);
    ingest_mock_config_free(&config);
}

void mock_control_show(struct ingest_request *request) {
    request_log_mock(request, "mock_config_get");
    const char *arguments[] = {"HGETALL", KEY_MOCK_CONFIG};
    if (redis_link_call(request->with->redis, mock_control_on_shown, request, 2, arguments, NULL) != 0) {
        mock_control_answer_away(request, false);
        return;
    }
    request_expect_reply(request);
}

// ---- PUT

// Names and numbers of what the hash shall hold, as arguments.
struct hash_fields {
    char names[EVERY_FIELD][MOCK_FIELD_NAME_SIZE];
    char numbers[EVERY_FIELD][DECIMAL_SIZE];
};

// HSET mock:config name value …, for what is set.
static int set_arguments(const struct mock_config *config, struct hash_fields *fields, const char **arguments) {
    int count = 0, used = 0;
    arguments[count++] = "HSET";
    arguments[count++] = KEY_MOCK_CONFIG;
    for (unsigned provider = 0; provider <= PROVIDER_COUNT; provider++) {
        const struct mock_values *values = provider == PROVIDER_COUNT ? &config->general : &config->provider[provider];
        for (int i = 0; i < MOCK_FIELD_COUNT; i++) {
            if (!values->is_set[i]) {
                continue;
            }
            mock_field_name(provider, (enum mock_field)i, fields->names[used]);
            arguments[count++] = fields->names[used];
            arguments[count++] = ingest_mock_config_field_text(values, (enum mock_field)i, fields->numbers[used]);
            used++;
        }
    }
    return count;
}

// HDEL mock:config with every field that a configuration can have: what the new one doesn't set is gone.
static int delete_arguments(char names[EVERY_FIELD][MOCK_FIELD_NAME_SIZE], const char **arguments) {
    int count = 0, used = 0;
    arguments[count++] = "HDEL";
    arguments[count++] = KEY_MOCK_CONFIG;
    for (unsigned provider = 0; provider <= PROVIDER_COUNT; provider++) {
        for (int i = 0; i < MOCK_FIELD_COUNT; i++) {
            mock_field_name(provider, (enum mock_field)i, names[used]);
            arguments[count++] = names[used++];
        }
    }
    return count;
}

static void mock_control_on_changed(void *argument, enum redis_result result, const redisReply *reply) {
    struct ingest_request *request = argument;
    (void)reply;
    if (!request_reply_came(request)) {
        return;
    }
    if (result != REDIS_LINK_OK) {
        mock_control_answer_away(request, result == REDIS_LINK_LOST);
        return;
    }
    // The body is checked, or it would not have been sent; it is read again rather than kept.
    struct mock_config config;
    struct mock_config_error error;
    size_t length;
    const char *body = http_body(request->http, &length);
    if (ingest_mock_config_parse(body, length, &config, &error) != 0) {
        response_internal_error(request);
        return;
    }
    answer_config(request, &config);
    ingest_mock_config_free(&config);
}

// One transaction, and the notice of it. All go out or, where the link is down, none does.
static int send_change(struct ingest_request *request, const struct mock_config *config) {
    struct redis_link *redis = request->with->redis;
    const char *multi[] = {"MULTI"}, *exec[] = {"EXEC"};
    const char *raise[] = {"HINCRBY", KEY_MOCK_CONFIG, "version", "1"};
    const char *publish[] = {"PUBLISH", KEY_MOCK_CONFIG, "changed"};
    const char *arguments[2 + 2 * EVERY_FIELD];
    struct hash_fields fields;
    if (redis_link_call(redis, NULL, NULL, 1, multi, NULL) != 0) {
        return -1;
    }
    int count = delete_arguments(fields.names, arguments);
    int failed = redis_link_call(redis, NULL, NULL, count, arguments, NULL);
    count = set_arguments(config, &fields, arguments);
    failed |= redis_link_call(redis, NULL, NULL, count, arguments, NULL);
    failed |= redis_link_call(redis, NULL, NULL, 4, raise, NULL);
    failed |= redis_link_call(redis, mock_control_on_changed, request, 1, exec, NULL);
    if (failed != 0) {
        return -1;
    }
    request_expect_reply(request);
    (void)!redis_link_call(redis, NULL, NULL, 3, publish, NULL); // the mock looks by itself every 50 ms
    return 0;
}

void mock_control_change(struct ingest_request *request) {
    struct mock_config config;
    struct mock_config_error error;
    size_t length;
    const char *body = http_body(request->http, &length);
    if (ingest_mock_config_parse(body, length, &config, &error) != 0) {
        if (error.field[0] != '\0') {
            response_bad_field(request, error.field, error.reason);
        } else {
            response_error(request, API_BAD_REQUEST, error.reason);
        }
        return;
    }
    request_log_mock(request, "mock_config_put");
    if (send_change(request, &config) != 0) {
        mock_control_answer_away(request, false);
    }
    ingest_mock_config_free(&config);
}
