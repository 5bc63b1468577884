// SPDX-License-Identifier: MIT
#include "tests/support/payload.h"

#include <check.h>
#include <stdlib.h>

#include "shared/base/mem.h"

#define TIMESTAMP "2024-11-01T14:00:00Z"

char *payload_sms(const char *from, const char *to, const char *body) {
    return xasprintf("{\"from\":\"%s\",\"to\":\"%s\",\"type\":\"sms\",\"body\":\"%s\",\"attachments\":null,"
                     "\"timestamp\":\"" TIMESTAMP "\"}",
                     from, to, body);
}

char *payload_mms(const char *from, const char *to, const char *body) {
    return xasprintf("{\"from\":\"%s\",\"to\":\"%s\",\"type\":\"mms\",\"body\":\"%s\",\"attachments\":["
                     "\"attachment-url\"],\"timestamp\":\"" TIMESTAMP "\"}",
                     from, to, body);
}

char *payload_email(const char *from, const char *to, const char *body) {
    return xasprintf("{\"from\":\"%s\",\"to\":\"%s\",\"body\":\"%s\",\"attachments\":[],\"timestamp\":\"" TIMESTAMP
                     "\"}",
                     from, to, body);
}

char *payload_sms_webhook(const char *from, const char *to, const char *provider_id, const char *body) {
    return xasprintf("{\"from\":\"%s\",\"to\":\"%s\",\"type\":\"sms\",\"messaging_provider_id\":\"%s\",\"body\":\"%s\","
                     "\"attachments\":null,\"timestamp\":\"" TIMESTAMP "\"}",
                     from, to, provider_id, body);
}

char *payload_email_webhook(const char *from, const char *to, const char *provider_id, const char *body) {
    return xasprintf("{\"from\":\"%s\",\"to\":\"%s\",\"xillio_id\":\"%s\",\"body\":\"%s\",\"attachments\":[],"
                     "\"timestamp\":\"" TIMESTAMP "\"}",
                     from, to, provider_id, body);
}

struct answer *send_under_key(struct stack *stack, const char *ingest, const char *path, const char *key,
                              char *payload) {
    char *header = key != NULL ? xasprintf("Idempotency-Key: %s", key) : NULL;
    const char *headers[] = {header, NULL};
    struct answer *answer = stack_call(stack, ingest, "POST", path, payload, headers);
    free(header);
    free(payload);
    return answer;
}

char *send_accepted(struct stack *stack, const char *ingest, const char *path, char *payload) {
    struct answer *answer = send_under_key(stack, ingest, path, NULL, payload);
    ck_assert_msg(answer->status == 202, "%s answered %ld: %s", path, answer->status, answer->body);
    char *id = xstrdup(answer_text(answer, "id"));
    answer_free(answer);
    return id;
}
