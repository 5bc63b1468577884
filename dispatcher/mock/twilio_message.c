// SPDX-License-Identifier: MIT
#include "dispatcher/mock/twilio_message.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dispatcher/mock/codes.h"
#include "dispatcher/mock/twilio_path.h"
#include "shared/base/clock.h"
#include "shared/base/decimal.h"
#include "shared/base/json.h"
#include "shared/message/segments.h"

static char *copy_of(const struct form *form, const char *name) {
    const char *value = form_get(form, name);
    return xstrdup(value != NULL ? value : "");
}

struct mock_message mock_message_of(const char *account, const char *id, const struct form *form) {
    const char *service = form_get(form, "MessagingServiceSid");
    struct mock_message message = {
        .account = xstrdup(account),
        .from = copy_of(form, "From"),
        .to = copy_of(form, "To"),
        .body = copy_of(form, "Body"),
        .service = service != NULL ? xstrdup(service) : NULL,
        .media = form_count(form, "MediaUrl"),
        .created_ms = clock_unix_ms(),
        .sent_ms = MOCK_NEVER,
        .ended_ms = MOCK_NEVER,
    };
    message.sid = xasprintf("%s%s", message.media > 0 ? "MM" : "SM", id);
    // Of an SMS; media go as they are, in one message.
    message.segments = message.media > 0 ? 1 : segments_of(message.body, strlen(message.body)).count;
    return message;
}

void mock_message_free(struct mock_message *message) {
    free(message->account);
    free(message->sid);
    free(message->from);
    free(message->to);
    free(message->body);
    free(message->service);
    *message = (struct mock_message){0};
}

size_t mock_message_bytes(const struct mock_message *message) {
    return sizeof *message + strlen(message->account) + strlen(message->sid) + strlen(message->from) +
           strlen(message->to) + strlen(message->body) + (message->service != NULL ? strlen(message->service) : 0);
}

const char *mock_message_status(const struct mock_message *message, int64_t now_ms) {
    return now_ms >= message->ended_ms ? message->end : now_ms >= message->sent_ms ? "sent" : "queued";
}

// RFC 2822, as Twilio has it; time_ms MOCK_NEVER: null.
static void mock_message_write_date(struct buf *out, const char *name, int64_t time_ms) {
    char date[64];
    struct tm utc;
    time_t seconds = (time_t)(time_ms / 1000);
    if (time_ms == MOCK_NEVER) {
        json_write_member(out, name, NULL);
        return;
    }
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S +0000", gmtime_r(&seconds, &utc));
    json_write_member(out, name, date);
}

static void write_dates(const struct mock_message *message, int64_t now_ms, struct buf *out) {
    bool sent = now_ms >= message->sent_ms, ended = now_ms >= message->ended_ms;
    mock_message_write_date(out, "date_created", message->created_ms);
    mock_message_write_date(out, "date_sent", sent ? message->sent_ms : MOCK_NEVER);
    mock_message_write_date(out, "date_updated",
                            ended  ? message->ended_ms
                            : sent ? message->sent_ms
                                   : message->created_ms);
}

static void mock_message_write_error(const struct mock_message *message, int64_t now_ms, struct buf *out) {
    if (message->code == 0 || now_ms < message->ended_ms) {
        json_write_member(out, "error_code", NULL);
        json_write_member(out, "error_message", NULL);
        return;
    }
    json_write_member_int(out, "error_code", message->code);
    json_write_member(out, "error_message", mock_code_message(message->code));
}

void mock_message_write(const struct mock_message *message, int64_t now_ms, struct buf *out) {
    char *uri = xasprintf(MOCK_TWILIO_ACCOUNTS "%s/Messages/%s.json", message->account, message->sid);
    char *media = xasprintf(MOCK_TWILIO_ACCOUNTS "%s/Messages/%s/Media.json", message->account, message->sid);
    buf_putc(out, '{');
    json_write_member(out, "account_sid", message->account);
    json_write_member(out, "api_version", "2010-04-01");
    json_write_member(out, "body", message->body);
    write_dates(message, now_ms, out);
    json_write_member(out, "direction", "outbound-api");
    mock_message_write_error(message, now_ms, out);
    json_write_member(out, "from", message->from);
    json_write_member(out, "messaging_service_sid", message->service);
    json_write_member(out, "num_media", DECIMAL(message->media));
    json_write_member(out, "num_segments", DECIMAL(message->segments));
    json_write_member(out, "price", NULL);
    json_write_member(out, "price_unit", NULL);
    json_write_member(out, "sid", message->sid);
    json_write_member(out, "status", mock_message_status(message, now_ms));
    json_write_name(out, "subresource_uris");
    buf_putc(out, '{');
    json_write_member(out, "media", media);
    buf_putc(out, '}');
    json_write_member(out, "to", message->to);
    json_write_member(out, "uri", uri);
    buf_putc(out, '}');
    free(uri);
    free(media);
}
