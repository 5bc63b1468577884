// SPDX-License-Identifier: MIT
#include "dispatcher/mock/arrival.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "dispatcher/mock/twilio_form.h"
#include "shared/base/base64.h"
#include "shared/base/crypto.h"
#include "shared/base/decimal.h"
#include "shared/base/hex.h"
#include "shared/base/json.h"
#include "shared/message/html_detect.h"
#include "shared/message/segments.h"

enum { ID_BYTES = 16, MOST_MEDIA = 10 };

// ---- What is asked for

static bool is_list_of_urls(const cJSON *media) {
    const cJSON *url;
    if (!cJSON_IsArray(media) || cJSON_GetArraySize(media) > MOST_MEDIA) {
        return false;
    }
    cJSON_ArrayForEach(url, media) {
        if (!cJSON_IsString(url) || *url->valuestring == '\0') {
            return false;
        }
    }
    return true;
}

static bool is_text_or_none(const cJSON *document, const char *name) {
    const cJSON *member = json_member(document, name);
    return member == NULL || cJSON_IsNull(member) || cJSON_IsString(member);
}

const char *mock_arrival_read(const cJSON *document, struct mock_arrival *out) {
    const char *channel = json_string(document, "channel");
    const cJSON *media = json_member(document, "media");
    *out = (struct mock_arrival){.from = json_string(document, "from"), .to = json_string(document, "to")};
    if (channel == NULL ||
        (strcmp(channel, "sms") != 0 && strcmp(channel, "mms") != 0 && strcmp(channel, "email") != 0)) {
        return "channel must be sms, mms or email";
    }
    if (out->from == NULL || *out->from == '\0' || out->to == NULL || *out->to == '\0') {
        return "from and to must be strings that are not empty";
    }
    if (!is_text_or_none(document, "body") || !is_text_or_none(document, "subject")) {
        return "body and subject, where they are given, must be strings";
    }
    if (media != NULL && !cJSON_IsNull(media) && !is_list_of_urls(media)) {
        return "media, where it is given, must be an array of at most 10 strings that are not empty";
    }
    out->is_email = strcmp(channel, "email") == 0;
    out->body = json_string(document, "body") != NULL ? json_string(document, "body") : "";
    out->subject = json_string(document, "subject");
    out->media = cJSON_IsArray(media) ? media : NULL;
    return NULL;
}

static void mock_arrival_make_id(char out[2 * ID_BYTES + 1]) {
    uint8_t bytes[ID_BYTES];
    crypto_random(bytes, sizeof bytes);
    hex_encode(bytes, sizeof bytes, out);
}

// By the name's end; what isn't known is a picture, as most of them are.
static const char *mock_arrival_type_of(const char *url) {
    static const struct {
        const char *end, *type;
    } types[] = {{".png", "image/png"},       {".gif", "image/gif"},  {".mp4", "video/mp4"},
                 {".pdf", "application/pdf"}, {".txt", "text/plain"}, {".vcf", "text/vcard"}};
    size_t length = strcspn(url, "?#");
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        size_t end = strlen(types[i].end);
        if (length >= end && strncasecmp(url + length - end, types[i].end, end) == 0) {
            return types[i].type;
        }
    }
    return "image/jpeg";
}

// ---- Twilio's

static void mock_arrival_add_media(const cJSON *media, struct buf *form) {
    const cJSON *url;
    int number = 0;
    cJSON_ArrayForEach(url, media) {
        char *content_type = xasprintf("MediaContentType%d", number);
        char *name = xasprintf("MediaUrl%d", number++);
        mock_form_add(form, content_type, mock_arrival_type_of(url->valuestring));
        mock_form_add(form, name, url->valuestring);
        free(content_type);
        free(name);
    }
}

// In an order of Twilio's, with the fields about places that are often there and empty.
void mock_arrival_write_form(const struct mock_arrival *arrival, const char *account, struct buf *out) {
    static const char *const places[] = {"ToCountry", "ToState",   "ToCity",   "ToZip",
                                         "FromZip",   "FromState", "FromCity", "FromCountry"};
    char id[2 * ID_BYTES + 1];
    size_t media = arrival->media != NULL ? (size_t)cJSON_GetArraySize(arrival->media) : 0;
    mock_arrival_make_id(id);
    char *sid = xasprintf("%s%s", media > 0 ? "MM" : "SM", id);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        mock_form_add(out, places[i], "");
    }
    mock_form_add(out, "SmsMessageSid", sid);
    mock_form_add(out, "NumMedia", DECIMAL(media));
    mock_form_add(out, "SmsSid", sid);
    mock_form_add(out, "SmsStatus", "received");
    mock_form_add(out, "Body", arrival->body);
    mock_form_add(out, "To", arrival->to);
    mock_form_add(out, "NumSegments",
                  DECIMAL(media > 0 ? media : segments_of(arrival->body, strlen(arrival->body)).count));
    mock_form_add(out, "MessageSid", sid);
    mock_form_add(out, "AccountSid", account);
    mock_form_add(out, "From", arrival->from);
    mock_form_add(out, "ApiVersion", "2010-04-01");
    mock_arrival_add_media(arrival->media, out);
    free(sid);
}

// ---- SendGrid's

struct mail_out {
    struct buf *out;
    const char *boundary;
};

// type: of a file; NULL: of a field.
static void mock_arrival_add_part(const struct mail_out *mail, const char *name, const char *file, const char *type,
                                  const char *value) {
    buf_printf(mail->out, "--%s\r\nContent-Disposition: form-data; name=\"%s\"", mail->boundary, name);
    if (file != NULL) {
        buf_printf(mail->out, "; filename=\"%s\"\r\nContent-Type: %s", file, type);
    }
    buf_printf(mail->out, "\r\n\r\n%s\r\n", value);
}

// A header's text, as an encoded word (RFC 2047) where it isn't ASCII.
static void add_header_text(struct buf *out, const char *name, const char *text) {
    bool plain = true;
    for (const char *c = text; *c != '\0'; c++) {
        plain = plain && *c >= ' ' && *c < 0x7f;
    }
    buf_printf(out, "%s: ", name);
    if (plain) {
        buf_puts(out, text);
    } else {
        buf_puts(out, "=?UTF-8?B?");
        base64_encode(text, strlen(text), out);
        buf_puts(out, "?=");
    }
    buf_putc(out, '\n');
}

static void mock_arrival_add_headers(const struct mail_out *mail, const struct mock_arrival *arrival) {
    struct buf headers = {0};
    char id[2 * ID_BYTES + 1], date[64];
    struct tm utc;
    time_t now = time(NULL);
    mock_arrival_make_id(id);
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S +0000", gmtime_r(&now, &utc));
    buf_printf(&headers, "Received: by mx.mock.example with SMTP id %.8s; %s\n", id, date);
    buf_printf(&headers, "MIME-Version: 1.0\nMessage-ID: <%s@mail.mock.example>\nDate: %s\n", id, date);
    add_header_text(&headers, "From", arrival->from);
    add_header_text(&headers, "To", arrival->to);
    add_header_text(&headers, "Subject", arrival->subject != NULL ? arrival->subject : "");
    buf_puts(&headers, "Content-Type: multipart/mixed; boundary=\"mock\"\n");
    mock_arrival_add_part(mail, "headers", NULL, NULL, headers.data);
    buf_free(&headers);
}

// The address alone of `Name <a@b>`; owned by the caller.
static char *bare_address(const char *text) {
    const char *open = strrchr(text, '<'), *close = open != NULL ? strchr(open, '>') : NULL;
    return close != NULL ? xstrndup(open + 1, (size_t)(close - open - 1)) : xstrdup(text);
}

static void mock_arrival_add_envelope(const struct mail_out *mail, const struct mock_arrival *arrival) {
    struct buf envelope = {0};
    char *to = bare_address(arrival->to), *from = bare_address(arrival->from);
    buf_puts(&envelope, "{\"to\":[");
    json_write_string(&envelope, to);
    buf_putc(&envelope, ']');
    json_write_member(&envelope, "from", from);
    buf_putc(&envelope, '}');
    mock_arrival_add_part(mail, "envelope", NULL, NULL, envelope.data);
    free(to);
    free(from);
    buf_free(&envelope);
}

// A URL's last name without what a header can't hold; owned by the caller.
static char *file_of(const char *url) {
    size_t length = strcspn(url, "?#"), begin = length;
    while (begin > 0 && url[begin - 1] != '/') {
        begin--;
    }
    char *name = begin < length ? xstrndup(url + begin, length - begin) : xstrdup("attachment");
    for (char *c = name; *c != '\0'; c++) {
        *c = (unsigned char)*c < ' ' || *c == '"' || *c == '\\' || *c == 0x7f ? '_' : *c;
    }
    return name;
}

static void mock_arrival_add_attachments(const struct mail_out *mail, const cJSON *media) {
    struct buf info = {0};
    const cJSON *url;
    int number = 0;
    mock_arrival_add_part(mail, "attachments", NULL, NULL, DECIMAL(media != NULL ? cJSON_GetArraySize(media) : 0));
    if (media == NULL || media->child == NULL) {
        return;
    }
    buf_putc(&info, '{');
    cJSON_ArrayForEach(url, media) {
        char *field = xasprintf("attachment%d", ++number), *file = file_of(url->valuestring);
        json_write_name(&info, field);
        buf_putc(&info, '{');
        json_write_member(&info, "filename", file);
        json_write_member(&info, "name", file);
        json_write_member(&info, "type", mock_arrival_type_of(url->valuestring));
        buf_putc(&info, '}');
        mock_arrival_add_part(mail, field, file, mock_arrival_type_of(url->valuestring), "of the mock\n");
        free(field);
        free(file);
    }
    buf_putc(&info, '}');
    mock_arrival_add_part(mail, "attachment-info", NULL, NULL, info.data);
    buf_free(&info);
}

void mock_arrival_write_mail(const struct mock_arrival *arrival, const char *boundary, struct buf *out) {
    const struct mail_out mail = {out, boundary};
    bool html = html_detect(arrival->body, strlen(arrival->body));
    mock_arrival_add_headers(&mail, arrival);
    mock_arrival_add_part(&mail, "dkim", NULL, NULL, "{@mock.example : pass}");
    mock_arrival_add_part(&mail, "to", NULL, NULL, arrival->to);
    mock_arrival_add_part(&mail, html ? "html" : "text", NULL, NULL, arrival->body);
    mock_arrival_add_part(&mail, "from", NULL, NULL, arrival->from);
    mock_arrival_add_part(&mail, "sender_ip", NULL, NULL, "203.0.113.7");
    mock_arrival_add_envelope(&mail, arrival);
    mock_arrival_add_attachments(&mail, arrival->media);
    mock_arrival_add_part(&mail, "subject", NULL, NULL, arrival->subject != NULL ? arrival->subject : "");
    mock_arrival_add_part(&mail, "spam_score", NULL, NULL, "0.1");
    mock_arrival_add_part(&mail, "charsets", NULL, NULL,
                          html ? "{\"to\":\"UTF-8\",\"from\":\"UTF-8\",\"subject\":\"UTF-8\",\"html\":\"utf-8\"}"
                               : "{\"to\":\"UTF-8\",\"from\":\"UTF-8\",\"subject\":\"UTF-8\",\"text\":\"utf-8\"}");
    mock_arrival_add_part(&mail, "SPF", NULL, NULL, "pass");
    buf_printf(out, "--%s--\r\n", boundary);
}
