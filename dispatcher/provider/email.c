// SPDX-License-Identifier: MIT
//
// SendGrid's v3 Mail Send: POST /v3/mail/send, JSON, bearer token, answered with 202, an empty body and X-Message-Id
// (https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send). It documents no idempotency key; the
// message id travels as a custom argument too, which its event webhooks give back.
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "dispatcher/provider/provider.h"
#include "shared/base/json.h"
#include "shared/message/snippet.h"

static char *email_url(const struct settings *settings) {
    return provider_url_join(settings->provider_email_url, "/v3/mail/send");
}

static char *email_authorization(const struct settings *settings) {
    return xasprintf("Bearer %s", settings->provider_email_token);
}

// The length of the tag that begins at text ("<p>", "</b>", "<br/>", "<!DOCTYPE html>"), or 0. An address in angle
// brackets is none: its name goes on with '@' or '.'.
static size_t tag_length(const char *text) {
    const char *c = text + 1;
    if (*c == '/' || *c == '!') {
        c++;
    }
    if (!isalpha((unsigned char)*c)) {
        return 0;
    }
    while (isalnum((unsigned char)*c)) {
        c++;
    }
    if (*c != '>' && *c != '/' && !isspace((unsigned char)*c)) {
        return 0;
    }
    const char *end = strchr(c, '>');
    return end != NULL ? (size_t)(end - text) + 1 : 0;
}

static bool looks_like_html(const char *body) {
    for (const char *open = strchr(body, '<'); open != NULL; open = strchr(open + 1, '<')) {
        if (tag_length(open) > 0) {
            return true;
        }
    }
    return false;
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
            buf_puts(out, i == 0 ? "\n\n" : "\n");
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
static void write_text(struct buf *out, const struct message *message, bool html) {
    size_t at = html ? links_at(message->body) : strlen(message->body);
    buf_append(out, message->body, at);
    write_links(out, message, html);
    buf_puts(out, message->body + at);
}

static void write_address(struct buf *out, const char *address) {
    buf_putc(out, '{');
    json_write_member(out, "email", address);
    buf_putc(out, '}');
}

static void write_content(struct buf *out, const struct message *message) {
    bool html = looks_like_html(message->body);
    struct buf text = {0};
    write_text(&text, message, html);
    json_write_name(out, "content");
    buf_puts(out, "[{");
    json_write_member(out, "type", html ? "text/html" : "text/plain");
    json_write_name(out, "value");
    json_write_stringn(out, text.data, text.length);
    buf_puts(out, "}]");
    buf_free(&text);
}

static void write_subject(struct buf *out, const struct settings *settings, const char *body) {
    struct buf subject = {0};
    snippet_append(&subject, body, strlen(body), (size_t)settings->conversation_snippet_length);
    json_write_member(out, "subject", subject.length > 0 ? subject.data : "(no subject)");
    buf_free(&subject);
}

static void email_write_body(const struct settings *settings, const char *message_id, const struct message *message,
                             struct buf *out) {
    buf_puts(out, "{\"personalizations\":[{\"to\":[");
    write_address(out, message->to);
    buf_puts(out, "]}],\"from\":");
    write_address(out, message->from);
    write_subject(out, settings, message->body);
    write_content(out, message);
    buf_puts(out, ",\"custom_args\":{");
    json_write_member(out, "message_id", message_id);
    buf_puts(out, "}}");
}

// Error: {"errors":[{"message":"…","field":"…","help":"…"}]}.
static void email_read_answer(const char *body, size_t length, const char *header_id, struct outcome *outcome) {
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

const struct provider_adapter provider_email_adapter = {
    .provider = PROVIDER_EMAIL,
    .content_type = "application/json",
    .idempotency_header = "X-Message-Id",
    .url = email_url,
    .authorization = email_authorization,
    .write_body = email_write_body,
    .read_answer = email_read_answer,
};
