// SPDX-License-Identifier: MIT
//
// Anyone can XADD, so a payload is trusted in nothing: what comes out fits the columns of Postgres.
#include "shared/message/receipt_entry.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/json.h"
#include "shared/base/unicode.h"
#include "shared/message/entry.h"

static const char *const status_names[] = {[RECEIPT_DELIVERED] = "delivered", [RECEIPT_UNDELIVERED] = "undelivered"};

const char *receipt_status_name(enum receipt_status status) {
    return status_names[status];
}

int receipt_status_parse(const char *text, enum receipt_status *out) {
    for (enum receipt_status status = RECEIPT_DELIVERED; status <= RECEIPT_UNDELIVERED; status++) {
        if (strcmp(text, status_names[status]) == 0) {
            *out = status;
            return 0;
        }
    }
    return -1;
}

static const struct receipt_text {
    const char *name;
    size_t offset; // in struct receipt_entry
    size_t max;    // bytes
    bool is_printable;
    const char *error;
} texts[] = {
    {"code", offsetof(struct receipt_entry, code), RECEIPT_CODE_MAX, true,
     "code is not a string of 1 to 64 printable characters"},
    {"reason", offsetof(struct receipt_entry, reason), RECEIPT_REASON_MAX, false,
     "reason is not a string of 1 to 1024 bytes"},
    {"provider_message_id", offsetof(struct receipt_entry, provider_message_id), RECEIPT_PROVIDER_ID_MAX, false,
     "provider_message_id is not a string of 1 to 1024 bytes"},
};

#define TEXT_COUNT (sizeof texts / sizeof *texts)

static char *receipt_text_of(const struct receipt_entry *receipt, const struct receipt_text *text) {
    return *(char *const *)(const void *)((const char *)receipt + text->offset);
}

static void receipt_put_text(struct receipt_entry *receipt, const struct receipt_text *text, char *value) {
    *(char **)(void *)((char *)receipt + text->offset) = value;
}

void receipt_entry_encode(const struct receipt_entry *receipt, struct buf *out) {
    buf_putc(out, '{');
    json_write_member(out, "provider", provider_name(receipt->provider));
    json_write_member(out, "status", receipt_status_name(receipt->status));
    if (receipt->at_ms != RECEIPT_NO_TIME) {
        json_write_member_int(out, "at", receipt->at_ms);
    }
    for (size_t i = 0; i < TEXT_COUNT; i++) {
        const char *value = receipt_text_of(receipt, &texts[i]);
        if (value != NULL) {
            json_write_member(out, texts[i].name, value);
        }
    }
    buf_putc(out, '}');
}

static bool receipt_text_fits(const struct receipt_text *text, const char *value) {
    size_t length = strlen(value);
    return length > 0 && length <= text->max && (!text->is_printable || unicode_is_printable_ascii(value, text->max));
}

static const char *receipt_take_text(struct receipt_entry *receipt, const cJSON *object,
                                     const struct receipt_text *text) {
    const cJSON *value = json_member(object, text->name);
    if (value == NULL || cJSON_IsNull(value)) {
        return NULL;
    }
    if (!cJSON_IsString(value) || !receipt_text_fits(text, value->valuestring)) {
        return text->error;
    }
    receipt_put_text(receipt, text, xstrdup(value->valuestring));
    return NULL;
}

static bool receipt_take_time(const cJSON *object, int64_t *out) {
    const cJSON *value = json_member(object, "at");
    *out = RECEIPT_NO_TIME;
    if (value == NULL || cJSON_IsNull(value)) {
        return true;
    }
    return json_integer(object, "at", out) && *out >= 0 && *out <= ENTRY_MAX_MS;
}

static const char *receipt_take_all(struct receipt_entry *receipt, const cJSON *object) {
    if (!cJSON_IsObject(object)) {
        return "the payload is not an object";
    }
    const char *provider = json_string(object, "provider");
    if (provider == NULL || provider_parse(provider, &receipt->provider) != 0) {
        return "provider is not sms-mms or email";
    }
    const char *status = json_string(object, "status");
    if (status == NULL || receipt_status_parse(status, &receipt->status) != 0) {
        return "status is not delivered or undelivered";
    }
    if (!receipt_take_time(object, &receipt->at_ms)) {
        return "at is not a time until the year 9999 in milliseconds since 1970";
    }
    const char *error = NULL;
    for (size_t i = 0; i < TEXT_COUNT && error == NULL; i++) {
        error = receipt_take_text(receipt, object, &texts[i]);
    }
    return error;
}

const char *receipt_entry_decode(const char *text, size_t length, struct receipt_entry *out) {
    *out = (struct receipt_entry){.at_ms = RECEIPT_NO_TIME};
    const char *error;
    cJSON *tree = json_parse(text, length, &error);
    if (tree == NULL) {
        return error;
    }
    error = receipt_take_all(out, tree);
    cJSON_Delete(tree);
    if (error != NULL) {
        receipt_entry_free(out);
    }
    return error;
}

void receipt_entry_free(struct receipt_entry *receipt) {
    for (size_t i = 0; i < TEXT_COUNT; i++) {
        free(receipt_text_of(receipt, &texts[i]));
    }
    *receipt = (struct receipt_entry){.at_ms = RECEIPT_NO_TIME};
}
