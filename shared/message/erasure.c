// SPDX-License-Identifier: MIT
#include "shared/message/erasure.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/json.h"

void erasure_encode(const struct erasure *erasure, struct buf *out) {
    buf_putc(out, '{');
    json_write_member(out, "channel", channel_name(erasure->channel));
    json_write_member(out, "one", erasure->one);
    json_write_member(out, "other", erasure->other);
    buf_putc(out, '}');
}

static char *erasure_take_identity(const cJSON *object, const char *name) {
    const char *text = json_string(object, name);
    bool is_one = text != NULL && *text != '\0' && strlen(text) <= MESSAGE_IDENTITY_MAX;
    return is_one ? xstrdup(text) : NULL;
}

static bool erasure_take_channel(const char *text, enum channel *out) {
    for (enum channel channel = CHANNEL_SMS; text != NULL && channel <= CHANNEL_EMAIL; channel++) {
        if (strcmp(text, channel_name(channel)) == 0) {
            *out = channel;
            return true;
        }
    }
    return false;
}

static const char *erasure_take(const cJSON *object, struct erasure *out) {
    out->one = erasure_take_identity(object, "one");
    out->other = erasure_take_identity(object, "other");
    if (!erasure_take_channel(json_string(object, "channel"), &out->channel)) {
        return "channel is not sms or email";
    }
    return out->one != NULL && out->other != NULL ? NULL : "one or other is not a string of 1 to 1024 bytes";
}

const char *erasure_decode(const char *text, size_t length, struct erasure *out) {
    *out = (struct erasure){0};
    const char *error;
    cJSON *object = json_parse(text, length, &error);
    if (object == NULL) {
        return error;
    }
    error = cJSON_IsObject(object) ? erasure_take(object, out) : "the payload is not an object";
    if (error != NULL) {
        erasure_free(out);
    }
    cJSON_Delete(object);
    return error;
}

void erasure_free(struct erasure *erasure) {
    free(erasure->one);
    free(erasure->other);
    *erasure = (struct erasure){0};
}

void erasure_names(const struct erasure *erasure, char out[ERASURE_NAMES][CONVERSATION_SIZE]) {
    struct message there = {.type = erasure->channel == CHANNEL_EMAIL ? MESSAGE_EMAIL : MESSAGE_SMS,
                            .sender = erasure->one,
                            .recipient = erasure->other};
    struct message back = {.type = there.type, .sender = erasure->other, .recipient = erasure->one};
    conversation_name(&there, out[0]);
    conversation_name(&back, out[1]);
}
