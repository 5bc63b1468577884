// SPDX-License-Identifier: MIT
//
// Twilio's Messages resource: POST /2010-04-01/Accounts/{AccountSid}/Messages.json, form-encoded, basic
// authentication (https://www.twilio.com/docs/messaging/api/message-resource). Twilio documents no idempotency key for
// it; I-Twilio-Idempotency-Token is the name it gives the same thing on its own webhooks.
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "dispatcher/provider/provider.h"
#include "shared/base/decimal.h"
#include "shared/base/json.h"

static size_t provider_sms_plain_run(const char *text) {
    size_t run = 0;
    for (char c; (c = text[run]); run++) {
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
              c == '_' || c == '~')) {
            break;
        }
    }
    return run;
}

// RFC 3986's unreserved characters stand for themselves, everything else is percent-encoded: which is right in a form's
// body and in a path.
static void write_encoded(struct buf *out, const char *text) {
    for (const char *c = text; *c;) {
        size_t run = provider_sms_plain_run(c);
        buf_append(out, c, run);
        c += run;
        if (*c) {
            unsigned byte = (unsigned char)*c++;
            char escape[] = {'%', "0123456789ABCDEF"[byte >> 4], "0123456789ABCDEF"[byte & 15]};
            buf_append(out, escape, sizeof escape);
        }
    }
}

static void write_field(struct buf *out, const char *name, const char *value) {
    if (out->length > 0) {
        buf_putc(out, '&');
    }
    buf_puts(out, name);
    buf_putc(out, '=');
    write_encoded(out, value);
}

static char *sms_url(const struct settings *settings) {
    struct buf path = {0};
    buf_puts(&path, "/2010-04-01/Accounts/");
    write_encoded(&path, settings->provider_sms_account);
    buf_puts(&path, "/Messages.json");
    char *url = provider_url_join(settings->provider_sms_url, path.data);
    buf_free(&path);
    return url;
}

static char *sms_authorization(const struct settings *settings) {
    char *plain = xasprintf("%s:%s", settings->provider_sms_account, settings->provider_sms_token);
    size_t length = strlen(plain);
    char *encoded = xmalloc((length + 2) / 3 * 4 + 1);
    EVP_EncodeBlock((unsigned char *)encoded, (const unsigned char *)plain, (int)length);
    char *value = xasprintf("Basic %s", encoded);
    free(plain);
    free(encoded);
    return value;
}

// Twilio takes E.164, hence the normalized numbers.
static void sms_write_body(const struct settings *settings, const char *message_id, const struct message *message,
                           struct buf *out) {
    (void)settings;
    (void)message_id;
    write_field(out, "From", message->sender);
    write_field(out, "To", message->recipient);
    write_field(out, "Body", message->body);
    for (size_t i = 0; i < message->attachment_count; i++) {
        write_field(out, "MediaUrl", message->attachments[i]);
    }
}

static void read_error(const char *body, size_t length, struct outcome *outcome) {
    const char *why;
    cJSON *answer = json_parse(body, length, &why);
    int64_t code;
    const char *number = json_integer(answer, "code", &code) ? DECIMAL(code) : "";
    outcome->error = provider_error(number, json_string(answer, "message"));
    cJSON_Delete(answer);
}

// Success: {"sid":"SM…",…}. Error: {"code":21211,"message":"…","more_info":"…","status":400}.
static void sms_read_answer(const char *body, size_t length, const char *header_id, struct outcome *outcome) {
    (void)header_id;
    if (outcome->class != OUTCOME_SENT) {
        read_error(body, length, outcome);
        return;
    }
    cJSON *sid = json_parse_member(body, length, "sid");
    outcome->provider_message_id = provider_error(NULL, cJSON_IsString(sid) ? sid->valuestring : NULL);
    cJSON_Delete(sid);
}

const struct provider_adapter provider_sms_adapter = {
    .provider = PROVIDER_SMS_MMS,
    .content_type = "application/x-www-form-urlencoded",
    .idempotency_header = "I-Twilio-Idempotency-Token",
    .url = sms_url,
    .authorization = sms_authorization,
    .write_body = sms_write_body,
    .read_answer = sms_read_answer,
};
