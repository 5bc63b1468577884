// SPDX-License-Identifier: MIT
// A request's body → a message → what travels through Redis → the same message. And the body alone, as a time.
// Input of `payload`: a digit that says which kind of body ('0' to '5'), then the body; of `form`: a form as Twilio
// posts it.

#include <string.h>

#include "ingest/accept/idempotency.h"
#include "ingest/accept/payload.h"
#include "shared/base/form.h"
#include "shared/base/json.h"
#include "shared/base/rfc3339.h"
#include "shared/base/timestamp.h"
#include "shared/base/unicode.h"
#include "shared/message/message_id.h"
#include "shared/provider/provider.h"
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
    assert_same(message->region, read.region);
    assert_same(message->subject, read.subject);
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

// A webhook's id is the same each time, a send's is not; both end with their conversation's byte.
static void assert_named(const struct message *message) {
    struct message_pair pair;
    message_pair_of(message, &pair);
    struct uuid one = message_id_make(message, &pair), other = message_id_make(message, &pair);
    bool same = memcmp(one.bytes, other.bytes, UUID_BYTES) == 0;
    FUZZ_ASSERT(same == (message->direction == MESSAGE_INBOUND));
    FUZZ_ASSERT(one.bytes[MESSAGE_ID_SHARD_BYTE] == other.bytes[MESSAGE_ID_SHARD_BYTE]);
    if (message->direction == MESSAGE_INBOUND) {
        char key[IDEMPOTENCY_KEY_SIZE];
        idempotency_key_of_provider("email:0", PROVIDER_EMAIL, message->provider_message_id, &pair, key);
        FUZZ_ASSERT(strlen(key) < sizeof key);
    }
    message_pair_free(&pair);
}

// What is read of a time can be shown, and read again.
static void assert_time(const char *text) {
    int64_t ms, again;
    char shown[RFC3339_SIZE];
    if (timestamp_read(text, &ms) == 0) {
        rfc3339_format(ms, shown);
        FUZZ_ASSERT(rfc3339_parse(shown, &again) == 0 && again == ms);
        FUZZ_ASSERT(timestamp_read(shown, &again) == 0 && again == ms);
    }
}

static const struct payload_rules rules = {.max_attachments = 8, .now_ms = 1730469600000};

static void assert_is_message(int result, struct message *message, bool stamped, const struct payload_error *error) {
    if (result != 0) {
        FUZZ_ASSERT(error->reason != NULL && message->from == NULL && message->attachments == NULL);
        return;
    }
    uint8_t token[IDEMPOTENCY_TOKEN_SIZE];
    struct uuid id = {{0}};
    idempotency_token(&id, message, stamped, token);
    bool inbound = message->direction == MESSAGE_INBOUND;
    if (inbound && message->provider_message_id == NULL) { // the mock's: ingest makes one up
        message->provider_message_id = strdup("made-up");
    }
    assert_survives(message);
    assert_named(message);
    message_free(message);
}

static void assert_read(enum payload_kind kind, const char *text, size_t length) {
    struct message message;
    struct payload_error error;
    bool stamped = false;
    int result = payload_parse(kind, text, length, &rules, &message, &stamped, &error);
    assert_is_message(result, &message, stamped, &error);
}

// A copy of just its size, so that a byte read behind it is seen; http_body ends with a NUL.
static char *body_of(const uint8_t *data, size_t size) {
    char *text = malloc(size + 1);
    if (size > 0) {
        memcpy(text, data, size);
    }
    text[size] = '\0';
    return text;
}

void fuzz_payload(const uint8_t *data, size_t size) {
    if (size == 0) {
        return;
    }
    char *text = body_of(data + 1, size - 1);
    assert_time(text);
    assert_read((enum payload_kind)((uint8_t)(data[0] - '0') % (PAYLOAD_SEND_LISTED + 1)), text, size - 1);
    free(text);
}

// ---- Forms

static void assert_texts(const char *body, size_t length) {
    struct form form;
    if (form_parse(body, length, &form) != 0) {
        return;
    }
    FUZZ_ASSERT(form.count <= FORM_FIELDS_MAX);
    for (size_t i = 0; i < form.count; i++) {
        char *text = form_text(&form.fields[i]);
        FUZZ_ASSERT(unicode_is_utf8(text, strlen(text)));
        FUZZ_ASSERT(strlen(form.fields[i].name) <= form.fields[i].name_length);
        free(text);
    }
    form_free(&form);
}

static const char *form_header(const void *context, const char *name) {
    (void)context;
    return strcmp(name, "X-Twilio-Signature") == 0 ? "RSOYDt4T1cUTdK1PDd93/VVr8B8=" : NULL;
}

// Nothing is signed with a secret that nobody has.
static void assert_unsigned(const struct provider_way_in *way, const struct provider_post *post) {
    static char secret[] = "nobody's", none[] = "";
    static const struct settings settings = {.webhook_secrets = {{secret, none}}};
    uint8_t id[SIGNATURE_ID_SIZE];
    FUZZ_ASSERT(way->verify(&settings, post, 1730469600, id) != SIGNATURE_RIGHT);
}

static void assert_posted(const struct provider_way_in *way, const struct provider_post *post) {
    struct message message;
    struct payload_error error;
    bool stamped = false;
    int result = payload_parse_post(way, post, &rules, &message, &stamped, &error);
    assert_is_message(result, &message, stamped, &error);
}

void fuzz_form(const uint8_t *data, size_t size) {
    static const char type[] = "application/x-www-form-urlencoded";
    char *text = body_of(data, size);
    const struct provider_post post = {.url = "https://example.com/api/webhooks/sms",
                                       .content_type = type,
                                       .body = text,
                                       .length = size,
                                       .header = form_header};
    const struct provider_way_in *way = provider_way_in_of_any(PROVIDER_SMS_MMS, PROVIDER_ROUTE_MESSAGES, type);
    assert_texts(text, size);
    assert_unsigned(way, &post);
    assert_posted(way, &post);
    free(text);
}
