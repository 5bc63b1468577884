// SPDX-License-Identifier: MIT
#include "tests/support/events.h"

#include <check.h>
#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/base/uuid.h"
#include "shared/message/receipt_entry.h"
#include "tests/support/reply.h"

#define EVENTS "events:{sms-mms:0}"

static char *entry_of(redisReply *reply) {
    ck_assert_msg(reply != NULL && reply->type == REDIS_REPLY_STRING, "XADD: %s", reply_text(reply, 0));
    char *entry = xstrdup(reply_text(reply, 0));
    freeReplyObject(reply);
    return entry;
}

char *events_new_id(void) {
    struct uuid uuid = uuid_v7();
    char *text = xmalloc(UUID_TEXT_SIZE);
    uuid_format(&uuid, text);
    return text;
}

char *events_add_message(struct stack *stack, const char *entry, const char *id, const struct message *message) {
    struct buf payload = {0};
    message_encode(message, &payload);
    char *added = entry_of(stack_redis(stack, "XADD " EVENTS " %s v 1 k %s id %s gen 0 at %lld p %b", entry,
                                       message->direction == MESSAGE_INBOUND ? "received" : "accepted", id,
                                       (long long)clock_unix_ms(), payload.data, payload.length));
    buf_free(&payload);
    return added;
}

char *events_add_accepted_at(struct stack *stack, const char *id, const char *from, const char *body,
                             int64_t occurred_ms) {
    char *texts[] = {xstrdup(from), xstrdup("+16660000000"), xstrdup(body), xstrdup("test")};
    struct message message = {.type = MESSAGE_SMS,
                              .direction = MESSAGE_OUTBOUND,
                              .from = texts[0],
                              .to = texts[1],
                              .sender = texts[0],
                              .recipient = texts[1],
                              .body = texts[2],
                              .occurred_ms = occurred_ms,
                              .accepted_ms = clock_unix_ms(),
                              .request_id = texts[3]};
    char *entry = events_add_message(stack, "*", id, &message);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        free(texts[i]);
    }
    return entry;
}

char *events_add_accepted(struct stack *stack, const char *id, const char *from, const char *body) {
    return events_add_accepted_at(stack, id, from, body, clock_unix_ms());
}

// An entry of today's form. words: what its kind has behind "kind gen at"; payload: NULL: it has none.
static char *add_packed(struct stack *stack, const char *id, const char *kind, int generation, const char *words,
                        const struct buf *payload) {
    char *packed = xasprintf("%s %d %lld %s", kind, generation, (long long)clock_unix_ms(), words);
    const char *argv[] = {
        "XADD", EVENTS, "*", "v", "2", "id", id, "m", packed, "p", payload != NULL ? payload->data : NULL};
    char *entry = entry_of(stack_redis_argv(stack, payload != NULL ? 11 : 9, argv));
    free(packed);
    return entry;
}

char *events_add_waiting(struct stack *stack, const char *id, const char *from, const char *state, int64_t send_at_ms) {
    char *texts[] = {xstrdup(from), xstrdup("+16660000000"), xstrdup("x"), xstrdup("test")};
    struct message message = {.type = MESSAGE_SMS,
                              .direction = MESSAGE_OUTBOUND,
                              .from = texts[0],
                              .to = texts[1],
                              .sender = texts[0],
                              .recipient = texts[1],
                              .body = texts[2],
                              .occurred_ms = clock_unix_ms(),
                              .accepted_ms = clock_unix_ms(),
                              .send_at_ms = send_at_ms,
                              .request_id = texts[3]};
    struct buf payload = {0};
    message_encode(&message, &payload);
    char *entry = add_packed(stack, id, "accepted", 0, state, &payload);
    buf_free(&payload);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        free(texts[i]);
    }
    return entry;
}

char *events_add_cancelled(struct stack *stack, const char *id, int generation, int next_call) {
    struct attempt attempt = {.provider = PROVIDER_SMS_MMS, .outcome = "cancelled", .started_ms = clock_unix_ms()};
    struct buf payload = {0};
    attempt_encode(&attempt, &payload);
    char *words = xasprintf("%d 0 cancelled - 0", next_call - 1);
    char *entry = add_packed(stack, id, "outcome", generation, words, &payload);
    free(words);
    buf_free(&payload);
    return entry;
}

char *events_add_outcome(struct stack *stack, const char *id, int generation, int call, const char *verdict,
                         const char *outcome) {
    struct attempt attempt = {.provider = PROVIDER_SMS_MMS,
                              .outcome = outcome,
                              .http_status = 201,
                              .latency_us = 1000,
                              .started_ms = clock_unix_ms()};
    struct buf payload = {0};
    attempt_encode(&attempt, &payload);
    char *entry =
        entry_of(stack_redis(stack, "XADD " EVENTS " * v 1 k outcome id %s gen %d at %lld call %d n 1 verdict %s p %b",
                             id, generation, (long long)clock_unix_ms(), call, verdict, payload.data, payload.length));
    buf_free(&payload);
    return entry;
}

char *events_add_replayed(struct stack *stack, const char *id, int generation) {
    return entry_of(stack_redis(stack, "XADD " EVENTS " * v 1 k replayed id %s gen %d at %lld", id, generation,
                                (long long)clock_unix_ms()));
}

char *events_add_receipt(struct stack *stack, const char *id, const char *status, const char *provider_id,
                         int64_t at_ms) {
    struct receipt_entry receipt = {.provider = PROVIDER_SMS_MMS, .at_ms = at_ms};
    ck_assert_int_eq(receipt_status_parse(status, &receipt.status), 0);
    bool arrived = receipt.status == RECEIPT_DELIVERED;
    char *texts[] = {arrived ? NULL : xstrdup("30003"), arrived ? NULL : xstrdup("The phone can't be reached"),
                     provider_id == NULL ? NULL : xstrdup(provider_id)};
    receipt.code = texts[0];
    receipt.reason = texts[1];
    receipt.provider_message_id = texts[2];
    struct buf payload = {0};
    receipt_entry_encode(&receipt, &payload);
    receipt_entry_free(&receipt);
    char *entry = entry_of(stack_redis(stack, "XADD " EVENTS " * v 2 k receipt id %s gen 0 at %lld p %b", id,
                                       (long long)clock_unix_ms(), payload.data, payload.length));
    buf_free(&payload);
    return entry;
}
