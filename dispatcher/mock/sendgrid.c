// SPDX-License-Identifier: MIT
//
// SendGrid's v3 Mail Send: https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send; its errors:
// https://www.twilio.com/docs/sendgrid/api-reference/mail-send/errors.
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "dispatcher/mock/wire.h"
#include "shared/base/json.h"

#define ERROR_PAGE "http://sendgrid.com/docs/API_Reference/Web_API_v3/Mail/errors.html"

static bool mock_sendgrid_is_path(const char *path) {
    return strcmp(path, "/v3/mail/send") == 0;
}

static bool mock_sendgrid_is_authorized(const struct settings *settings, const struct mock_request *request) {
    const char *given = request->authorization;
    if (*settings->provider_email_token == '\0') {
        return true;
    }
    return given != NULL && strncasecmp(given, "Bearer ", 7) == 0 &&
           strcmp(given + 7, settings->provider_email_token) == 0;
}

static void mock_sendgrid_write_error(struct buf *out, const char *message, const char *field, const char *help) {
    buf_puts(out, "{\"errors\":[{");
    json_write_member(out, "message", message);
    json_write_member(out, "field", field);
    json_write_member(out, "help", help);
    buf_puts(out, "}]}");
}

static void mock_sendgrid_write_failure(unsigned status, struct buf *out) {
    static const struct {
        unsigned status;
        const char *message, *field;
    } failures[] = {
        {401, "The provided authorization grant is invalid, expired, or revoked", NULL},
        {403,
         "The from address does not match a verified Sender Identity. Mail cannot be sent until this error is "
         "resolved.",
         "from"},
        {405, "method not allowed", NULL},
        {413, "request entity too large", NULL},
        {429, "too many requests", NULL},
        {500, "internal server error", NULL},
        {503, "service unavailable", NULL},
    };
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++) {
        if (failures[i].status == status) {
            mock_sendgrid_write_error(out, failures[i].message, failures[i].field, NULL);
        }
    }
}

static void mock_sendgrid_write_missing(const char *path, struct buf *out) {
    (void)path;
    mock_sendgrid_write_error(out, "not found", NULL, NULL);
}

// The length of the local part at text, a quoted string or atoms joined by single dots (RFC 5321, 4.1.2; RFC 6531's
// characters beyond ASCII); 0: none.
static size_t local_part_length(const char *text) {
    if (*text == '"') {
        size_t at = 1;
        while (text[at] != '\0' && text[at] != '"') {
            at += text[at] == '\\' && text[at + 1] != '\0' ? 2 : 1;
        }
        return text[at] == '"' && at > 1 ? at + 1 : 0;
    }
    size_t length = strcspn(text, "@ \t\r\n()<>[]:;,\\\"");
    bool dots = *text == '.' || memmem(text, length, "..", 2) != NULL || (length > 0 && text[length - 1] == '.');
    return dots ? 0 : length;
}

// A label of letters, digits, '-' and characters beyond ASCII: its length, or 0.
static size_t label_length(const char *text) {
    size_t length = 0;
    while (!isascii(text[length]) || isalnum((unsigned char)text[length]) || text[length] == '-') {
        length++;
    }
    return length > 0 && text[0] != '-' && text[length - 1] != '-' ? length : 0;
}

static bool is_domain(const char *text) {
    size_t length;
    while ((length = label_length(text)) > 0 && text[length] == '.') {
        text += length + 1;
    }
    return length > 0 && text[length] == '\0';
}

static bool mock_sendgrid_is_email(const cJSON *object) {
    const char *email = json_string(object, "email");
    size_t local = email != NULL ? local_part_length(email) : 0;
    return local > 0 && email[local] == '@' && is_domain(email + local + 1);
}

static bool has_text(const cJSON *object, const char *name) {
    const char *text = json_string(object, name);
    return text != NULL && *text;
}

// The first thing that is wrong; NULL message: nothing.
struct finding {
    const char *message, *field, *help;
};

static struct finding check_recipients(const cJSON *mail) {
    const cJSON *personalizations = json_member(mail, "personalizations");
    if (!cJSON_IsArray(personalizations) || cJSON_GetArraySize(personalizations) == 0) {
        return (struct finding){"The personalizations field is required and must have at least one personalization.",
                                "personalizations", ERROR_PAGE "#-Personalizations-Errors"};
    }
    const cJSON *personalization;
    cJSON_ArrayForEach(personalization, personalizations) {
        const cJSON *to = json_member(personalization, "to");
        if (!cJSON_IsArray(to) || cJSON_GetArraySize(to) == 0) {
            return (struct finding){"The to array is required for all personalization objects, and must have at least "
                                    "one email object with a valid email address.",
                                    "personalizations.0.to", ERROR_PAGE "#message.personalizations.to"};
        }
        const cJSON *recipient;
        cJSON_ArrayForEach(recipient, to) {
            if (!mock_sendgrid_is_email(recipient)) {
                return (struct finding){"Does not contain a valid address.", "personalizations.0.to.0.email",
                                        ERROR_PAGE "#message.personalizations.to"};
            }
        }
    }
    return (struct finding){NULL, NULL, NULL};
}

static struct finding check_from(const cJSON *from) {
    if (!has_text(from, "email")) {
        return (struct finding){"The from object must be provided for every email send. It is an object that requires "
                                "the email parameter.",
                                "from.email", ERROR_PAGE "#message.from"};
    }
    if (!mock_sendgrid_is_email(from)) {
        return (struct finding){"The from email does not contain a valid address.", "from.email",
                                ERROR_PAGE "#message.from"};
    }
    return (struct finding){NULL, NULL, NULL};
}

static struct finding check_part(const cJSON *part) {
    if (!has_text(part, "type")) {
        return (struct finding){"The content type is required.", "content.0.type", ERROR_PAGE "#message.content.type"};
    }
    if (!has_text(part, "value")) {
        return (struct finding){"The content value must be a string at least one character in length.",
                                "content.0.value", ERROR_PAGE "#message.content.value"};
    }
    return (struct finding){NULL, NULL, NULL};
}

// text/plain comes before text/html, both before anything else.
static int mock_sendgrid_rank(const char *type) {
    return strcasecmp(type, "text/plain") == 0 ? 0 : strcasecmp(type, "text/html") == 0 ? 1 : 2;
}

static struct finding check_order(const cJSON *content) {
    int last = -1;
    const cJSON *part;
    cJSON_ArrayForEach(part, content) {
        int rank = mock_sendgrid_rank(json_string(part, "type"));
        if (rank == last && rank < 2) {
            return (struct finding){"If present, text/plain and text/html may only be provided once.", "content",
                                    ERROR_PAGE "#message.content"};
        }
        if (rank < last) {
            return (struct finding){"If present, text/plain must be first, followed by text/html, followed by any "
                                    "other content.",
                                    "content", ERROR_PAGE "#message.content"};
        }
        last = rank;
    }
    return (struct finding){NULL, NULL, NULL};
}

static struct finding check_content(const cJSON *mail) {
    const cJSON *content = json_member(mail, "content");
    if (!cJSON_IsArray(content) || cJSON_GetArraySize(content) == 0) {
        return (struct finding){"The content field is required. Please provide it.", "content",
                                ERROR_PAGE "#message.content"};
    }
    const cJSON *part;
    cJSON_ArrayForEach(part, content) {
        struct finding finding = check_part(part);
        if (finding.message != NULL) {
            return finding;
        }
    }
    return check_order(content);
}

static struct finding mock_sendgrid_check(const cJSON *mail) {
    if (!cJSON_IsObject(mail)) {
        return (struct finding){"Bad Request", NULL, NULL};
    }
    struct finding finding = check_recipients(mail);
    if (finding.message != NULL) {
        return finding;
    }
    finding = check_from(json_member(mail, "from"));
    if (finding.message != NULL) {
        return finding;
    }
    if (!has_text(mail, "subject")) {
        return (struct finding){"The subject is required. You can get around this requirement if you use a template.",
                                "subject", ERROR_PAGE "#message.subject"};
    }
    return check_content(mail);
}

static bool mock_sendgrid_answer(const struct settings *settings, const struct mock_request *request,
                                 struct mock_answer *out) {
    (void)settings;
    if (request->content_type == NULL || strncasecmp(request->content_type, "application/json", 16) != 0) {
        out->status = 415;
        mock_sendgrid_write_error(&out->body, "Content-Type should be application/json.", NULL, NULL);
        return false;
    }
    const char *why;
    cJSON *mail = json_parse(request->body, request->length, &why);
    struct finding finding = mock_sendgrid_check(mail);
    if (finding.message != NULL) {
        out->status = 400;
        mock_sendgrid_write_error(&out->body, finding.message, finding.field, finding.help);
    } else {
        out->status = 202;
        out->message_id = xstrdup(request->id);
    }
    cJSON_Delete(mail);
    return finding.message == NULL;
}

static char *mock_sendgrid_sender(const struct mock_request *request) {
    const char *why;
    cJSON *mail = json_parse(request->body, request->length, &why);
    const char *email = json_string(json_member(mail, "from"), "email");
    char *copy = xstrdup(email != NULL ? email : "");
    cJSON_Delete(mail);
    return copy;
}

const struct mock_wire mock_sendgrid = {
    .provider = PROVIDER_EMAIL,
    .content_type = "application/json",
    .root = "/v3",
    .is_path = mock_sendgrid_is_path,
    .is_authorized = mock_sendgrid_is_authorized,
    .answer = mock_sendgrid_answer,
    .sender = mock_sendgrid_sender,
    .write_failure = mock_sendgrid_write_failure,
    .write_missing = mock_sendgrid_write_missing,
};
