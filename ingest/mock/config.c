// SPDX-License-Identifier: MIT
#include "ingest/mock/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/json.h"
#include "shared/message/address.h"

#define MOST_SENDERS 100 // that are refused
#define PREFIX_SIZE 32   // "providers.sms-mms."

// What a field of the API's must be.
static const char *const reasons[MOCK_FIELD_COUNT] = {
    [MOCK_TIMEOUT_PCT] = "must be an integer from 0 to 100",
    [MOCK_ERROR_PCT] = "must be an integer from 0 to 100",
    [MOCK_RATELIMIT_PCT] = "must be an integer from 0 to 100",
    [MOCK_SEED] = "must be null or an integer from 0 to 9007199254740991",
    [MOCK_LATENCY_MS] = "must be an integer from 0 to 60000",
    [MOCK_RETRY_AFTER_SECS] = "must be an integer from 0 to 86400",
    [MOCK_RECEIPTS_PCT] = "must be an integer from 0 to 100",
    [MOCK_UNDELIVERED_PCT] = "must be an integer from 0 to 100",
    [MOCK_RECEIPT_DELAY_MS] = "must be an integer from 0 to 600000",
    [MOCK_REFUSED_SENDERS] = "must be an array of at most 100 strings, each of 1 to 320 bytes",
};

static int mock_config_refuse(struct mock_config_error *error, const char *prefix, const char *field,
                              const char *reason) {
    snprintf(error->field, sizeof error->field, "%.31s%.31s", prefix, field);
    error->reason = reason;
    return -1;
}

static bool is_list_of_senders(const cJSON *array) {
    const cJSON *sender;
    if (!cJSON_IsArray(array) || cJSON_GetArraySize(array) > MOST_SENDERS) {
        return false;
    }
    cJSON_ArrayForEach(sender, array) {
        if (!cJSON_IsString(sender) || sender->valuestring[0] == '\0' ||
            strlen(sender->valuestring) > ADDRESS_MAX_BYTES) {
            return false;
        }
    }
    return true;
}

// Takes a copy of a list that is in order.
static void set_senders(struct mock_values *out, const cJSON *array) {
    struct buf json = {0};
    const cJSON *sender;
    buf_putc(&json, '[');
    cJSON_ArrayForEach(sender, array) {
        buf_puts(&json, sender == array->child ? "" : ",");
        json_write_string(&json, sender->valuestring);
    }
    buf_putc(&json, ']');
    free(out->refused_senders);
    out->refused_senders = json.data;
    out->is_set[MOCK_REFUSED_SENDERS] = true;
}

static int parse_senders(const cJSON *object, const char *prefix, struct mock_values *out,
                         struct mock_config_error *error) {
    const cJSON *array = json_member(object, mock_fields[MOCK_REFUSED_SENDERS].name);
    if (array == NULL) {
        return 0;
    }
    if (!is_list_of_senders(array)) {
        return mock_config_refuse(error, prefix, mock_fields[MOCK_REFUSED_SENDERS].name, reasons[MOCK_REFUSED_SENDERS]);
    }
    set_senders(out, array);
    return 0;
}

static int parse_values(const cJSON *object, const char *prefix, struct mock_values *out,
                        struct mock_config_error *error) {
    for (int i = 0; i < MOCK_NUMBER_COUNT; i++) {
        const cJSON *member = json_member(object, mock_fields[i].name);
        if (member == NULL) {
            continue;
        }
        out->is_set[i] = true;
        out->value[i] = MOCK_NO_SEED;
        if (i == MOCK_SEED && cJSON_IsNull(member)) {
            continue;
        }
        if (!json_integer(object, mock_fields[i].name, &out->value[i]) || out->value[i] < 0 ||
            out->value[i] > mock_fields[i].most) {
            return mock_config_refuse(error, prefix, mock_fields[i].name, reasons[i]);
        }
    }
    return parse_senders(object, prefix, out, error);
}

static void complete_senders(struct mock_values *general) {
    if (!general->is_set[MOCK_REFUSED_SENDERS]) {
        general->is_set[MOCK_REFUSED_SENDERS] = true;
        general->refused_senders = xstrdup("[]");
    }
}

static int complete_general(struct mock_values *general, struct mock_config_error *error) {
    complete_senders(general);
    for (int i = 0; i < MOCK_NUMBER_COUNT; i++) {
        if (general->is_set[i]) {
            continue;
        }
        if (i <= MOCK_RATELIMIT_PCT) { // the shares
            return mock_config_refuse(error, "", mock_fields[i].name, "is required");
        }
        general->is_set[i] = true;
        general->value[i] = mock_fields[i].otherwise;
    }
    return 0;
}

static int64_t effective(const struct mock_config *config, unsigned provider, enum mock_field field) {
    const struct mock_values *own = &config->provider[provider];
    return own->is_set[field] ? own->value[field] : config->general.value[field];
}

static int check_sums(const struct mock_config *config, struct mock_config_error *error) {
    static const char reason[] = "makes more than 100 together with timeout_pct and error_pct";
    const int64_t *general = config->general.value;
    if (general[MOCK_TIMEOUT_PCT] + general[MOCK_ERROR_PCT] + general[MOCK_RATELIMIT_PCT] > 100) {
        return mock_config_refuse(error, "", mock_fields[MOCK_RATELIMIT_PCT].name, reason);
    }
    for (unsigned provider = 0; provider < PROVIDER_COUNT; provider++) {
        if (effective(config, provider, MOCK_TIMEOUT_PCT) + effective(config, provider, MOCK_ERROR_PCT) +
                effective(config, provider, MOCK_RATELIMIT_PCT) >
            100) {
            char prefix[PREFIX_SIZE];
            snprintf(prefix, sizeof prefix, "providers.%s.", provider_name((enum provider)provider));
            return mock_config_refuse(error, prefix, mock_fields[MOCK_RATELIMIT_PCT].name, reason);
        }
    }
    return 0;
}

static int parse_overrides(const cJSON *root, struct mock_config *out, struct mock_config_error *error) {
    const cJSON *overrides = json_member(root, "providers");
    if (overrides == NULL || cJSON_IsNull(overrides)) {
        return 0;
    }
    if (!cJSON_IsObject(overrides)) {
        return mock_config_refuse(error, "", "providers", "must be an object");
    }
    const cJSON *override;
    cJSON_ArrayForEach(override, overrides) {
        enum provider provider;
        if (provider_parse(override->string, &provider) != 0) {
            return mock_config_refuse(error, "", "providers", "may hold sms-mms and email");
        }
        char prefix[PREFIX_SIZE];
        snprintf(prefix, sizeof prefix, "providers.%s.", provider_name(provider));
        if (!cJSON_IsObject(override)) {
            return mock_config_refuse(error, "providers.", override->string, "must be an object");
        }
        if (parse_values(override, prefix, &out->provider[provider], error) != 0) {
            return -1;
        }
    }
    return 0;
}

int ingest_mock_config_parse(const char *text, size_t length, struct mock_config *out,
                             struct mock_config_error *error) {
    *out = (struct mock_config){0};
    *error = (struct mock_config_error){"", NULL};
    cJSON *root = json_parse(text, length, &error->reason);
    if (root == NULL) {
        return -1;
    }
    int result = cJSON_IsObject(root) ? 0 : mock_config_refuse(error, "", "", "The document must be an object.");
    if (result == 0) {
        result = parse_values(root, "", &out->general, error);
    }
    if (result == 0) {
        result = complete_general(&out->general, error);
    }
    if (result == 0) {
        result = parse_overrides(root, out, error);
    }
    if (result == 0) {
        result = check_sums(out, error);
    }
    cJSON_Delete(root);
    if (result != 0) {
        ingest_mock_config_free(out);
    }
    return result;
}

void ingest_mock_config_free(struct mock_config *config) {
    free(config->general.refused_senders);
    for (int provider = 0; provider < PROVIDER_COUNT; provider++) {
        free(config->provider[provider].refused_senders);
    }
    *config = (struct mock_config){0};
}

// What is no list of senders is skipped, as the mock does.
static void mock_config_take_senders(struct mock_values *out, const char *text) {
    const char *why;
    cJSON *array = json_parse(text, strlen(text), &why);
    if (array != NULL && is_list_of_senders(array)) {
        set_senders(out, array);
    }
    cJSON_Delete(array);
}

static void take_value(struct mock_values *out, enum mock_field field, const char *text) {
    if (field == MOCK_REFUSED_SENDERS) {
        mock_config_take_senders(out, text);
        return;
    }
    out->is_set[field] = true;
    out->value[field] = text[0] == '\0' ? MOCK_NO_SEED : strtoll(text, NULL, 10);
}

void ingest_mock_config_take(struct mock_config *out, const char *name, const char *value) {
    for (unsigned provider = 0; provider <= PROVIDER_COUNT; provider++) {
        for (int i = 0; i < MOCK_FIELD_COUNT; i++) {
            char known[MOCK_FIELD_NAME_SIZE];
            mock_field_name(provider, (enum mock_field)i, known);
            if (strcmp(name, known) == 0) {
                take_value(provider == PROVIDER_COUNT ? &out->general : &out->provider[provider], (enum mock_field)i,
                           value);
                return;
            }
        }
    }
}

static void mock_config_take_setting(void *argument, const char *name, const char *text) {
    ingest_mock_config_take(argument, name, text);
}

// The settings are kept a provider; what differs from the first is shown as an override.
void ingest_mock_config_from_settings(const struct settings *settings, struct mock_config *out) {
    *out = (struct mock_config){0};
    mock_fields_each(settings->mock, mock_config_take_setting, out);
    complete_senders(&out->general);
}

const char *ingest_mock_config_field_text(const struct mock_values *values, enum mock_field field,
                                          char buffer[DECIMAL_SIZE]) {
    if (field == MOCK_REFUSED_SENDERS) {
        return values->refused_senders;
    }
    return mock_field_text(values->value[field], buffer);
}

static void write_values(const struct mock_values *values, struct buf *json) {
    for (int i = 0; i < MOCK_NUMBER_COUNT; i++) {
        if (!values->is_set[i]) {
            continue;
        }
        if (values->value[i] == MOCK_NO_SEED) {
            json_write_member(json, mock_fields[i].name, NULL);
        } else {
            json_write_member_int(json, mock_fields[i].name, values->value[i]);
        }
    }
    if (values->is_set[MOCK_REFUSED_SENDERS]) {
        json_write_name(json, mock_fields[MOCK_REFUSED_SENDERS].name);
        buf_puts(json, values->refused_senders);
    }
}

static bool has_any(const struct mock_values *values) {
    for (int i = 0; i < MOCK_FIELD_COUNT; i++) {
        if (values->is_set[i]) {
            return true;
        }
    }
    return false;
}

void ingest_mock_config_write(const struct mock_config *config, struct buf *json) {
    buf_putc(json, '{');
    write_values(&config->general, json);
    json_write_name(json, "providers");
    buf_putc(json, '{');
    for (int provider = 0; provider < PROVIDER_COUNT; provider++) {
        if (has_any(&config->provider[provider])) {
            json_write_name(json, provider_name((enum provider)provider));
            buf_putc(json, '{');
            write_values(&config->provider[provider], json);
            buf_putc(json, '}');
        }
    }
    buf_puts(json, "}}");
}
