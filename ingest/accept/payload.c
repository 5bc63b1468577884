// SPDX-License-Identifier: MIT
#include "ingest/accept/payload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shared/base/json.h"
#include "shared/base/rfc3339.h"
#include "shared/base/unicode.h"

#define MAX_ATTACHMENT_BYTES 2048
#define MAX_PROVIDER_ID_CHARACTERS 255

static const char required[] = "is required";
static const char not_a_string[] = "must be a string";
static const char bad_channel[] = "must be sms, mms or email";
static const char bad_type[] = "must be sms or mms";
static const char blank_body[] = "must not be blank";
static const char bad_timestamp[] = "must be an RFC 3339 date-time, such as 2024-11-01T14:00:00Z";
static const char bad_provider_id[] = "must be 1 to 255 printable characters";
static const char needs_attachment[] = "must hold at least one URL, because the type is mms";
static const char not_an_array[] = "must be an array of strings or null";
static const char too_many[] = "holds more than API_MAX_ATTACHMENTS";
static const char bad_length[] = "must be 1 to 2048 bytes long";
static const char has_control[] = "must not contain control characters";
static const char bad_scheme[] = "must be an http or https URL where it has a scheme";

// What is read, and where to. Each reader below fills a part of *out, or notes the error and returns -1.
struct reading {
    const cJSON *root;
    enum payload_kind kind;
    const struct payload_rules *rules;
    struct message *out;
    bool *stamped;
    struct payload_error *error;
};

static int payload_refuse(const struct reading *reading, const char *field, const char *reason) {
    snprintf(reading->error->field, PAYLOAD_FIELD_SIZE, "%s", field);
    reading->error->reason = reason;
    return -1;
}

static bool is_send(const struct reading *reading) {
    return reading->kind == PAYLOAD_SEND_SMS || reading->kind == PAYLOAD_SEND_EMAIL;
}

static bool is_present(const cJSON *member) {
    return member != NULL && !cJSON_IsNull(member);
}

static int read_string(const struct reading *reading, const char *field, const char **out) {
    const cJSON *member = json_member(reading->root, field);
    if (!is_present(member)) {
        return payload_refuse(reading, field, required);
    }
    if (!cJSON_IsString(member)) {
        return payload_refuse(reading, field, not_a_string);
    }
    *out = member->valuestring;
    return 0;
}

static int parse_type(const char *text, enum message_type *out) {
    for (int type = MESSAGE_SMS; type <= MESSAGE_EMAIL; type++) {
        if (strcasecmp(text, message_type_name((enum message_type)type)) == 0) {
            *out = (enum message_type)type;
            return 0;
        }
    }
    return -1;
}

// What kind of address the message has: by the route, or by a mock inbound's "channel", which gives its type too.
static int read_channel(const struct reading *reading) {
    const char *text;
    switch (reading->kind) {
    case PAYLOAD_SEND_SMS:
    case PAYLOAD_WEBHOOK_SMS:
        reading->out->type = MESSAGE_SMS;
        return 0;
    case PAYLOAD_SEND_EMAIL:
    case PAYLOAD_WEBHOOK_EMAIL:
        reading->out->type = MESSAGE_EMAIL;
        return 0;
    case PAYLOAD_MOCK_INBOUND:
        break;
    }
    if (read_string(reading, "channel", &text) != 0) {
        return -1;
    }
    return parse_type(text, &reading->out->type) == 0 ? 0 : payload_refuse(reading, "channel", bad_channel);
}

// SMS or MMS; a mock inbound may leave it to its channel.
static int read_type(const struct reading *reading) {
    const char *text;
    bool left_to_channel = reading->kind == PAYLOAD_MOCK_INBOUND && !is_present(json_member(reading->root, "type"));
    if (reading->out->type == MESSAGE_EMAIL || left_to_channel) {
        return 0;
    }
    if (read_string(reading, "type", &text) != 0) {
        return -1;
    }
    if (parse_type(text, &reading->out->type) != 0 || reading->out->type == MESSAGE_EMAIL) {
        return payload_refuse(reading, "type", bad_type);
    }
    return 0;
}

static int read_address(const struct reading *reading, const char *field, char **shown, char **normalized) {
    const char *text;
    if (read_string(reading, field, &text) != 0) {
        return -1;
    }
    const char *reason = address_parse(message_channel(reading->out->type), text, reading->rules->region, shown,
                                       normalized, reading->error->text);
    return reason == NULL ? 0 : payload_refuse(reading, field, reason);
}

static int read_addresses(const struct reading *reading) {
    struct message *out = reading->out;
    if (read_address(reading, "from", &out->from, &out->sender) != 0) {
        return -1;
    }
    return read_address(reading, "to", &out->to, &out->recipient);
}

static bool payload_is_blank(const char *text) {
    size_t left = strlen(text), taken;
    for (; left > 0; text += taken, left -= taken) {
        if (!unicode_is_space(unicode_decode(text, left, &taken))) {
            return false;
        }
    }
    return true;
}

static int read_body(const struct reading *reading) {
    const char *text;
    if (read_string(reading, "body", &text) != 0) {
        return -1;
    }
    if (is_send(reading) && payload_is_blank(text)) {
        return payload_refuse(reading, "body", blank_body);
    }
    reading->out->body = xstrdup(text);
    return 0;
}

// Counts characters, up to the first control character or `most`; *rest is where it stopped.
static size_t count_printable(const char *text, size_t most, const char **rest) {
    size_t left = strlen(text), taken, count = 0;
    for (; left > 0 && count < most; text += taken, left -= taken, count++) {
        if (unicode_is_control(unicode_decode(text, left, &taken))) {
            break;
        }
    }
    *rest = text;
    return count;
}

// RFC 3986, 3.1: a letter, then letters, digits, + - . up to the colon.
static bool has_foreign_scheme(const char *url) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    static const char others[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.";
    size_t length = strspn(url, others);
    if (strspn(url, letters) == 0 || url[length] != ':') {
        return false;
    }
    return !(length == 4 && strncasecmp(url, "http", 4) == 0) && !(length == 5 && strncasecmp(url, "https", 5) == 0);
}

static const char *check_attachment(const cJSON *item) {
    if (!cJSON_IsString(item)) {
        return not_a_string;
    }
    size_t length = strlen(item->valuestring);
    if (length == 0 || length > MAX_ATTACHMENT_BYTES) {
        return bad_length;
    }
    const char *rest;
    (void)count_printable(item->valuestring, length, &rest);
    if (*rest != '\0') {
        return has_control;
    }
    return has_foreign_scheme(item->valuestring) ? bad_scheme : NULL;
}

static int copy_attachments(const struct reading *reading, const cJSON *array, size_t count) {
    struct message *out = reading->out;
    out->attachments = xcalloc(count, sizeof *out->attachments);
    const cJSON *item;
    cJSON_ArrayForEach(item, array) {
        const char *reason = check_attachment(item);
        if (reason != NULL) {
            char field[PAYLOAD_FIELD_SIZE];
            snprintf(field, sizeof field, "attachments[%zu]", out->attachment_count);
            return payload_refuse(reading, field, reason);
        }
        out->attachments[out->attachment_count++] = xstrdup(item->valuestring);
    }
    return 0;
}

static int read_attachments(const struct reading *reading) {
    const cJSON *array = json_member(reading->root, "attachments");
    if (is_present(array) && !cJSON_IsArray(array)) {
        return payload_refuse(reading, "attachments", not_an_array);
    }
    size_t count = is_present(array) ? (size_t)cJSON_GetArraySize(array) : 0;
    if (count > reading->rules->max_attachments) {
        return payload_refuse(reading, "attachments", too_many);
    }
    if (count == 0 && is_send(reading) && reading->out->type == MESSAGE_MMS) {
        return payload_refuse(reading, "attachments", needs_attachment);
    }
    return count == 0 ? 0 : copy_attachments(reading, array, count);
}

// A provider's message must not be lost over its timestamp; a client can correct its own.
static int read_timestamp(const struct reading *reading) {
    const char *text = json_string(reading->root, "timestamp");
    *reading->stamped = false;
    if (text != NULL && rfc3339_parse(text, &reading->out->occurred_ms) == 0) {
        return 0;
    }
    if (is_send(reading)) {
        bool present = is_present(json_member(reading->root, "timestamp"));
        return payload_refuse(reading, "timestamp", present ? bad_timestamp : required);
    }
    reading->out->occurred_ms = reading->rules->now_ms;
    *reading->stamped = true;
    return 0;
}

static int read_provider_id(const struct reading *reading) {
    const char *field = reading->out->type == MESSAGE_EMAIL ? "xillio_id" : "messaging_provider_id";
    const char *text, *rest;
    if (is_send(reading) || (reading->kind == PAYLOAD_MOCK_INBOUND && !is_present(json_member(reading->root, field)))) {
        return 0;
    }
    if (read_string(reading, field, &text) != 0) {
        return -1;
    }
    if (count_printable(text, MAX_PROVIDER_ID_CHARACTERS, &rest) == 0 || *rest != '\0') {
        return payload_refuse(reading, field, bad_provider_id);
    }
    reading->out->provider_message_id = xstrdup(text);
    return 0;
}

static int (*const readers[])(const struct reading *) = {
    read_channel, read_addresses, read_type, read_body, read_attachments, read_timestamp, read_provider_id,
};

int payload_parse(enum payload_kind kind, const char *text, size_t length, const struct payload_rules *rules,
                  struct message *out, bool *stamped, struct payload_error *error) {
    *out = (struct message){0};
    error->field[0] = '\0';
    error->reason = NULL;
    cJSON *root = json_parse(text, length, &error->reason);
    if (root == NULL) {
        return -1;
    }
    struct reading reading = {root, kind, rules, out, stamped, error};
    out->direction = is_send(&reading) ? MESSAGE_OUTBOUND : MESSAGE_INBOUND;
    int result = cJSON_IsObject(root) ? 0 : payload_refuse(&reading, "", "The document must be an object.");
    for (size_t i = 0; result == 0 && i < sizeof readers / sizeof *readers; i++) {
        result = readers[i](&reading);
    }
    if (result != 0) {
        message_free(out);
        *out = (struct message){0};
    }
    cJSON_Delete(root);
    return result;
}
