// SPDX-License-Identifier: MIT
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/json.h"
#include "shared/message/message.h"
#include "shared/message/opt_out.h"
#include "shared/message/phone.h"

// Anyone can XADD, so a payload is trusted in nothing: every field is checked before the message is handed on.

#define MIN_MS (-62135596800000LL) // 0001-01-01T00:00:00.000Z
#define MAX_MS 253402300799999LL   // 9999-12-31T23:59:59.999Z
#define MAX_ID_BYTES 1024          // of what comes in headers

// What format 1's reader takes at most.
#define FORMAT_1_ADDRESS_BYTES 320
#define FORMAT_1_IDENTITY_BYTES 640
#define FORMAT_1_PROVIDER_ID_BYTES 1024
#define FORMAT_1_ATTACHMENTS 256
#define FORMAT_1_ATTACHMENT_BYTES 2048

struct text_field {
    const char *name;
    size_t offset;       // in struct message
    size_t min;          // bytes
    size_t max;          // bytes; 0: as many as there are
    size_t format_1_max; // the same in format 1
    bool optional;       // null or absent leaves NULL
    const char *error;
};

static const struct text_field text_fields[] = {
    {"from", offsetof(struct message, from), 1, MESSAGE_ADDRESS_MAX, FORMAT_1_ADDRESS_BYTES, false,
     "from is not a string of 1 to 16384 bytes"},
    {"to", offsetof(struct message, to), 1, MESSAGE_ADDRESS_MAX, FORMAT_1_ADDRESS_BYTES, false,
     "to is not a string of 1 to 16384 bytes"},
    {"sender", offsetof(struct message, sender), 1, MESSAGE_IDENTITY_MAX, FORMAT_1_IDENTITY_BYTES, false,
     "sender is not a string of 1 to 1024 bytes"},
    {"recipient", offsetof(struct message, recipient), 1, MESSAGE_IDENTITY_MAX, FORMAT_1_IDENTITY_BYTES, false,
     "recipient is not a string of 1 to 1024 bytes"},
    {"region", offsetof(struct message, region), 0, 2, 0, true, "region is not a string of at most 2 bytes"},
    {"subject", offsetof(struct message, subject), 0, 0, 0, true, "subject is not a string"},
    {"body", offsetof(struct message, body), 0, 0, 0, false, "body is not a string"},
    {"provider_message_id", offsetof(struct message, provider_message_id), 1, 0, FORMAT_1_PROVIDER_ID_BYTES, true,
     "provider_message_id is not a string of 1 byte or more"},
    {"request_id", offsetof(struct message, request_id), 1, MAX_ID_BYTES, MAX_ID_BYTES, true,
     "request_id is not a string of 1 to 1024 bytes"},
    {"traceparent", offsetof(struct message, traceparent), 1, MAX_ID_BYTES, MAX_ID_BYTES, true,
     "traceparent is not a string of 1 to 1024 bytes"},
};

#define TEXT_FIELD_COUNT (sizeof text_fields / sizeof *text_fields)

static char **message_decode_text_at(struct message *message, const struct text_field *field) {
    return (char **)(void *)((char *)message + field->offset);
}

// Takes the string out of the tree, which frees the rest (cJSON allocates by malloc unless told otherwise).
static char *steal_string(cJSON *value) {
    char *text = value->valuestring;
    value->valuestring = NULL;
    return text;
}

static const char *message_decode_take_text(struct message *message, const struct text_field *field, cJSON *value) {
    if (value == NULL || cJSON_IsNull(value)) {
        return field->optional ? NULL : field->error;
    }
    if (!cJSON_IsString(value)) {
        return field->error;
    }
    size_t length = strlen(value->valuestring);
    if (length < field->min || (field->max > 0 && length > field->max)) {
        return field->error;
    }
    *message_decode_text_at(message, field) = steal_string(value);
    return NULL;
}

static const char *message_decode_take_texts(struct message *message, const cJSON *object) {
    for (size_t i = 0; i < TEXT_FIELD_COUNT; i++) {
        cJSON *value = cJSON_GetObjectItemCaseSensitive(object, text_fields[i].name);
        const char *error = message_decode_take_text(message, &text_fields[i], value);
        if (error != NULL) {
            return error;
        }
    }
    return NULL;
}

static const char *take_attachments(struct message *message, const cJSON *object) {
    static const char bad[] = "attachments is not an array of at most 32767 strings of 1 byte or more";
    const cJSON *array = cJSON_GetObjectItemCaseSensitive(object, "attachments");
    if (!cJSON_IsArray(array)) {
        return bad;
    }
    int count = cJSON_GetArraySize(array);
    if (count > MESSAGE_ATTACHMENTS_MAX) {
        return bad;
    }
    if (count == 0) {
        return NULL;
    }
    message->attachments = xcalloc((size_t)count, sizeof *message->attachments);
    cJSON *value;
    cJSON_ArrayForEach(value, array) {
        if (!cJSON_IsString(value) || *value->valuestring == '\0') {
            return bad;
        }
        message->attachments[message->attachment_count++] = steal_string(value);
    }
    return NULL;
}

static const char *message_decode_take_kind(struct message *message, const cJSON *object) {
    const char *type = json_string(object, "type");
    if (type == NULL || message_type_parse(type, &message->type) != 0) {
        return "type is not sms, mms or email";
    }
    const char *direction = json_string(object, "direction");
    if (direction != NULL && strcmp(direction, message_direction_name(MESSAGE_OUTBOUND)) == 0) {
        message->direction = MESSAGE_OUTBOUND;
        return NULL;
    }
    if (direction != NULL && strcmp(direction, message_direction_name(MESSAGE_INBOUND)) == 0) {
        message->direction = MESSAGE_INBOUND;
        return NULL;
    }
    return "direction is not outbound or inbound";
}

static bool message_decode_take_time(const cJSON *object, const char *name, int64_t *out) {
    return json_integer(object, name, out) && *out >= MIN_MS && *out <= MAX_MS;
}

static const char *message_decode_take_opt_out(struct message *message, const cJSON *object) {
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(object, "opt_out");
    if (member == NULL) {
        return NULL;
    }
    if (!cJSON_IsString(member) || opt_out_state_parse(member->valuestring, &message->opt_out) != 0) {
        return "opt_out is not out or in";
    }
    return message_decode_take_time(object, "opt_out_ms", &message->opt_out_ms) &&
                   message_decode_take_time(object, "opt_out_came_ms", &message->opt_out_came_ms)
               ? NULL
               : "opt_out_ms or opt_out_came_ms is not a time of the years 1 to 9999 in milliseconds since 1970";
}

// Out of Postgres it is null where there is none.
static const char *take_send_at(struct message *message, const cJSON *object) {
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(object, "send_at");
    message->send_at_ms = MESSAGE_SEND_NOW;
    if (member == NULL || cJSON_IsNull(member)) {
        return NULL;
    }
    return message_decode_take_time(object, "send_at", &message->send_at_ms) && message->send_at_ms > 0
               ? NULL
               : "send_at is not a time of the years 1970 to 9999 in milliseconds since 1970";
}

static const char *take_all(struct message *message, const cJSON *object) {
    if (!cJSON_IsObject(object)) {
        return "the payload is not an object";
    }
    const char *error = message_decode_take_kind(message, object);
    if (error == NULL) {
        error = message_decode_take_texts(message, object);
    }
    if (error == NULL) {
        error = take_attachments(message, object);
    }
    if (error != NULL) {
        return error;
    }
    message->by_envelope = cJSON_IsTrue(json_member(object, "by_envelope"));
    if (!message_decode_take_time(object, "occurred_ms", &message->occurred_ms)) {
        return "occurred_ms is not a time of the years 1 to 9999 in milliseconds since 1970";
    }
    if (!message_decode_take_time(object, "accepted_ms", &message->accepted_ms)) {
        return "accepted_ms is not a time of the years 1 to 9999 in milliseconds since 1970";
    }
    if ((message->direction == MESSAGE_INBOUND) != (message->provider_message_id != NULL)) {
        return "provider_message_id is missing from an inbound message, or stands in an outbound one";
    }
    error = take_send_at(message, object);
    if (error == NULL && message->direction == MESSAGE_INBOUND) {
        error = message_decode_take_opt_out(message, object);
    }
    return error;
}

static const char no_memory[] = "there is no memory";

// Adds the normalized form of an address, which Postgres doesn't keep by message.
static const char *add_normalized(cJSON *tree, enum channel channel, const struct phone_region *region,
                                  const char *address, const char *name) {
    const char *given = json_string(tree, address);
    struct address_list list;
    if (given == NULL || address_keep(channel, given, region, &list) != NULL) {
        return "from or to is not an address of the message's type";
    }
    const cJSON *added = cJSON_AddStringToObject(tree, name, list.addresses->normalized);
    address_list_free(&list);
    return added != NULL ? NULL : no_memory;
}

const char *message_recall(const char *text, size_t length, const struct phone_region *region, struct message *out) {
    *out = (struct message){0};
    const char *error;
    cJSON *tree = json_parse(text, length, &error);
    if (tree == NULL) {
        return error;
    }
    error = message_decode_take_kind(out, tree);
    if (error == NULL) {
        error = add_normalized(tree, message_channel(out->type), region, "from", "sender");
    }
    if (error == NULL) {
        error = add_normalized(tree, message_channel(out->type), region, "to", "recipient");
    }
    if (error == NULL && cJSON_AddStringToObject(tree, "region", phone_region_code(region)) == NULL) {
        error = no_memory;
    }
    if (error == NULL) {
        error = take_all(out, tree);
    }
    cJSON_Delete(tree);
    if (error != NULL) {
        message_free(out);
    }
    return error;
}

const char *message_decode(const char *text, size_t length, struct message *out) {
    *out = (struct message){0};
    const char *error;
    cJSON *tree = json_parse(text, length, &error);
    if (tree == NULL) {
        return error;
    }
    error = take_all(out, tree);
    cJSON_Delete(tree);
    if (error != NULL) {
        message_free(out);
    }
    return error;
}

int message_format(const struct message *message) {
    for (size_t i = 0; i < TEXT_FIELD_COUNT; i++) {
        const char *text = *(char *const *)(const void *)((const char *)message + text_fields[i].offset);
        if (text_fields[i].format_1_max > 0 && text != NULL && strlen(text) > text_fields[i].format_1_max) {
            return 2;
        }
    }
    for (size_t i = 0; i < message->attachment_count; i++) {
        if (strlen(message->attachments[i]) > FORMAT_1_ATTACHMENT_BYTES) {
            return 2;
        }
    }
    return message->attachment_count > FORMAT_1_ATTACHMENTS ? 2 : 1;
}

void message_free(struct message *message) {
    for (size_t i = 0; i < TEXT_FIELD_COUNT; i++) {
        free(*message_decode_text_at(message, &text_fields[i]));
    }
    for (size_t i = 0; i < message->attachment_count; i++) {
        free(message->attachments[i]);
    }
    free(message->attachments);
    *message = (struct message){0};
}
