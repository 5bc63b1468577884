// SPDX-License-Identifier: MIT
//
// SendGrid's v3 Mail Send: POST /v3/mail/send, JSON, bearer token, answered with 202, an empty body and X-Message-Id
// (https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send). It documents no idempotency key; the
// message id travels as a custom argument too, which its event webhooks give back.
#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shared/base/charset.h"
#include "shared/base/crypto.h"
#include "shared/base/decimal.h"
#include "shared/base/hex.h"
#include "shared/base/json.h"
#include "shared/base/json_items.h"
#include "shared/base/unicode.h"
#include "shared/message/html_detect.h"
#include "shared/message/html_text.h"
#include "shared/message/snippet.h"
#include "shared/message/span.h"
#include "shared/mime/form_data.h"
#include "shared/mime/header.h"
#include "shared/mime/mail.h"
#include "shared/mime/multipart.h"
#include "shared/mime/word.h"
#include "shared/provider/callback.h"
#include "shared/provider/email_signature.h"
#include "shared/provider/own.h"
#include "shared/provider/provider.h"
#include "shared/provider/reasons.h"

#define NO_SUBJECT "(no subject)"

enum {
    MOST_TEXT_BYTES = 1 << 20, // of the text beside an HTML body
    MOST_SUBJECT_BYTES = 998   // RFC 5322, 2.1.1: of a line
};

static char *sendgrid_url(const struct settings *settings) {
    return provider_url_join(settings->provider_email_url, "/v3/mail/send");
}

static char *sendgrid_authorization(const struct settings *settings) {
    return xasprintf("Bearer %s", settings->provider_email_token);
}

static void write_escaped(struct buf *out, const char *text) {
    for (const char *c = text; *c; c++) {
        switch (*c) {
        case '&':
            buf_puts(out, "&amp;");
            break;
        case '<':
            buf_puts(out, "&lt;");
            break;
        case '>':
            buf_puts(out, "&gt;");
            break;
        case '"':
            buf_puts(out, "&quot;");
            break;
        default:
            buf_putc(out, *c);
        }
    }
}

static void write_links(struct buf *out, const struct message *message, bool html) {
    for (size_t i = 0; i < message->attachment_count; i++) {
        const char *url = message->attachments[i];
        if (html) {
            buf_puts(out, "<p><a href=\"");
            write_escaped(out, url);
            buf_puts(out, "\">");
            write_escaped(out, url);
            buf_puts(out, "</a></p>");
        } else {
            buf_puts(out, out->length == 0 ? "" : i == 0 ? "\n\n" : "\n");
            buf_puts(out, url);
        }
    }
}

// Where links go into an HTML body: before the last </body>, else at its end.
static size_t links_at(const char *body) {
    const char *last = NULL;
    for (const char *c = strcasestr(body, "</body"); c != NULL; c = strcasestr(c + 1, "</body")) {
        last = c;
    }
    return last != NULL ? (size_t)(last - body) : strlen(body);
}

// The body, and the attachments as links in it: they are URLs, whose content we neither have nor fetch.
static void write_body(struct buf *out, const struct message *message, bool html) {
    size_t at = html ? links_at(message->body) : strlen(message->body);
    buf_append(out, message->body, at);
    write_links(out, message, html);
    buf_puts(out, message->body + at);
}

// An HTML body's text, for those who read no HTML.
static void write_text(struct buf *out, const struct message *message) {
    (void)html_text_append(out, message->body, strlen(message->body), HTML_TEXT_WHOLE, MOST_TEXT_BYTES);
    write_links(out, message, false);
}

static void write_address(struct buf *out, const char *address) {
    buf_putc(out, '{');
    json_write_member(out, "email", address);
    buf_putc(out, '}');
}

static void write_part(struct buf *out, const char *type, const struct buf *value) {
    buf_putc(out, '{');
    json_write_member(out, "type", type);
    json_write_name(out, "value");
    json_write_stringn(out, value->data, value->length);
    buf_putc(out, '}');
}

// SendGrid takes text before HTML, and neither empty.
static void write_content(struct buf *out, const struct message *message) {
    bool html = html_detect(message->body, strlen(message->body));
    struct buf text = {0}, body = {0};
    if (html) {
        write_text(&text, message);
    }
    write_body(&body, message, html);
    json_write_name(out, "content");
    buf_putc(out, '[');
    if (text.length > 0) {
        write_part(out, "text/plain", &text);
        buf_putc(out, ',');
    }
    write_part(out, html ? "text/html" : "text/plain", &body);
    buf_putc(out, ']');
    buf_free(&text);
    buf_free(&body);
}

// A header's value: one line, without control characters, of a length that mail may have.
static void clean_subject(struct buf *subject) {
    size_t kept = 0, taken;
    for (size_t at = 0; at < subject->length && at < MOST_SUBJECT_BYTES; at += taken) {
        int32_t code = unicode_decode(subject->data + at, subject->length - at, &taken);
        if (at + taken > MOST_SUBJECT_BYTES) {
            break;
        }
        if (!unicode_is_control(code)) {
            memmove(subject->data + kept, subject->data + at, taken);
            kept += taken;
        }
    }
    subject->length = kept;
}

// The message's own, else what its text begins with.
static void write_subject(struct buf *out, const struct settings *settings, const struct message *message) {
    struct buf subject = {0};
    if (message->subject != NULL) {
        (void)snippet_append(&subject, message->subject, strlen(message->subject), SIZE_MAX);
    }
    if (subject.length == 0) {
        snippet_append_email(&subject, message->body, strlen(message->body),
                             (size_t)settings->conversation_snippet_length);
    }
    clean_subject(&subject);
    json_write_name(out, "subject");
    json_write_stringn(out, subject.length > 0 ? subject.data : NO_SUBJECT,
                       subject.length > 0 ? subject.length : strlen(NO_SUBJECT));
    buf_free(&subject);
}

// What SendGrid's events give back: whose message it is and, where it is to come, where to look for it.
static void write_custom_args(struct buf *out, const struct provider_send *send) {
    json_write_name(out, "custom_args");
    buf_putc(out, '{');
    json_write_member(out, "message_id", send->message_id);
    if (*send->settings->webhook_public_url != '\0') {
        json_write_member(out, "partition", DECIMAL(send->partition));
        json_write_member(out, "our_address", send->message->sender);
    }
    buf_putc(out, '}');
}

static void sendgrid_write_body(const struct provider_send *send, struct buf *out) {
    const struct message *message = send->message;
    buf_puts(out, "{\"personalizations\":[{\"to\":[");
    write_address(out, message->to);
    buf_puts(out, "]}],\"from\":");
    write_address(out, message->from);
    write_subject(out, send->settings, message);
    write_content(out, message);
    write_custom_args(out, send);
    buf_putc(out, '}');
}

// Error: {"errors":[{"message":"…","field":"…","help":"…"}]}.
static void sendgrid_read_answer(const char *body, size_t length, const char *header_id, struct outcome *outcome) {
    if (outcome->class == OUTCOME_SENT) {
        outcome->provider_message_id = provider_error(NULL, header_id);
        return;
    }
    const char *why;
    cJSON *answer = json_parse(body, length, &why);
    const cJSON *first = cJSON_GetArrayItem(json_member(answer, "errors"), 0);
    outcome->error = provider_error(json_string(first, "field"), json_string(first, "message"));
    cJSON_Delete(answer);
}

// ---- What became of what went out: the Event Webhook
// (https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event)

// What isn't here is on its way, or is about what the recipient does with the message.
static const struct sendgrid_event {
    const char *name;
    bool has_status;
    enum receipt_status status;
    enum receipt_opt opt;
} sendgrid_events[] = {
    {"delivered", true, RECEIPT_DELIVERED, RECEIPT_OPT_NONE},
    {"bounce", true, RECEIPT_UNDELIVERED, RECEIPT_OPT_NONE},
    {"blocked", true, RECEIPT_UNDELIVERED, RECEIPT_OPT_NONE},
    {"dropped", true, RECEIPT_UNDELIVERED, RECEIPT_OPT_NONE},
    {"spamreport", true, RECEIPT_UNDELIVERED, RECEIPT_OPT_OUT},
    {"unsubscribe", false, RECEIPT_DELIVERED, RECEIPT_OPT_OUT},
    {"group_unsubscribe", false, RECEIPT_DELIVERED, RECEIPT_OPT_OUT},
    {"group_resubscribe", false, RECEIPT_DELIVERED, RECEIPT_OPT_IN},
};

static const struct sendgrid_event *sendgrid_find_event(const char *name) {
    for (size_t i = 0; i < sizeof sendgrid_events / sizeof *sendgrid_events; i++) {
        if (strcmp(sendgrid_events[i].name, name) == 0) {
            return &sendgrid_events[i];
        }
    }
    return NULL;
}

static char *sendgrid_copy(const cJSON *event, const char *name) {
    const char *text = json_string(event, name);
    return text != NULL && *text != '\0' ? xstrdup(text) : NULL;
}

// A custom argument comes back as the text that it was sent as; who tests by hand may write a number.
static unsigned sendgrid_partition(const cJSON *event) {
    int64_t number;
    return json_integer(event, "partition", &number) ? callback_partition(DECIMAL(number))
                                                     : callback_partition(json_string(event, "partition"));
}

// What Mail Send answered as X-Message-Id stands before the first '.'.
static char *sendgrid_message_id(const cJSON *event) {
    const char *given = json_string(event, "sg_message_id");
    if (given == NULL) {
        return NULL;
    }
    char *first = xstrndup(given, strcspn(given, "."));
    char *id = receipt_provider_id_of(first);
    free(first);
    return id;
}

// Whether SendGrid dropped it because the recipient doesn't want it.
static bool is_unwanted(const char *reason) {
    return reason != NULL &&
           (strcasecmp(reason, "Unsubscribed Address") == 0 || strcasecmp(reason, "Spam Reporting Address") == 0);
}

// Why it wasn't delivered. name: of the event; a bounce is of one of two types, of which `blocked` may pass.
static void sendgrid_take_error(const cJSON *event, const char *name, struct receipt *out) {
    const char *type = json_string(event, "type"), *said = json_string(event, "reason");
    bool is_blocked = strcmp(name, "bounce") == 0 && type != NULL && strcasecmp(type, "blocked") == 0;
    const char *word = is_blocked ? "blocked" : name;
    out->code = receipt_code_of(json_string(event, "status"));
    if (out->code == NULL) {
        out->code = xstrdup(word);
    }
    out->reason = reason_make(reason_of_sendgrid(word), said);
    if (strcmp(name, "dropped") == 0 && is_unwanted(said)) {
        out->opt = RECEIPT_OPT_OUT;
    }
}

// NULL, or a static sentence that says what is wrong.
static const char *sendgrid_read_known(const cJSON *event, const struct sendgrid_event *kind, struct receipt *out) {
    const cJSON *id = json_member(event, "message_id");
    if ((id != NULL && !cJSON_IsString(id) && !cJSON_IsNull(id)) ||
        !receipt_take_message_id(out, json_string(event, "message_id"))) {
        return "message_id is no UUID";
    }
    out->partition = sendgrid_partition(event);
    out->has_status = kind->has_status;
    out->status = kind->status;
    out->opt = kind->opt;
    out->occurred_ms = receipt_time_of(json_member(event, "timestamp"));
    out->provider_message_id = sendgrid_message_id(event);
    out->event_id = sendgrid_copy(event, "sg_event_id");
    out->our_address = sendgrid_copy(event, "our_address");
    out->their_address = sendgrid_copy(event, "email");
    if (kind->has_status && kind->status == RECEIPT_UNDELIVERED) {
        sendgrid_take_error(event, kind->name, out);
    }
    return NULL;
}

// The same.
static const char *sendgrid_read_event(const cJSON *event, struct receipts *out) {
    const char *name = json_string(event, "event");
    if (!cJSON_IsObject(event)) {
        return "it is no object";
    }
    if (name == NULL) {
        return "event is no text";
    }
    const struct sendgrid_event *kind = sendgrid_find_event(name);
    if (kind == NULL) {
        out->skipped++;
        return NULL;
    }
    const char *error = sendgrid_read_known(event, kind, receipts_add(out));
    if (error != NULL) {
        receipts_drop(out);
    }
    return error;
}

static void sendgrid_take_event(const cJSON *event, size_t place, struct receipts *out) {
    const char *error = sendgrid_read_event(event, out);
    if (error != NULL) {
        receipts_note_broken(out, place, error);
    }
}

// Each by itself, so that a broken one doesn't sink the rest, which SendGrid would bring again for a day. Returns 0, or
// -1 where it is no array.
static int sendgrid_read_array(const struct provider_post *post, struct receipts *out, const char **error) {
    struct json_items items;
    const char *item, *why;
    size_t length;
    json_items_begin(&items, post->body, post->length);
    for (size_t place = 0; json_items_next(&items, &item, &length); place++) {
        cJSON *event = json_parse_lenient(item, length, &why);
        if (event != NULL) {
            sendgrid_take_event(event, place, out);
        } else {
            receipts_note_broken(out, place, why);
        }
        cJSON_Delete(event);
    }
    *error = items.error;
    return items.error == NULL ? 0 : -1;
}

// One event may stand without the array.
static int sendgrid_read_one(const struct provider_post *post, struct receipts *out, const char **error) {
    cJSON *event = json_parse_lenient(post->body, post->length, error);
    if (event == NULL) {
        return -1;
    }
    sendgrid_take_event(event, 0, out);
    cJSON_Delete(event);
    return 0;
}

static bool sendgrid_is_one(const struct provider_post *post) {
    size_t at = 0;
    while (at < post->length && strchr(" \t\r\n", post->body[at]) != NULL) {
        at++;
    }
    return at < post->length && post->body[at] == '{';
}

static int sendgrid_read_receipts(const struct provider_post *post, struct receipts *out, const char **error) {
    *out = (struct receipts){0};
    int result = sendgrid_is_one(post) ? sendgrid_read_one(post, out, error) : sendgrid_read_array(post, out, error);
    if (result != 0) {
        receipts_free(out);
    }
    return result;
}

#define SENDGRID_EVENTS_BYTES (4 * 1024 * 1024) // it posts once it has 768 kB

static int64_t sendgrid_max_events(const struct settings *settings) {
    return settings->max_body_bytes > SENDGRID_EVENTS_BYTES ? settings->max_body_bytes : SENDGRID_EVENTS_BYTES;
}

static const struct provider_way_in sendgrid_receipts = {
    .provider = PROVIDER_EMAIL,
    .route = PROVIDER_ROUTE_RECEIPTS,
    .media_type = "application/json",
    .is_signed = email_is_signed,
    .verify = email_verify,
    .read_receipts = sendgrid_read_receipts,
    .status = 204,
    .max_body = sendgrid_max_events,
};

// ---- What comes in: Inbound Parse
// (https://www.twilio.com/docs/sendgrid/for-developers/parsing-email/setting-up-the-inbound-parse-webhook)
//
// A form of many parts, a POST for each recipient that its envelope names. A mail's text and HTML are in the charset
// that `charsets` has for them; raw, `email` is the mail as it was sent, and there is neither text nor HTML.

// What is kept of a form; files, and what isn't read, are counted as `others`.
static const struct form_data_field parse_fields[] = {
    {"text", 256 * 1024},           {"html", 256 * 1024},    {"email", 512 * 1024},  {"headers", 64 * 1024},
    {"attachment-info", 64 * 1024}, {"from", 16 * 1024},     {"to", 16 * 1024},      {"cc", 16 * 1024},
    {"subject", 16 * 1024},         {"envelope", 16 * 1024}, {"charsets", 4 * 1024},
};

enum {
    PARSE_FIELDS = sizeof parse_fields / sizeof *parse_fields,
    PARSE_OTHER = 1024,
    PARSE_OTHERS = 256 * 1024,
    PARSE_BEFORE = 64 * 1024,
    PARSE_CLIENTS_SHARE = 8, // one address has a quarter of MAX_CLIENT_BYTES, of which half goes to Redis
    PARSE_FILES_MOST = 1000,
    PARSE_ID_MOST = 1024, // bytes of a Message-ID; a longer one is known by its hash
};

// ---- On its way

struct parse_body {
    struct form_data_field fields[PARSE_FIELDS];
    struct form_data_rules rules;
    struct form_data_reduction *reduction;
    struct email_sums *sums;
};

static size_t parse_scaled(size_t bytes, size_t most, size_t allowed) {
    return allowed >= most ? bytes : (size_t)((double)bytes * (double)allowed / (double)most);
}

// The rules, made smaller where MAX_CLIENT_BYTES leaves no room for more.
static void parse_make_rules(const struct settings *settings, struct parse_body *body) {
    const struct form_data_rules whole = {parse_fields, PARSE_FIELDS, PARSE_OTHER, PARSE_OTHERS, PARSE_BEFORE};
    size_t most = form_data_most(&whole), allowed = (size_t)settings->max_client_bytes / PARSE_CLIENTS_SHARE;
    for (size_t i = 0; i < PARSE_FIELDS; i++) {
        body->fields[i].name = parse_fields[i].name;
        body->fields[i].most = parse_scaled(parse_fields[i].most, most, allowed);
    }
    body->rules = whole;
    body->rules.fields = body->fields;
    body->rules.others = parse_scaled(PARSE_OTHERS, most, allowed);
    body->rules.before = parse_scaled(PARSE_BEFORE, most, allowed);
}

static void parse_body_take(void *state, const char *bytes, size_t length, struct buf *out) {
    struct parse_body *body = state;
    email_sums_add(body->sums, bytes, length);
    form_data_reduction_take(body->reduction, bytes, length, out);
}

static void parse_body_end(void *state, struct buf *out) {
    struct parse_body *body = state;
    email_sums_end(body->sums);
    form_data_reduction_end(body->reduction, out);
}

static void parse_body_free(void *state) {
    struct parse_body *body = state;
    email_sums_free(body->sums);
    form_data_reduction_free(body->reduction);
    free(body);
}

static struct span text_span(const char *text) {
    return (struct span){text, strlen(text)};
}

static void parse_take_body(const struct settings *settings, const struct provider_post *post,
                            struct provider_body *out) {
    struct parse_body *body = xcalloc(1, sizeof *body);
    parse_make_rules(settings, body);
    body->reduction = form_data_reduction_begin(text_span(post->content_type), &body->rules);
    body->sums = email_sums_begin(settings, post);
    out->filter =
        (struct http_filter){parse_body_take, parse_body_end, parse_body_free, body, form_data_most(&body->rules)};
    out->sums = body->sums;
}

static int64_t parse_max_body(const struct settings *settings) {
    return settings->webhook_max_body_bytes;
}

// ---- Fields

struct parse {
    struct form_data form;
    cJSON *charsets, *envelope; // NULL: not given, or not readable
    struct span mail;           // its header, with all of it where it is raw; of the form
    bool is_raw;
};

static cJSON *parse_json(const struct form_data *form, const char *name) {
    const struct form_data_part *part = form_data_find(form, name);
    struct buf text = {0};
    const char *why;
    if (part == NULL) {
        return NULL;
    }
    charset_append_utf8(&text, NULL, part->content.data, part->content.length);
    cJSON *json = json_parse_lenient(text.data != NULL ? text.data : "", text.length, &why);
    buf_free(&text);
    return json;
}

static void parse_begin(struct parse *parse, const struct provider_post *post, const char *boundary) {
    form_data_read(post->body, post->length, boundary, &parse->form);
    parse->charsets = parse_json(&parse->form, "charsets");
    parse->envelope = parse_json(&parse->form, "envelope");
    const struct form_data_part *headers = form_data_find(&parse->form, "headers");
    const struct form_data_part *mail = form_data_find(&parse->form, "email");
    parse->is_raw = mail != NULL;
    if (mail != NULL || headers != NULL) {
        const struct buf *content = mail != NULL ? &mail->content : &headers->content;
        parse->mail = (struct span){content->data, content->length};
    }
}

static void parse_end(struct parse *parse) {
    form_data_free(&parse->form);
    cJSON_Delete(parse->charsets);
    cJSON_Delete(parse->envelope);
}

// What a field says, as UTF-8, owned by the caller; "" where there is none. A character that was cut in half is left
// out.
static char *parse_text(const struct parse *parse, const char *name) {
    static const char replacement[] = "\xEF\xBF\xBD"; // U+FFFD
    const struct form_data_part *part = form_data_find(&parse->form, name);
    struct buf text = {0};
    buf_append(&text, "", 0);
    if (part != NULL) {
        const char *charset = json_string(parse->charsets, name);
        charset_append_utf8(&text, charset != NULL ? charset : part->head.charset, part->content.data,
                            part->content.length);
        size_t tail = sizeof replacement - 1;
        if (part->left_out > 0 && text.length >= tail && strcmp(text.data + text.length - tail, replacement) == 0) {
            text.data[text.length - tail] = '\0';
        }
    }
    return text.data;
}

static bool parse_is_blank(const char *text) {
    return span_trim(text_span(text)).length == 0;
}

static size_t count_specials(const char *text) {
    size_t count = 0;
    for (; *text != '\0'; text++) {
        count += strchr(",;:<>\"()@\\", *text) != NULL;
    }
    return count;
}

// With its encoded words decoded; where that would make other addresses of it, as it is.
static char *parse_decoded(char *text, bool is_address) {
    struct buf decoded = {0};
    word_decode(&decoded, text_span(text));
    if (is_address && count_specials(decoded.data) != count_specials(text)) {
        buf_free(&decoded);
        return text;
    }
    free(text);
    return decoded.data;
}

// A field of the mail's header, owned by the caller; "" where there is none.
static char *parse_header(const struct parse *parse, const char *name) {
    struct buf value = {0}, text = {0};
    buf_append(&text, "", 0);
    if (header_get(parse->mail, name, &value)) {
        charset_append_utf8(&text, NULL, value.data, value.length);
    }
    buf_free(&value);
    return text.data;
}

// The form's field of that name, else the header's.
static char *parse_field(const struct parse *parse, const char *name, const char *header, bool is_address) {
    char *text = parse_text(parse, name);
    if (parse_is_blank(text)) {
        free(text);
        text = parse_header(parse, header);
    }
    return parse_decoded(text, is_address);
}

// The first of the envelope's recipients, or its sender; NULL: it doesn't say.
static const char *parse_envelope(const struct parse *parse, const char *name) {
    const cJSON *given = json_member(parse->envelope, name);
    const cJSON *first = cJSON_IsArray(given) ? cJSON_GetArrayItem(given, 0) : given;
    return cJSON_IsString(first) && !parse_is_blank(first->valuestring) ? first->valuestring : NULL;
}

static uint64_t parse_left_out(const struct parse *parse, const char *name) {
    const struct form_data_part *part = form_data_find(&parse->form, name);
    return part != NULL ? part->left_out : 0;
}

// Cut, or longer than anybody takes it: without the addresses at its end.
static void cut_addresses(char *text, bool was_cut) {
    if (!was_cut && strlen(text) <= ADDRESS_KEPT_MAX_BYTES) {
        return;
    }
    provider_cut(text, ADDRESS_KEPT_MAX_BYTES);
    char *comma = strrchr(text, ',');
    if (comma != NULL) {
        *comma = '\0';
    }
}

static void parse_add_address(const struct parse *parse, const char *name, const char *header, cJSON *out) {
    char *text = parse_field(parse, name, header, true);
    const char *envelope = parse_envelope(parse, name);
    const char *shown = parse_is_blank(text) && envelope != NULL ? envelope : text;
    cut_addresses(text, parse_left_out(parse, name) > 0);
    if (!parse_is_blank(shown)) {
        cJSON_AddStringToObject(out, name, shown);
    }
    free(text);
}

// ---- Text

// Who reads it shall know that there was more.
static void mark_cut(struct buf *body, const char *what, uint64_t left_out) {
    if (left_out > 0) {
        buf_printf(body, "\n\n[%" PRIu64 " more bytes of this %s were left out.]", left_out, what);
    }
}

// The text where there is one, for that is what its sender wrote for those who read no HTML, else the HTML.
static void parse_add_body(const struct parse *parse, cJSON *out) {
    char *text = parse_text(parse, "text"), *html = parse_text(parse, "html");
    bool takes_html = parse_is_blank(text) && !parse_is_blank(html);
    struct buf body = {0};
    buf_puts(&body, takes_html ? html : text);
    mark_cut(&body, "text", parse_left_out(parse, takes_html ? "html" : "text"));
    cJSON_AddStringToObject(out, "body", body.data);
    buf_free(&body);
    free(text);
    free(html);
}

static void parse_add_raw_body(const struct parse *parse, const struct mail *mail, cJSON *out) {
    bool takes_html = span_trim((struct span){mail->text.data, mail->text.length}).length == 0 && mail->html.length > 0;
    const struct buf *taken = takes_html ? &mail->html : &mail->text;
    struct buf body = {0};
    buf_append(&body, taken->data, taken->length);
    mark_cut(&body, "mail", parse_left_out(parse, "email"));
    cJSON_AddStringToObject(out, "body", body.data);
    buf_free(&body);
}

// ---- Files

static void parse_add_text(cJSON *array, char *text) {
    cJSON_AddItemToArray(array, cJSON_CreateString(text));
    free(text);
}

static bool is_known_field(const char *name) {
    for (size_t i = 0; i < PARSE_FIELDS; i++) {
        if (strcmp(parse_fields[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

// "attachment1", which may have been posted without a name of its own.
static bool is_attachment_name(const char *name) {
    static const char prefix[] = "attachment";
    const char *digits = name + sizeof prefix - 1;
    return strncmp(name, prefix, sizeof prefix - 1) == 0 && *digits != '\0' &&
           digits[strspn(digits, "0123456789")] == '\0';
}

// What the form says of a file, and its part's head besides.
static void add_file(const cJSON *infos, const struct form_data_part *part, cJSON *array) {
    const cJSON *info = json_member(infos, part->head.name);
    const char *filename = json_string(info, "filename"), *type = json_string(info, "type");
    if (filename == NULL || *filename == '\0') {
        filename = json_string(info, "name");
    }
    if (filename == NULL || *filename == '\0') {
        filename = part->head.filename;
    }
    parse_add_text(array, mail_attachment_text(filename, type != NULL ? type : part->head.type,
                                               *part->head.name != '\0' ? part->head.name : "attachment"));
}

static bool is_file(const struct form_data_part *part) {
    return is_attachment_name(part->head.name) || (part->head.filename != NULL && !is_known_field(part->head.name));
}

// What isn't shown is counted.
static void parse_add_attachments(const struct parse *parse, const struct mail *mail, cJSON *out) {
    cJSON *array = cJSON_AddArrayToObject(out, "attachments");
    cJSON *infos = parse_json(&parse->form, "attachment-info");
    uint64_t files = 0, more = parse->form.left_out + mail->left_out;
    for (size_t i = 0; i < parse->form.count; i++) {
        const struct form_data_part *part = &parse->form.parts[i];
        if (!is_file(part)) {
            continue;
        }
        if (files++ < PARSE_FILES_MOST) {
            add_file(infos, part, array);
        } else {
            more++;
        }
    }
    for (size_t i = 0; i < mail->count; i++) {
        cJSON_AddItemToArray(array, cJSON_CreateString(mail->attachments[i]));
    }
    if (more > 0) {
        parse_add_text(array, xasprintf("%" PRIu64 " more parts of this mail", more));
    }
    cJSON_Delete(infos);
}

// ---- What it is known by

// Of a mail without a Message-ID: of what is there and stays the same whenever it comes, and whoever else gets it.
static char *parse_make_id(const struct parse *parse) {
    static const char *const names[] = {"headers", "from", "to", "subject", "text", "html", "email"};
    struct buf hashed = {0};
    uint8_t digest[SHA256_SIZE];
    char hex[2 * SHA256_SIZE + 1];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct form_data_part *part = form_data_find(&parse->form, names[i]);
        if (part != NULL) {
            buf_printf(&hashed, "%s %zu %" PRIu64 "\n", names[i], part->content.length, part->left_out);
            buf_append(&hashed, part->content.data, part->content.length);
        }
    }
    buf_append(&hashed, "", 0);
    crypto_sha256(hashed.data, hashed.length, digest);
    hex_encode(digest, sizeof digest, hex);
    buf_free(&hashed);
    return xasprintf("sha256:%s", hex);
}

static void parse_add_id(const struct parse *parse, cJSON *out) {
    char *given = parse_header(parse, "Message-ID");
    char *id = header_message_id(text_span(given));
    if (id == NULL || strlen(id) > PARSE_ID_MOST) {
        free(id);
        id = parse_make_id(parse);
    }
    cJSON_AddStringToObject(out, "xillio_id", id);
    free(given);
    free(id);
}

static void parse_add_all(const struct parse *parse, cJSON *out) {
    struct mail mail = {.count = 0};
    parse_add_address(parse, "from", "From", out);
    parse_add_address(parse, "to", "To", out);
    const char *ours = parse_envelope(parse, "to");
    if (ours != NULL) {
        cJSON_AddStringToObject(out, "our_address", ours);
    }
    char *subject = parse_field(parse, "subject", "Subject", false);
    cJSON_AddStringToObject(out, "subject", subject);
    free(subject);
    if (parse->is_raw) {
        mail_read(parse->mail, &mail);
        parse_add_raw_body(parse, &mail, out);
    } else {
        parse_add_body(parse, out);
    }
    parse_add_attachments(parse, &mail, out);
    char *date = parse_header(parse, "Date");
    cJSON_AddStringToObject(out, "timestamp", date);
    free(date);
    parse_add_id(parse, out);
    mail_free(&mail);
}

static cJSON *parse_read_message(const struct provider_post *post, const char **error) {
    char *boundary = multipart_boundary(text_span(post->content_type != NULL ? post->content_type : ""));
    if (boundary == NULL) {
        *error = "The media type names no boundary.";
        return NULL;
    }
    struct parse parse = {.is_raw = false};
    parse_begin(&parse, post, boundary);
    cJSON *out = NULL;
    if (parse.form.count > 0) {
        out = cJSON_CreateObject();
        parse_add_all(&parse, out);
    } else {
        *error = "The body has no part between boundaries of its media type.";
    }
    parse_end(&parse);
    free(boundary);
    return out;
}

static const char *parse_field_name(const char *ours) {
    static const char *const names[][2] = {{"body", "text"}, {"xillio_id", "headers"}, {"timestamp", "headers"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(names[i][0], ours) == 0) {
            return names[i][1];
        }
    }
    return ours;
}

static const struct provider_way_in sendgrid_parse = {
    .provider = PROVIDER_EMAIL,
    .route = PROVIDER_ROUTE_MESSAGES,
    .media_type = "multipart/form-data",
    .is_signed = email_is_signed,
    .verify = email_verify,
    .read_message = parse_read_message,
    .names_our_address = true,
    .max_body = parse_max_body,
    .take_body = parse_take_body,
    .field_name = parse_field_name,
    .status = 200,
};

static const struct provider_way_in sendgrid_own_messages = {
    .provider = PROVIDER_EMAIL,
    .route = PROVIDER_ROUTE_MESSAGES,
    .media_type = "application/json",
    .is_signed = email_is_signed,
    .verify = email_verify,
    .read_message = own_read_message,
};

const struct provider_adapter provider_sendgrid = {
    .provider = PROVIDER_EMAIL,
    .content_type = "application/json",
    .idempotency_header = "X-Message-Id",
    .url = sendgrid_url,
    .authorization = sendgrid_authorization,
    .write_body = sendgrid_write_body,
    .read_answer = sendgrid_read_answer,
    .ways_in = {&sendgrid_own_messages, &sendgrid_parse, &sendgrid_receipts},
};
