// SPDX-License-Identifier: MIT
#include "tests/support/events.h"

#include <check.h>
#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/base/uuid.h"
#include "shared/message/message.h"
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
    struct buf payload = {0};
    message_encode(&message, &payload);
    char *entry = entry_of(stack_redis(stack, "XADD " EVENTS " * v 1 k accepted id %s gen 0 at %lld p %b", id,
                                       (long long)clock_unix_ms(), payload.data, payload.length));
    buf_free(&payload);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        free(texts[i]);
    }
    return entry;
}

char *events_add_accepted(struct stack *stack, const char *id, const char *from, const char *body) {
    return events_add_accepted_at(stack, id, from, body, clock_unix_ms());
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
