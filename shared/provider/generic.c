// SPDX-License-Identifier: MIT
//
// A gateway that is neither Twilio nor SendGrid and does as docs/gateways.md says. Out: our own send as JSON, signed by
// X-Signature. In: our own webhook, and receipts as JSON.
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shared/base/json.h"
#include "shared/base/json_items.h"
#include "shared/provider/callback.h"
#include "shared/provider/own.h"
#include "shared/provider/provider.h"
#include "shared/provider/reasons.h"
#include "shared/provider/x_signature.h"

// ---- What goes out

// Where it takes messages, as it is.
static char *generic_url(const struct settings *settings) {
    return xstrdup(settings->provider_sms_url);
}

// Who sends is known by the signature.
static char *generic_authorization(const struct settings *settings) {
    (void)settings;
    return NULL;
}

static void generic_write_attachments(struct buf *out, const struct message *message) {
    json_write_name(out, "attachments");
    buf_putc(out, '[');
    for (size_t i = 0; i < message->attachment_count; i++) {
        buf_puts(out, i > 0 ? "," : "");
        json_write_string(out, message->attachments[i]);
    }
    buf_putc(out, ']');
}

static void generic_write_body(const struct provider_send *send, struct buf *out) {
    const struct message *message = send->message;
    char *callback = callback_url(send->settings, send->message_id, send->partition);
    buf_putc(out, '{');
    json_write_member(out, "id", send->message_id);
    json_write_member(out, "from", provider_sms_from(message));
    json_write_member(out, "to", message->recipient);
    json_write_member(out, "type", message_type_name(message->type));
    json_write_member(out, "body", message->body);
    generic_write_attachments(out, message);
    json_write_member_time(out, "timestamp", message->occurred_ms * 1000);
    if (callback != NULL) {
        json_write_member(out, "status_callback", callback);
    }
    buf_putc(out, '}');
    free(callback);
}

static bool generic_sign(const struct settings *settings, const struct buf *body, int64_t now_secs, struct buf *out) {
    const char *secret = settings->provider_sms_token;
    if (*secret == '\0') {
        return false;
    }
    x_signature_make(secret, body->data, body->length, now_secs, out);
    return true;
}

// A member that is a text, or an integer, which may have more digits than a double holds. Owned by the caller; NULL:
// neither.
static char *generic_text(const cJSON *object, const char *text, size_t length, const char *name) {
    const cJSON *member = json_member(object, name);
    if (cJSON_IsString(member)) {
        return xstrdup(member->valuestring);
    }
    return cJSON_IsNumber(member) ? json_written_integer(text, length, name) : NULL;
}

// Success: {"id":"…"}. Error: {"code":…,"message":"…"}.
static void generic_read_answer(const char *body, size_t length, const char *header_id, struct outcome *outcome) {
    const char *why;
    cJSON *answer = json_parse_lenient(body, length, &why);
    char *word = generic_text(answer, body, length, outcome->class == OUTCOME_SENT ? "id" : "code");
    (void)header_id;
    if (outcome->class == OUTCOME_SENT) {
        outcome->provider_message_id = provider_error(NULL, word);
    } else {
        outcome->error = provider_error(word, json_string(answer, "message"));
    }
    free(word);
    cJSON_Delete(answer);
}

// ---- What became of it

static const struct {
    const char *word;
    enum receipt_status status;
} generic_statuses[] = {{"delivered", RECEIPT_DELIVERED}, {"undelivered", RECEIPT_UNDELIVERED}};

static bool generic_find_status(const char *word, enum receipt_status *out) {
    for (size_t i = 0; i < sizeof generic_statuses / sizeof *generic_statuses; i++) {
        if (strcasecmp(word, generic_statuses[i].word) == 0) {
            *out = generic_statuses[i].status;
            return true;
        }
    }
    return false;
}

static char *generic_known_text(const cJSON *receipt, const char *text, size_t length, const char *name,
                                char *(*clean)(const char *)) {
    char *given = generic_text(receipt, text, length, name);
    char *kept = clean(given);
    free(given);
    return kept;
}

// Our id, and the partition: the receipt's own, else those of the URL that was called, which is the status_callback of
// one message. NULL, or what is wrong.
static const char *generic_take_message(const struct provider_post *post, const cJSON *receipt, struct receipt *out) {
    const char *own = json_string(receipt, "message_id"), *called = provider_post_parameter(post, "message_id");
    if (json_member(receipt, "message_id") != NULL && own == NULL) {
        return "The receipt's message_id is no text.";
    }
    if (!receipt_take_message_id(out, own != NULL ? own : called)) {
        return "The receipt's message_id is no UUID.";
    }
    if (!out->has_message_id) {
        return "The receipt has no message_id.";
    }
    if (called != NULL && (own == NULL || strcasecmp(own, called) == 0)) {
        out->partition = callback_partition(provider_post_parameter(post, "partition"));
    }
    return NULL;
}

static const char *generic_read_known(const struct provider_post *post, const cJSON *receipt, const char *text,
                                      size_t length, struct receipt *out) {
    out->has_status = true;
    out->occurred_ms = receipt_time_of(json_member(receipt, "timestamp"));
    out->provider_message_id = generic_known_text(receipt, text, length, "provider_message_id", receipt_provider_id_of);
    if (out->status == RECEIPT_UNDELIVERED) {
        out->code = generic_known_text(receipt, text, length, "code", receipt_code_of);
        out->reason = reason_make(NULL, json_string(receipt, "reason"));
    }
    return generic_take_message(post, receipt, out);
}

// text: as it is written. NULL, or why it can't be read.
static const char *generic_read_receipt(const struct provider_post *post, const cJSON *receipt, const char *text,
                                        size_t length, struct receipts *out) {
    const char *word = json_string(receipt, "status");
    enum receipt_status status;
    if (!cJSON_IsObject(receipt)) {
        return "The receipt is no object.";
    }
    if (word == NULL) {
        return "The receipt's status is no text.";
    }
    if (!generic_find_status(word, &status)) {
        out->skipped++;
        return NULL;
    }
    struct receipt *added = receipts_add(out);
    added->status = status;
    const char *error = generic_read_known(post, receipt, text, length, added);
    if (error != NULL) {
        receipts_drop(out);
    }
    return error;
}

static void generic_take_receipt(const struct provider_post *post, const char *text, size_t length, size_t place,
                                 struct receipts *out) {
    const char *error = NULL;
    cJSON *receipt = json_parse_lenient(text, length, &error);
    if (receipt != NULL) {
        error = generic_read_receipt(post, receipt, text, length, out);
    }
    if (error != NULL) {
        receipts_note_broken(out, place, error);
    }
    cJSON_Delete(receipt);
}

static int generic_read_array(const struct provider_post *post, struct receipts *out, const char **error) {
    struct json_items items;
    const char *item;
    size_t length;
    json_items_begin(&items, post->body, post->length);
    for (size_t place = 0; json_items_next(&items, &item, &length); place++) {
        generic_take_receipt(post, item, length, place, out);
    }
    *error = items.error;
    return items.error == NULL ? 0 : -1;
}

// What is wrong with one alone is wrong with the whole post.
static int generic_read_one(const struct provider_post *post, struct receipts *out, const char **error) {
    cJSON *receipt = json_parse_lenient(post->body, post->length, error);
    if (receipt == NULL) {
        return -1;
    }
    *error = generic_read_receipt(post, receipt, post->body, post->length, out);
    cJSON_Delete(receipt);
    return *error == NULL ? 0 : -1;
}

// One, or an array of them, in which a broken one doesn't sink the rest.
static int generic_read_receipts(const struct provider_post *post, struct receipts *out, const char **error) {
    *out = (struct receipts){0};
    size_t blank = strspn(post->body, " \t\r\n");
    bool is_array = blank < post->length && post->body[blank] == '[';
    int result = is_array ? generic_read_array(post, out, error) : generic_read_one(post, out, error);
    if (result != 0) {
        receipts_free(out);
    }
    return result;
}

static bool generic_is_signed(const struct settings *settings) {
    return own_has_secret(settings, PROVIDER_SMS_MMS);
}

static enum signature generic_verify(const struct settings *settings, const struct provider_post *post,
                                     int64_t now_secs, uint8_t id[SIGNATURE_ID_SIZE]) {
    return own_verify(settings, PROVIDER_SMS_MMS, post, now_secs, id);
}

static const struct provider_way_in generic_receipts = {
    .provider = PROVIDER_SMS_MMS,
    .route = PROVIDER_ROUTE_RECEIPTS,
    .media_type = "application/json",
    .is_signed = generic_is_signed,
    .verify = generic_verify,
    .read_receipts = generic_read_receipts,
    .status = 204,
};

const struct provider_adapter provider_generic = {
    .provider = PROVIDER_SMS_MMS,
    .content_type = "application/json",
    .url = generic_url,
    .authorization = generic_authorization,
    .write_body = generic_write_body,
    .sign = generic_sign,
    .read_answer = generic_read_answer,
    .ways_in = {&own_sms, &generic_receipts},
};
