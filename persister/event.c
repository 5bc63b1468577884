// SPDX-License-Identifier: MIT
#include "persister/event.h"

#include <string.h>

#include "shared/base/base64.h"
#include "shared/base/json.h"
#include "shared/message/entry.h"

#define MAX_OUTCOME_BYTES 64 // it is in indexes
#define MAX_ERROR_BYTES 4096 // the dispatcher's are shorter
#define MAX_REASON_BYTES 256 // of what was set apart: a sentence
#define MAX_ID_BYTES 1024
#define MAX_WEBHOOK_BYTES 1024 // of what is said about a webhook
#define HASH_DIGITS 64
#define MAX_LATENCY_US 9007199254740991LL

// The values of one entry by name; NULL where absent. The texts live in the packed run.
struct fields {
    const char *v, *k, *id, *gen, *at, *call, *n, *verdict, *due, *late, *p, *why;
    const char *hash, *channel, *field, *type, *from, *request, *raw, *letter; // of webhooks
    const char *m, *state;
    size_t p_length, raw_length, m_length;
    struct entry_words words;         // those of m
    enum message_direction direction; // that k goes with
};

struct text {
    const char *bytes; // NUL-terminated
    size_t length;
};

void event_pack(struct buf *out, const char *text, size_t length) {
    uint32_t size = (uint32_t)length;
    buf_append(out, &size, sizeof size);
    buf_append(out, text, length);
    buf_putc(out, '\0');
}

// The text at *packed, which then points behind it; false at the end.
static bool next_text(const char **packed, const char *end, struct text *out) {
    uint32_t size;
    if ((size_t)(end - *packed) < sizeof size + 1) {
        return false;
    }
    memcpy(&size, *packed, sizeof size);
    *out = (struct text){*packed + sizeof size, size};
    *packed += sizeof size + size + 1;
    return *packed <= end;
}

void event_json(const char *packed, size_t length, struct buf *out) {
    const char *end = packed + length;
    struct text name, value;
    buf_putc(out, '{');
    for (bool first = true; next_text(&packed, end, &name) && next_text(&packed, end, &value); first = false) {
        buf_puts(out, first ? "" : ",");
        json_write_stringn(out, name.bytes, name.length);
        buf_putc(out, ':');
        json_write_stringn(out, value.bytes, value.length);
    }
    buf_putc(out, '}');
}

static const struct {
    const char *name;
    size_t offset; // in struct fields
} field_table[] = {
    {"v", offsetof(struct fields, v)},         {"k", offsetof(struct fields, k)},
    {"id", offsetof(struct fields, id)},       {"gen", offsetof(struct fields, gen)},
    {"at", offsetof(struct fields, at)},       {"call", offsetof(struct fields, call)},
    {"n", offsetof(struct fields, n)},         {"verdict", offsetof(struct fields, verdict)},
    {"due", offsetof(struct fields, due)},     {"late", offsetof(struct fields, late)},
    {"p", offsetof(struct fields, p)},         {"why", offsetof(struct fields, why)},
    {"hash", offsetof(struct fields, hash)},   {"channel", offsetof(struct fields, channel)},
    {"field", offsetof(struct fields, field)}, {"type", offsetof(struct fields, type)},
    {"from", offsetof(struct fields, from)},   {"request", offsetof(struct fields, request)},
    {"raw", offsetof(struct fields, raw)},     {"letter", offsetof(struct fields, letter)},
    {"m", offsetof(struct fields, m)},         {"state", offsetof(struct fields, state)},
};

// What m holds behind the kind.
static const struct {
    const char *kind;
    const char *words[7];
} packed_kinds[] = {
    {"accepted", {"gen", "at", "state"}},
    {"received", {"gen", "at", "state"}},
    {"outcome", {"gen", "at", "call", "n", "verdict", "due", "late"}},
    {"replayed", {"gen", "at", "state"}},
    {"receipt", {"gen", "at"}},
    {"optout", {"gen", "at"}},
    {"erase", {"gen", "at"}},
};

static void take_field(struct fields *fields, const struct text *name, const struct text *value) {
    for (size_t i = 0; i < sizeof field_table / sizeof *field_table; i++) {
        if (strcmp(name->bytes, field_table[i].name) == 0) {
            *(const char **)(void *)((char *)fields + field_table[i].offset) = value->bytes;
            if (value->bytes == fields->p) {
                fields->p_length = value->length;
            } else if (value->bytes == fields->m) {
                fields->m_length = value->length;
            } else if (value->bytes == fields->raw) {
                fields->raw_length = value->length;
            }
            return;
        }
    }
}

static void take_word(struct fields *fields, const char *name) {
    const char *word = entry_words_next(&fields->words);
    if (word != NULL && strcmp(word, "-") != 0) {
        take_field(fields, &(struct text){name, strlen(name)}, &(struct text){word, strlen(word)});
    }
}

static void unpack(struct fields *fields) {
    enum { KINDS = sizeof packed_kinds / sizeof *packed_kinds, MOST = sizeof packed_kinds->words / sizeof(char *) };
    entry_words_begin(fields->m, fields->m_length, &fields->words);
    fields->k = entry_words_next(&fields->words);
    for (size_t i = 0; fields->k != NULL && i < KINDS; i++) {
        if (strcmp(fields->k, packed_kinds[i].kind) != 0) {
            continue;
        }
        for (size_t j = 0; j < MOST && packed_kinds[i].words[j] != NULL; j++) {
            take_word(fields, packed_kinds[i].words[j]);
        }
        return;
    }
}

static void find_fields(const char *packed, size_t length, struct fields *out) {
    const char *end = packed + length;
    struct text name, value;
    *out = (struct fields){0};
    while (next_text(&packed, end, &name) && next_text(&packed, end, &value)) {
        take_field(out, &name, &value);
    }
    if (out->m != NULL) {
        unpack(out);
    }
}

static enum event_state event_state_of(const char *name) {
    bool is_held = name != NULL && strcmp(name, "held") == 0;
    bool is_scheduled = name != NULL && strcmp(name, "scheduled") == 0;
    return is_held ? EVENT_STATE_HELD : is_scheduled ? EVENT_STATE_SCHEDULED : EVENT_STATE_QUEUED;
}

// Of the kinds that are about a message.
static const char *take_head(const struct fields *fields, struct event *out) {
    struct entry_head head;
    bool has_generation = out->kind != EVENT_REREAD && out->kind != EVENT_RECEIPT;
    const char *error = entry_head_read(fields->id, has_generation ? fields->gen : "0", fields->at, &head);
    if (error != NULL) {
        return error;
    }
    uuid_format(&head.id, out->id);
    out->generation = head.generation;
    out->at_ms = head.at_ms;
    out->state = event_state_of(fields->state);
    bool has_payload = out->kind == EVENT_MESSAGE || out->kind == EVENT_OUTCOME || out->kind == EVENT_RECEIPT ||
                       out->kind == EVENT_OPT_OUT || out->kind == EVENT_ERASE;
    return fields->p != NULL || !has_payload ? NULL : "p is missing";
}

static const char *event_take_message(const struct fields *fields, struct event *out) {
    const char *error = message_decode(fields->p, fields->p_length, &out->message);
    if (error != NULL) {
        return error;
    }
    return out->message.direction == fields->direction ? NULL : "the direction does not fit the kind";
}

static const char *event_take_call(const struct fields *fields, struct event *out) {
    if (!entry_integer(fields->call, 0, ENTRY_MOST, &out->call)) {
        return "call is not an integer of 0 to 2147483647";
    }
    if (!entry_integer(fields->n, 0, ENTRY_MOST, &out->delivery)) {
        return "n is not an integer of 0 to 2147483647";
    }
    out->due_ms = -1;
    if (fields->due != NULL && !entry_integer(fields->due, 0, ENTRY_MAX_MS, &out->due_ms)) {
        return "due is not a time until the year 9999 in milliseconds since 1970";
    }
    out->late = fields->late != NULL && strcmp(fields->late, "1") == 0;
    bool is_verdict = fields->verdict != NULL && attempt_verdict_parse(fields->verdict, &out->verdict) == 0;
    return is_verdict ? NULL : "verdict is not sent, failed, retry or cancelled";
}

static bool fits(const char *text, size_t most) {
    return text == NULL || strlen(text) <= most;
}

static const char *event_take_texts(const cJSON *payload, struct attempt *out) {
    out->outcome = json_string(payload, "outcome");
    out->error = json_string(payload, "error");
    out->provider_message_id = json_string(payload, "provider_message_id");
    if (out->outcome == NULL || *out->outcome == '\0' || !fits(out->outcome, MAX_OUTCOME_BYTES)) {
        return "outcome is not a string of 1 to 64 bytes";
    }
    if (!fits(out->error, MAX_ERROR_BYTES)) {
        return "error is longer than 4096 bytes";
    }
    return fits(out->provider_message_id, MAX_ID_BYTES) ? NULL : "provider_message_id is longer than 1024 bytes";
}

static const char *take_attempt(const cJSON *payload, struct attempt *out) {
    const char *provider = json_string(payload, "provider");
    if (provider == NULL || provider_parse(provider, &out->provider) != 0) {
        return "provider is not sms-mms or email";
    }
    const char *error = event_take_texts(payload, out);
    if (error != NULL) {
        return error;
    }
    int64_t status;
    if (!json_integer(payload, "http_status", &status) || status < 0 || status > 999) {
        return "http_status is not an integer of 0 to 999";
    }
    out->http_status = (int)status;
    if (!json_integer(payload, "latency_us", &out->latency_us) || out->latency_us < 0 ||
        out->latency_us > MAX_LATENCY_US) {
        return "latency_us is not a duration in microseconds";
    }
    if (!json_integer(payload, "started_ms", &out->started_ms) || out->started_ms < ENTRY_MIN_MS ||
        out->started_ms > ENTRY_MAX_MS) {
        return "started_ms is not a time of the years 1 to 9999 in milliseconds since 1970";
    }
    return NULL;
}

static const char *take_outcome(const struct fields *fields, struct event *out) {
    const char *error = event_take_call(fields, out);
    if (error != NULL) {
        return error;
    }
    out->payload = json_parse(fields->p, fields->p_length, &error);
    return out->payload == NULL ? error : take_attempt(out->payload, &out->attempt);
}

static bool is_hash(const char *text) {
    return text != NULL && strlen(text) == HASH_DIGITS && strspn(text, "0123456789abcdef") == HASH_DIGITS;
}

static bool is_base64(const char *text, size_t length) {
    struct buf bytes = {0};
    bool is = base64_decode(text, length, &bytes);
    buf_free(&bytes);
    return is;
}

static bool is_text_of(const char *text, size_t most) {
    return text != NULL && fits(text, most);
}

static bool take_channel(const char *text, enum channel *out) {
    for (enum channel channel = CHANNEL_SMS; text != NULL && channel <= CHANNEL_EMAIL; channel++) {
        if (strcmp(text, channel_name(channel)) == 0) {
            *out = channel;
            return true;
        }
    }
    return false;
}

static const char *event_take_webhook(const struct fields *fields, struct unread_webhook *out) {
    *out = (struct unread_webhook){.hash = fields->hash,
                                   .field = fields->field,
                                   .reason = fields->why,
                                   .media_type = fields->type,
                                   .address = fields->from,
                                   .request_id = fields->request,
                                   .raw = fields->raw};
    if (!take_channel(fields->channel, &out->channel)) {
        return "channel is not sms or email";
    }
    if (!is_hash(fields->hash)) {
        return "hash is not 64 hexadecimal digits";
    }
    if (!is_text_of(fields->field, MAX_WEBHOOK_BYTES) || !is_text_of(fields->why, MAX_WEBHOOK_BYTES) ||
        !is_text_of(fields->type, MAX_WEBHOOK_BYTES) || !is_text_of(fields->from, MAX_WEBHOOK_BYTES) ||
        !is_text_of(fields->request, MAX_WEBHOOK_BYTES)) {
        return "field, why, type, from or request is missing or longer than 1024 bytes";
    }
    return fields->raw != NULL && is_base64(fields->raw, fields->raw_length) ? NULL : "raw is not base64";
}

static const char *take_unread(const struct fields *fields, struct event *out) {
    if (!entry_integer(fields->at, ENTRY_MIN_MS, ENTRY_MAX_MS, &out->at_ms)) {
        return "at is not a time of the years 1 to 9999 in milliseconds since 1970";
    }
    return event_take_webhook(fields, &out->unread);
}

static const char *event_take_body(const struct fields *fields, struct event *out) {
    switch (out->kind) {
    case EVENT_MESSAGE:
        return event_take_message(fields, out);
    case EVENT_OUTCOME:
        return take_outcome(fields, out);
    case EVENT_REPLAYED:
        return NULL;
    case EVENT_UNREAD:
        return take_unread(fields, out);
    case EVENT_REREAD:
        out->letter = fields->letter;
        return is_hash(out->letter) ? NULL : "letter is not 64 hexadecimal digits";
    case EVENT_RECEIPT:
        return receipt_entry_decode(fields->p, fields->p_length, &out->receipt);
    case EVENT_OPT_OUT:
        return opt_out_decode(fields->p, fields->p_length, &out->opt_out);
    case EVENT_ERASE:
        return erasure_decode(fields->p, fields->p_length, &out->erasure);
    }
    return "kind is unknown";
}

static bool event_take_kind(struct fields *fields, enum event_kind *out) {
    static const struct {
        const char *name;
        enum event_kind kind;
        enum message_direction direction;
    } kinds[] = {{"accepted", EVENT_MESSAGE, MESSAGE_OUTBOUND}, {"received", EVENT_MESSAGE, MESSAGE_INBOUND},
                 {"outcome", EVENT_OUTCOME, MESSAGE_OUTBOUND},  {"replayed", EVENT_REPLAYED, MESSAGE_OUTBOUND},
                 {"unread", EVENT_UNREAD, MESSAGE_INBOUND},     {"reread", EVENT_REREAD, MESSAGE_INBOUND},
                 {"receipt", EVENT_RECEIPT, MESSAGE_OUTBOUND},  {"optout", EVENT_OPT_OUT, MESSAGE_INBOUND},
                 {"erase", EVENT_ERASE, MESSAGE_INBOUND}};
    for (size_t i = 0; fields->k != NULL && i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(fields->k, kinds[i].name) == 0) {
            *out = kinds[i].kind;
            fields->direction = kinds[i].direction;
            return true;
        }
    }
    return false;
}

// What redis/messaging.lua has found unreadable says itself why.
static bool was_set_apart(const struct fields *fields) {
    bool says_why = fields->why != NULL && *fields->why != '\0' && strlen(fields->why) <= MAX_REASON_BYTES;
    return says_why && fields->k != NULL && strcmp(fields->k, "poison") == 0;
}

enum event_result event_decode(const char *packed, size_t length, struct event *out, const char **reason) {
    *out = (struct event){0};
    struct fields fields;
    find_fields(packed, length, &fields);
    enum entry_format format = entry_format(fields.v, reason);
    if (format != ENTRY_FORMAT_OURS) {
        return format == ENTRY_FORMAT_NEWER ? EVENT_NEWER : EVENT_POISON;
    }
    if (!event_take_kind(&fields, &out->kind)) {
        *reason = was_set_apart(&fields)
                      ? fields.why
                      : "k is not accepted, received, outcome, replayed, unread, reread, receipt, optout or erase";
        return EVENT_POISON;
    }
    *reason = out->kind == EVENT_UNREAD ? NULL : take_head(&fields, out);
    if (*reason == NULL) {
        *reason = event_take_body(&fields, out);
    }
    if (*reason != NULL) {
        event_free(out);
        return EVENT_POISON;
    }
    return EVENT_OK;
}

void event_free(struct event *event) {
    message_free(&event->message);
    cJSON_Delete(event->payload);
    receipt_entry_free(&event->receipt);
    opt_out_free(&event->opt_out);
    erasure_free(&event->erasure);
    *event = (struct event){0};
}
