// SPDX-License-Identifier: MIT
// A body of POST /api/messages/batch → its messages, each of which is judged by itself.

#include <string.h>

#include "ingest/batch/list.h"
#include "shared/base/json.h"
#include "tests/fuzz/targets.h"

static const struct payload_rules rules = {.max_attachments = 8, .now_ms = 1730469600000, .redis_ms = 1730469600000};

// They stand one behind the other within the text, each a value that is no longer than it says.
static void assert_spans(const char *text, size_t length, const struct batch_list *list) {
    uint8_t digest[SHA256_SIZE] = {0}, again[SHA256_SIZE] = {0};
    size_t end = 0;
    FUZZ_ASSERT(list->count >= 1 && list->count <= BATCH_MOST_MESSAGES);
    for (size_t i = 0; i < list->count; i++) {
        const struct batch_span *span = &list->spans[i];
        struct payload_error error = {.reason = NULL};
        struct message message;
        bool stamped;
        FUZZ_ASSERT(span->at >= end && span->length > 0 && span->at + span->length < length);
        end = span->at + span->length;
        batch_list_digest(digest, text + span->at, span->length);
        batch_list_digest(again, text + span->at, span->length);
        if (payload_parse(PAYLOAD_SEND_LISTED, text + span->at, span->length, &rules, &message, &stamped, &error) ==
            0) {
            FUZZ_ASSERT(message.direction == MESSAGE_OUTBOUND && !stamped);
            message_free(&message);
        } else {
            FUZZ_ASSERT(error.reason != NULL);
        }
    }
    FUZZ_ASSERT(memcmp(digest, again, sizeof digest) == 0);
}

// What json_parse takes, and has one array of that name, is a list; what is a list may only be wrong within a message.
static void assert_shape(const char *text, size_t length, const struct batch_list *list) {
    const char *error;
    cJSON *tree = json_parse(text, length, &error);
    if (tree != NULL && list->count > 0) {
        FUZZ_ASSERT(cJSON_GetArraySize(json_member(tree, "messages")) == (int)list->count);
    } else if (tree != NULL && cJSON_GetArraySize(tree) <= 64) {
        int count = cJSON_GetArraySize(json_member(tree, "messages"));
        FUZZ_ASSERT(!cJSON_IsArray(json_member(tree, "messages")) || count == 0 || count > BATCH_MOST_MESSAGES);
    }
    cJSON_Delete(tree);
}

void fuzz_list(const uint8_t *data, size_t size) {
    char *text = malloc(size + 1);
    struct batch_list list;
    struct payload_error error = {.reason = NULL};
    if (size > 0) {
        memcpy(text, data, size);
    }
    text[size] = '\0';
    if (batch_list_read(text, size, &list, &error) == 0) {
        assert_spans(text, size, &list);
    } else {
        FUZZ_ASSERT(error.reason != NULL && list.spans == NULL && list.count == 0);
    }
    assert_shape(text, size, &list);
    batch_list_free(&list);
    free(text);
}
