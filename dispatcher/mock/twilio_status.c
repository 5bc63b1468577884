// SPDX-License-Identifier: MIT
#include "dispatcher/mock/twilio_status.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dispatcher/mock/twilio_form.h"
#include "shared/base/clock.h"
#include "shared/base/decimal.h"
#include "shared/base/uuid.h"

enum { RETRIES = 1, MOST_RETRIES = 5, RETRY_MS = 100, MOST_RETRY_MS = 15000 };

// ---- How Twilio calls

static size_t mock_status_sign(const struct mock_callback *callback, char *lines[]) {
    const struct mock_teller *teller = callback->argument;
    const char *secret = teller->settings->webhook_secrets[PROVIDER_SMS_MMS][0];
    char token[UUID_TEXT_SIZE];
    struct uuid uuid = uuid_v8(callback->url, callback->body.data);
    uuid_format(&uuid, token);
    lines[0] = xasprintf("I-Twilio-Idempotency-Token: %s", token);
    if (*secret == '\0') {
        return 1;
    }
    char *url = xstrndup(callback->url, strcspn(callback->url, "#"));
    char *signature = mock_form_signature(secret, url, &callback->body);
    lines[1] = xasprintf("X-Twilio-Signature: %s", signature);
    free(signature);
    free(url);
    return 2;
}

// A parameter of the URL's fragment, "#rc=3&rp=5xx,ct": its value, whose length goes to *length; NULL: none.
static const char *override_of(const char *url, const char *name, size_t *length) {
    size_t name_length = strlen(name);
    for (const char *at = url + strcspn(url, "#"); *at != '\0'; at += strcspn(at, "&")) {
        at++;
        if (strncmp(at, name, name_length) == 0 && at[name_length] == '=') {
            *length = strcspn(at + name_length + 1, "&");
            return at + name_length + 1;
        }
    }
    return NULL;
}

static bool retries_on(const char *policies, size_t length, const struct mock_posted *posted) {
    const char *what = posted->status >= 500   ? "5xx"
                       : posted->status >= 400 ? "4xx"
                       : posted->status > 0    ? "3xx" // no policy names it
                       : posted->connected     ? "rt"
                                               : "ct";
    for (size_t one; length > 0; policies += one, length -= one) {
        one = strcspn(policies, ",&");
        one = one < length ? one : length;
        if ((one == 3 && strncmp(policies, "all", 3) == 0 && posted->status / 100 != 3) ||
            (one == strlen(what) && strncmp(policies, what, one) == 0)) {
            return true;
        }
        one += one < length;
    }
    return false;
}

// Once, where no connection was made; what the URL's fragment says instead, within 15 s in all:
// https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides.
static int64_t mock_status_retry_ms(const struct mock_callback *callback, const struct mock_posted *posted) {
    size_t count_length, policies_length = strlen("ct");
    const char *count = override_of(callback->url, "rc", &count_length);
    const char *policies = override_of(callback->url, "rp", &policies_length);
    unsigned retries = count != NULL && *count >= '0' && *count <= '0' + MOST_RETRIES && count_length == 1
                           ? (unsigned)(*count - '0')
                           : RETRIES;
    bool in_time = clock_monotonic_us() / 1000 - callback->began_ms < MOST_RETRY_MS;
    bool again = callback->attempts <= retries && in_time &&
                 retries_on(policies != NULL ? policies : "ct", policies_length, posted);
    return again ? RETRY_MS : -1;
}

static const struct mock_caller_kind twilio_kind = {
    .content_type = "application/x-www-form-urlencoded; charset=UTF-8",
    .user_agent = "TwilioProxy/1.1",
    .sign = mock_status_sign,
    .retry_ms = mock_status_retry_ms,
};

// ---- What it tells

void mock_status_settle(const struct mock_teller *teller, const struct mock_fate *fate, int64_t delay_ms,
                        struct mock_message *message) {
    message->sent_ms = message->created_ms + delay_ms / 2;
    if (!fate->is_told) {
        return;
    }
    message->ended_ms = message->created_ms + delay_ms;
    message->end = "delivered";
    if (fate->is_undelivered) {
        message->code = teller->codes.sms[fate->random % teller->codes.sms_count];
        message->end = "undelivered";
    }
    if (message->code == 30001 || message->code == 30002) { // it never left Twilio
        message->end = "failed";
        message->sent_ms = MOCK_NEVER;
    }
}

// When the carrier says that it happened, in its own time zone, which is UTC here; not every carrier does.
static void mock_status_add_done_date(const struct mock_message *message, struct buf *form) {
    struct tm utc;
    time_t seconds = (time_t)(message->ended_ms / 1000);
    gmtime_r(&seconds, &utc);
    char *date =
        xasprintf("%02d%02d%02d%02d%02d", utc.tm_year % 100, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min);
    mock_form_add(form, "RawDlrDoneDate", date);
    free(date);
}

static void mock_status_write(const struct mock_message *message, const struct mock_fate *fate, const char *status,
                              struct buf *form) {
    bool ended = strcmp(status, "sent") != 0;
    if (ended && message->code != 0) {
        mock_form_add(form, "ErrorCode", DECIMAL(message->code));
    }
    mock_form_add(form, "SmsSid", message->sid);
    mock_form_add(form, "SmsStatus", status);
    mock_form_add(form, "MessageStatus", status);
    mock_form_add(form, "To", message->to);
    if (message->service != NULL) {
        mock_form_add(form, "MessagingServiceSid", message->service);
    }
    mock_form_add(form, "MessageSid", message->sid);
    mock_form_add(form, "AccountSid", message->account);
    mock_form_add(form, "From", message->from);
    mock_form_add(form, "ApiVersion", "2010-04-01");
    if (ended && strcmp(status, "failed") != 0 && (fate->random >> 16) % 4 != 0) {
        mock_status_add_done_date(message, form);
    }
}

struct told {
    struct mock_teller *teller;
    const struct mock_message *message;
    const struct mock_fate *fate;
    const char *url, *key;
};

static void tell_status(const struct told *told, const char *status, int64_t delay_ms) {
    const struct mock_message *message = told->message;
    struct mock_callback callback = {
        .kind = &twilio_kind,
        .provider = PROVIDER_SMS_MMS,
        .url = xstrdup(told->url),
        .count = 1,
        .argument = told->teller,
    };
    bool ended = strcmp(status, "sent") != 0;
    mock_status_write(message, told->fate, status, &callback.body);
    buf_printf(&callback.note, "%s %s %s %s %s\n", provider_name(PROVIDER_SMS_MMS), told->key != NULL ? told->key : "-",
               message->sid, status, ended && message->code != 0 ? DECIMAL(message->code) : "-");
    mock_callbacks_count(told->teller->callbacks, PROVIDER_SMS_MMS, true);
    mock_callbacks_add(told->teller->callbacks, &callback, delay_ms);
}

// In the wrong order `sent` comes last: what is told stays true.
void mock_status_follow(struct mock_teller *teller, const struct mock_message *message, const struct mock_fate *fate,
                        const char *url, const char *key) {
    struct told told = {teller, message, fate, url, key};
    if (!fate->is_told) {
        return;
    }
    int64_t end_ms = message->ended_ms - message->created_ms, late_ms = mock_teller_late_ms(end_ms);
    int64_t sent_ms = fate->is_shuffled ? end_ms + late_ms : message->sent_ms - message->created_ms;
    int times = fate->is_repeated ? 2 : 1;
    for (int time = 0; time < times; time++) {
        if (message->sent_ms != MOCK_NEVER) {
            tell_status(&told, "sent", sent_ms + time * late_ms);
        }
        tell_status(&told, message->end, end_ms + time * late_ms);
    }
}
