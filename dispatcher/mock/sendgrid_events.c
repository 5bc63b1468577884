// SPDX-License-Identifier: MIT
#include "dispatcher/mock/sendgrid_events.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/base64.h"
#include "shared/base/clock.h"
#include "shared/base/crypto.h"
#include "shared/base/decimal.h"
#include "shared/base/hex.h"
#include "shared/base/json.h"
#include "shared/base/mem.h"

#define PATH "/api/webhooks/email/events"

enum {
    BATCH_MS = 100, // SendGrid's is 30 s
    MOST_EVENTS = 1000,
    MOST_BYTES = 768 * 1024,
    RETRY_MS = 1000, // doubled with each, up to the next
    MOST_RETRY_MS = 30000,
    GIVEN_UP_MS = 24 * 3600 * 1000,
    EVENT_ID_BYTES = 16,
};

struct mock_events {
    struct mock_teller *teller;
    uv_timer_t timer; // runs while a batch gathers
    struct buf batch, notes;
    uint64_t count; // of events in it
};

// One that is due.
struct event {
    struct mock_due due; // first
    struct mock_events *events;
    char *json, *note; // owned
};

// ---- How SendGrid calls

// Without a key it signs by the secret that ingest then asks for, which SendGrid itself can't.
static char *sign_with_secret(const char *secret, const char *timestamp, const char *body, size_t length) {
    unsigned char digest[SHA256_SIZE];
    char hex[2 * SHA256_SIZE + 1];
    struct buf text = {0};
    buf_printf(&text, "%s.", timestamp);
    buf_append(&text, body, length);
    if (HMAC(EVP_sha256(), secret, (int)strlen(secret), (const unsigned char *)text.data, text.length, digest, NULL) ==
        NULL) {
        mem_exhausted();
    }
    hex_encode(digest, sizeof digest, hex);
    buf_free(&text);
    return xasprintf("X-Signature: t=%s,v1=%s", timestamp, hex);
}

size_t mock_events_sign(const struct mock_teller *teller, const char *body, size_t length, char *lines[]) {
    const char *timestamp = DECIMAL(clock_unix_ms() / 1000),
               *secret = teller->settings->webhook_secrets[PROVIDER_EMAIL][0];
    if (teller->key == NULL && *secret == '\0') {
        return 0;
    }
    if (teller->key == NULL) {
        lines[0] = sign_with_secret(secret, timestamp, body, length);
        return 1;
    }
    char *signature = mock_event_key_sign(teller->key, timestamp, body, length);
    lines[0] = xasprintf("X-Twilio-Email-Event-Webhook-Signature: %s", signature);
    lines[1] = xasprintf("X-Twilio-Email-Event-Webhook-Timestamp: %s", timestamp);
    free(signature);
    return 2;
}

static size_t mock_events_sign_callback(const struct mock_callback *callback, char *lines[]) {
    return mock_events_sign(callback->argument, callback->body.data, callback->body.length, lines);
}

static int64_t mock_events_retry_ms(const struct mock_callback *callback, const struct mock_posted *posted) {
    (void)posted;
    int64_t wait_ms = RETRY_MS;
    for (unsigned i = 1; i < callback->attempts && wait_ms < MOST_RETRY_MS; i++) {
        wait_ms *= 2;
    }
    bool in_time = clock_monotonic_us() / 1000 - callback->began_ms < GIVEN_UP_MS;
    return !in_time ? -1 : wait_ms < MOST_RETRY_MS ? wait_ms : MOST_RETRY_MS;
}

static const struct mock_caller_kind sendgrid_kind = {
    .content_type = "application/json",
    .user_agent = "SendGrid Event API",
    .sign = mock_events_sign_callback,
    .retry_ms = mock_events_retry_ms,
};

// ---- Batches

static void mock_events_flush(struct mock_events *events) {
    uv_timer_stop(&events->timer);
    buf_puts(&events->batch, "]\r\n");
    mock_callbacks_add(events->teller->callbacks,
                       &(struct mock_callback){
                           .kind = &sendgrid_kind,
                           .provider = PROVIDER_EMAIL,
                           .url = xasprintf("%s" PATH, events->teller->settings->webhook_public_url),
                           .body = events->batch,
                           .note = events->notes,
                           .count = events->count,
                           .argument = events->teller,
                       },
                       0);
    events->batch = events->notes = (struct buf){0};
    events->count = 0;
}

static void mock_events_on_timer(uv_timer_t *timer) {
    mock_events_flush(timer->data);
}

static void mock_events_on_drop(struct mock_due *due) {
    struct event *event = (struct event *)(void *)due;
    free(event->json);
    free(event->note);
    free(event);
}

static void mock_events_on_due(struct mock_due *due) {
    struct event *event = (struct event *)(void *)due;
    struct mock_events *events = event->events;
    if (events->count == 0) {
        uv_timer_start(&events->timer, mock_events_on_timer, BATCH_MS, 0);
    }
    buf_puts(&events->batch, events->count == 0 ? "[" : ",\r\n");
    buf_puts(&events->batch, event->json);
    buf_puts(&events->notes, event->note);
    events->count++;
    mock_agenda_let_go(due);
    mock_events_on_drop(due);
    if (events->count == MOST_EVENTS || events->batch.length >= MOST_BYTES) {
        mock_events_flush(events);
    }
}

// ---- What they hold

// One recipient's mail.
struct mail {
    struct mock_events *events;
    const cJSON *general, *own; // custom_args of the mail and of the recipient's personalization, which win; or NULL
    const char *email, *message_id, *key;
    const struct mock_fate *fate;
};

// Names that SendGrid keeps for itself win over custom_args.
static void set_text(cJSON *event, const char *name, const char *value) {
    cJSON_DeleteItemFromObjectCaseSensitive(event, name);
    cJSON_AddStringToObject(event, name, value);
}

static void set_number(cJSON *event, const char *name, int64_t value) {
    cJSON_DeleteItemFromObjectCaseSensitive(event, name);
    cJSON_AddNumberToObject(event, name, (double)value);
}

static void add_custom(cJSON *event, const cJSON *custom_args) {
    const cJSON *one;
    cJSON_ArrayForEach(one, custom_args) {
        if (cJSON_IsString(one)) {
            set_text(event, one->string, one->valuestring);
        }
    }
}

// The same for ever for one thing that happened: base64url without its padding.
static char *event_id(const struct mail *mail, const char *name) {
    unsigned char digest[SHA256_SIZE];
    struct buf id = {0};
    char *text = xasprintf("%s %s %s", mail->message_id, mail->email, name);
    crypto_sha256(text, strlen(text), digest);
    base64_encode(digest, EVENT_ID_BYTES, &id);
    id.data[strcspn(id.data, "=")] = '\0';
    for (char *c = id.data; *c != '\0'; c++) {
        *c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
    }
    free(text);
    return id.data;
}

static cJSON *mock_events_begin(const struct mail *mail, const char *name, int64_t delay_ms) {
    cJSON *event = cJSON_CreateObject();
    char *id = event_id(mail, name);
    char *message = xasprintf("%s.recvd-7d8c9f6b5-mock-1-%s-1.0", mail->message_id, id);
    add_custom(event, mail->general);
    add_custom(event, mail->own);
    set_text(event, "email", mail->email);
    set_number(event, "timestamp", (clock_unix_ms() + delay_ms) / 1000);
    set_text(event, "event", name);
    set_text(event, "sg_event_id", id);
    set_text(event, "sg_message_id", message);
    free(message);
    free(id);
    return event;
}

static void mock_events_put(const struct mail *mail, char *json, const char *note, int64_t delay_ms) {
    struct mock_events *events = mail->events;
    struct event *event = xmalloc(sizeof *event);
    *event = (struct event){
        .due = {.run = mock_events_on_due,
                .drop = mock_events_on_drop,
                .bytes = sizeof *event + strlen(json) + strlen(note)},
        .events = events,
        .json = json,
        .note = xstrdup(note),
    };
    bool room = mock_agenda_add(mock_callbacks_agenda(events->teller->callbacks), &event->due, delay_ms);
    mock_callbacks_count(events->teller->callbacks, PROVIDER_EMAIL, room);
    if (!room) {
        mock_events_on_drop(&event->due);
    }
}

// Takes event. code: of the failure, or NULL. repeat_ms: when it is told again; -1: not.
static void mock_events_tell(const struct mail *mail, cJSON *event, const char *code, int64_t delay_ms,
                             int64_t repeat_ms) {
    char *note = xasprintf("%s %s %s %s %s\n", provider_name(PROVIDER_EMAIL), mail->key != NULL ? mail->key : "-",
                           mail->message_id, json_string(event, "event"), code != NULL ? code : "-");
    mock_events_put(mail, cJSON_PrintUnformatted(event), note, delay_ms);
    if (repeat_ms >= 0) {
        mock_events_put(mail, cJSON_PrintUnformatted(event), note, repeat_ms);
    }
    cJSON_Delete(event);
    free(note);
}

static void set_smtp_id(cJSON *event, const struct mail *mail) {
    char *id = xasprintf("<%s@geopod-ismtpd-mock>", mail->message_id);
    set_text(event, "smtp-id", id);
    free(id);
}

static cJSON *mock_events_delivered(const struct mail *mail, int64_t delay_ms) {
    cJSON *event = mock_events_begin(mail, "delivered", delay_ms);
    set_text(event, "response", "250 2.0.0 OK");
    set_text(event, "ip", "198.51.100.25");
    set_number(event, "tls", 1);
    set_smtp_id(event, mail);
    return event;
}

static cJSON *mock_events_bounced(const struct mail *mail, const char *code, int64_t delay_ms) {
    bool unknown = strncmp(code, "5.1.", 4) == 0;
    char *reason = xasprintf("%c50 %s %s", *code, code,
                             unknown ? "The email account that you tried to reach does not exist"
                                     : "The message was not accepted");
    cJSON *event = mock_events_begin(mail, "bounce", delay_ms);
    set_text(event, "reason", reason);
    set_text(event, "status", code);
    set_text(event, "type", unknown ? "bounce" : "blocked");
    set_text(event, "bounce_classification", unknown ? "Invalid Address" : "Unclassified");
    set_text(event, "ip", "198.51.100.25");
    set_number(event, "tls", 1);
    set_smtp_id(event, mail);
    free(reason);
    return event;
}

static cJSON *mock_events_dropped(const struct mail *mail, int64_t delay_ms) {
    cJSON *event = mock_events_begin(mail, "dropped", delay_ms);
    set_text(event, "reason", "Bounced Address");
    set_smtp_id(event, mail);
    return event;
}

static cJSON *mock_events_opened(const struct mail *mail, int64_t delay_ms) {
    cJSON *event = mock_events_begin(mail, "open", delay_ms);
    set_text(event, "useragent", "Mozilla/5.0 (mock)");
    set_text(event, "ip", "203.0.113.7");
    set_text(event, "sg_content_type", "html");
    cJSON_AddBoolToObject(event, "sg_machine_open", 0);
    return event;
}

static cJSON *mock_events_deferred(const struct mail *mail, int64_t delay_ms) {
    cJSON *event = mock_events_begin(mail, "deferred", delay_ms);
    set_text(event, "response", "451 4.7.1 Try again later");
    set_text(event, "attempt", "1");
    set_smtp_id(event, mail);
    return event;
}

static cJSON *mock_events_processed(const struct mail *mail, int64_t delay_ms) {
    cJSON *event = mock_events_begin(mail, "processed", delay_ms);
    set_smtp_id(event, mail);
    return event;
}

// In the wrong order what comes before the end is told behind it: what is told stays true.
static void mock_events_follow_recipient(const struct mail *mail, int64_t delay_ms) {
    const struct mock_fate *fate = mail->fate;
    const struct mock_codes *codes = &mail->events->teller->codes;
    const char *code = fate->is_undelivered ? codes->email[fate->random % codes->email_count] : NULL;
    int64_t late_ms = mock_teller_late_ms(delay_ms), again_ms = fate->is_repeated ? delay_ms + late_ms : -1;
    bool drops = code != NULL && strcmp(code, MOCK_DROPPED) == 0;
    if (!drops) {
        int64_t before_ms = fate->is_shuffled ? delay_ms + late_ms : delay_ms / 4;
        mock_events_tell(mail, mock_events_processed(mail, delay_ms / 4), NULL, before_ms,
                         fate->is_repeated ? before_ms + late_ms : -1);
        if ((fate->random >> 8) % 8 == 0) {
            mock_events_tell(mail, mock_events_deferred(mail, delay_ms / 2), NULL,
                             fate->is_shuffled ? before_ms : delay_ms / 2, -1);
        }
    }
    mock_events_tell(mail,
                     drops          ? mock_events_dropped(mail, delay_ms)
                     : code != NULL ? mock_events_bounced(mail, code, delay_ms)
                                    : mock_events_delivered(mail, delay_ms),
                     drops ? NULL : code, delay_ms, again_ms);
    if (code == NULL && (fate->random >> 16) % 4 == 0) {
        mock_events_tell(mail, mock_events_opened(mail, delay_ms + late_ms), NULL, delay_ms + late_ms, -1);
    }
}

void mock_events_follow(struct mock_events *events, const cJSON *mail, const char *message_id,
                        const struct mock_fate *fate, const char *key, int64_t delay_ms) {
    const cJSON *personalization, *recipient;
    if (!fate->is_told || *events->teller->settings->webhook_public_url == '\0') {
        return;
    }
    cJSON_ArrayForEach(personalization, json_member(mail, "personalizations")) {
        cJSON_ArrayForEach(recipient, json_member(personalization, "to")) {
            mock_events_follow_recipient(
                &(struct mail){
                    .events = events,
                    .general = json_member(mail, "custom_args"),
                    .own = json_member(personalization, "custom_args"),
                    .email = json_string(recipient, "email"),
                    .message_id = message_id,
                    .key = key,
                    .fate = fate,
                },
                delay_ms);
        }
    }
}

struct mock_events *mock_events_create(uv_loop_t *loop, struct mock_teller *teller) {
    struct mock_events *events = xcalloc(1, sizeof *events);
    events->teller = teller;
    events->timer.data = events;
    uv_timer_init(loop, &events->timer);
    return events;
}

static void mock_events_on_closed(uv_handle_t *handle) {
    free(handle->data);
}

void mock_events_destroy(struct mock_events *events) {
    buf_free(&events->batch);
    buf_free(&events->notes);
    uv_close((uv_handle_t *)&events->timer, mock_events_on_closed);
}
