// SPDX-License-Identifier: MIT
// What a provider answers → what becomes of the message. Input: 't' for Twilio's form, 'g' for a gateway's, anything
// else for SendGrid's; three digits of a status; a line with the message id's header; the body.

#include <string.h>

#include "dispatcher/provider/outcome.h"
#include "dispatcher/retry.h"
#include "shared/provider/provider.h"
#include "tests/fuzz/targets.h"

enum { HEAD = 4, MOST_TEXT = 200 };

static void assert_text(const char *text) {
    FUZZ_ASSERT(text == NULL || (strlen(text) > 0 && strlen(text) <= MOST_TEXT));
    for (const char *c = text; c != NULL && *c != '\0'; c++) {
        FUZZ_ASSERT((unsigned char)*c >= 0x20 && *c != 0x7f);
    }
}

static void decide(const struct outcome *outcome) {
    static const struct settings settings = {.worker_max_retries = 10,
                                             .worker_backoff_base_ms = 500,
                                             .worker_backoff_cap_ms = 300000,
                                             .message_deadline_secs = 259200};
    struct retry_case this_case = {.outcome = outcome, .spent = 1, .call = 2, .age_ms = 1000};
    struct retry_decision decision = retry_decide(&settings, &this_case);
    FUZZ_ASSERT(decision.delay_ms >= 0 && decision.pause_ms >= 0);
    FUZZ_ASSERT(decision.verdict != VERDICT_SENT || outcome->class == OUTCOME_SENT);
}

static void answer(const struct provider_adapter *adapter, long status, const char *id, const char *body,
                   size_t length) {
    struct outcome outcome = {.class = outcome_classify(status, CURLE_OK, 0),
                              .http_status = (int)status,
                              .retry_after_ms = outcome_retry_after_ms(id, 1730469600000)};
    adapter->read_answer(body, length, *id != '\0' ? id : NULL, &outcome);
    assert_text(outcome.error);
    assert_text(outcome.provider_message_id);
    decide(&outcome);
    outcome_clear(&outcome);
}

void fuzz_answer(const uint8_t *data, size_t size) {
    if (size < HEAD) {
        return;
    }
    long status = 0;
    for (size_t i = 1; i < HEAD; i++) {
        status = status * 10 + data[i] % 10;
    }
    const uint8_t *end = memchr(data + HEAD, '\n', size - HEAD);
    size_t id_length = end != NULL ? (size_t)(end - data - HEAD) : 0;
    size_t body_at = end != NULL ? HEAD + id_length + 1 : HEAD;
    char *id = strndup((const char *)data + HEAD, id_length);
    char *body = malloc(size - body_at + 1);
    memcpy(body, data + body_at, size - body_at);
    body[size - body_at] = '\0'; // as call.c keeps it
    const struct provider_adapter *adapter = data[0] == 't'   ? &provider_twilio
                                             : data[0] == 'g' ? &provider_generic
                                                              : &provider_sendgrid;
    answer(adapter, status, id, body, size - body_at);
    free(id);
    free(body);
}
