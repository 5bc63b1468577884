// SPDX-License-Identifier: MIT
// A request's body → a message → what travels through Redis → the same message.
// Input: a digit that says which kind of body ('0' to '4'), then the body.

#include <string.h>

#include "ingest/accept/idempotency.h"
#include "ingest/accept/payload.h"
#include "shared/base/json.h"
#include "tests/fuzz/targets.h"

static void assert_same(const char *one, const char *other) {
    FUZZ_ASSERT((one == NULL) == (other == NULL));
    FUZZ_ASSERT(one == NULL || strcmp(one, other) == 0);
}

static void assert_survives(struct message *message) {
    struct buf text = {0};
    struct message read;
    message_encode(message, &text);
    const char *error = message_decode(text.data, text.length, &read);
    if (error != NULL) {
        fprintf(stderr, "%s\n%s\n", error, text.data);
        abort();
    }
    assert_same(message->from, read.from);
    assert_same(message->to, read.to);
    assert_same(message->sender, read.sender);
    assert_same(message->recipient, read.recipient);
    assert_same(message->body, read.body);
    assert_same(message->provider_message_id, read.provider_message_id);
    FUZZ_ASSERT(message->type == read.type && message->direction == read.direction);
    FUZZ_ASSERT(message->occurred_ms == read.occurred_ms);
    FUZZ_ASSERT(message->attachment_count == read.attachment_count);
    for (size_t i = 0; i < read.attachment_count; i++) {
        assert_same(message->attachments[i], read.attachments[i]);
    }
    message_free(&read);
    buf_free(&text);
}

void fuzz_payload(const uint8_t *data, size_t size) {
    static const struct payload_rules rules = {.max_attachments = 8, .now_ms = 1730469600000};
    if (size == 0) {
        return;
    }
    enum payload_kind kind = (enum payload_kind)(data[0] % (PAYLOAD_MOCK_INBOUND + 1));
    // A copy of just its size, so that a byte read behind it is seen.
    char *text = malloc(size);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0'; // http_body ends with one
    struct message message;
    struct payload_error error;
    bool stamped;
    if (payload_parse(kind, text, size - 1, &rules, &message, &stamped, &error) == 0) {
        uint8_t token[IDEMPOTENCY_TOKEN_SIZE];
        struct uuid id = {{0}};
        idempotency_token(&id, &message, stamped, token);
        bool inbound = message.direction == MESSAGE_INBOUND;
        if (inbound && message.provider_message_id == NULL) { // the mock's: ingest makes one up
            message.provider_message_id = strdup("made-up");
        }
        assert_survives(&message);
        message_free(&message);
    } else {
        FUZZ_ASSERT(error.reason != NULL && message.from == NULL && message.attachments == NULL);
    }
    free(text);
}
