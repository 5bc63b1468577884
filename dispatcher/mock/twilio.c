// SPDX-License-Identifier: MIT
//
// Twilio's Messages resource: https://www.twilio.com/docs/messaging/api/message-resource; its error codes:
// https://www.twilio.com/docs/api/errors.
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "dispatcher/mock/twilio_message.h"
#include "dispatcher/mock/twilio_path.h"
#include "dispatcher/mock/wire.h"
#include "shared/base/base64.h"
#include "shared/base/form.h"
#include "shared/base/json.h"
#include "shared/base/unicode.h"

// What Twilio's test credentials refuse as recipient and sender: https://www.twilio.com/docs/iam/test-credentials.
static const struct test_number {
    const char *number;
    int code;
    const char *message;
} refused_recipients[] =
    {
        {"+15005550001", 21211, "Invalid 'To' Phone Number"},
        {"+15005550002", 21612, "The 'To' phone number is not currently reachable using the 'From' phone number"},
        {"+15005550003", 21408,
         "Permission to send an SMS has not been enabled for the region indicated by the 'To' number"},
        {"+15005550004", 21610, "Attempt to send to unsubscribed recipient"},
        {"+15005550009", 21614, "'To' number is not a valid mobile number"},
},
  refused_senders[] = {
      {"+15005550001", 21212, "Invalid From Number (caller ID)"},
      {"+15005550007", 21606, "The 'From' phone number provided is not a valid message-capable Twilio phone number"},
      {"+15005550008", 21611, "This 'From' number has exceeded the maximum number of queued messages"},
};

#define MOST_MEDIA 10
#define MOST_CHARACTERS 1600
#define MOST_SENDER_ID 11 // characters of an alphanumeric sender id

static bool mock_twilio_is_path(const char *text) {
    struct mock_twilio_path path = mock_twilio_path_of(text);
    bool is_path = path.resource == MOCK_TWILIO_MESSAGES;
    mock_twilio_path_free(&path);
    return is_path;
}

// Whether the header is basic authentication by that user and password.
static bool is_basic(const char *given, const char *user, const char *password) {
    char *plain = xasprintf("%s:%s", user, password);
    struct buf encoded = {0};
    base64_encode(plain, strlen(plain), &encoded);
    bool fits = given != NULL && strncasecmp(given, "Basic ", 6) == 0 && strcmp(given + 6, encoded.data) == 0;
    free(plain);
    buf_free(&encoded);
    return fits;
}

// Basic authentication with the account's SID and token or with an API key's, and the path, where it names an account,
// names that one.
static bool mock_twilio_is_authorized(const struct settings *settings, const struct mock_request *request) {
    const char *given = request->authorization, *key = settings->provider_sms_key_sid;
    if (*settings->provider_sms_token == '\0') {
        return true;
    }
    struct mock_twilio_path path = mock_twilio_path_of(request->path);
    bool is_own = *path.account == '\0' || strcmp(path.account, settings->provider_sms_account) == 0;
    mock_twilio_path_free(&path);
    return is_own && (is_basic(given, settings->provider_sms_account, settings->provider_sms_token) ||
                      (*key != '\0' && is_basic(given, key, settings->provider_sms_key_secret)));
}

static void mock_twilio_write_error(struct buf *out, unsigned status, int code, const char *message) {
    char *more = xasprintf("https://www.twilio.com/docs/errors/%d", code);
    buf_putc(out, '{');
    json_write_member_int(out, "code", code);
    json_write_member(out, "message", message);
    json_write_member(out, "more_info", more);
    json_write_member_int(out, "status", status);
    buf_putc(out, '}');
    free(more);
}

static void mock_twilio_write_failure(unsigned status, struct buf *out) {
    static const struct {
        unsigned status;
        int code;
        const char *message;
    } failures[] = {
        {401, 20003, "Authenticate"},
        {403, 20403, "Forbidden"},
        {405, 20004, "Method not allowed"},
        {413, 20413, "Request entity too large"},
        {429, 20429, "Too Many Requests"},
        {500, 20500, "An internal server error has occurred"},
        {503, 20503, "Service is unavailable. Please try again."},
    };
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++) {
        if (failures[i].status == status) {
            mock_twilio_write_error(out, status, failures[i].code, failures[i].message);
        }
    }
}

static void mock_twilio_write_missing(const char *path, struct buf *out) {
    char *message = xasprintf("The requested resource %s was not found", path);
    mock_twilio_write_error(out, 404, 20404, message);
    free(message);
}

static bool is_phone(const char *text) {
    text += *text == '+';
    size_t digits = strspn(text, "0123456789");
    return digits >= 3 && digits <= 15 && text[digits] == '\0';
}

static bool reject(struct mock_answer *out, int code, const char *message) {
    out->status = 400;
    mock_twilio_write_error(&out->body, 400, code, message);
    return false;
}

static bool mock_twilio_is_blank(const char *text) {
    return text == NULL || *text == '\0';
}

// An alphanumeric sender id: https://www.twilio.com/docs/glossary/what-alphanumeric-sender-id.
static bool mock_twilio_is_sender_id(const char *text) {
    bool letter = false;
    for (const char *c = text; *c != '\0'; c++) {
        if (!isascii(*c) || (!isalnum((unsigned char)*c) && strchr(" -_&.+", *c) == NULL)) {
            return false;
        }
        letter = letter || isalpha((unsigned char)*c);
    }
    return letter && strlen(text) <= MOST_SENDER_ID;
}

static size_t count_characters(const char *text) {
    size_t count = 0, taken;
    for (size_t at = 0, length = strlen(text); at < length; at += taken) {
        (void)unicode_decode(text + at, length - at, &taken);
        count++;
    }
    return count;
}

static bool mock_twilio_check_presence(const struct form *form, struct mock_answer *out) {
    if (mock_twilio_is_blank(form_get(form, "To"))) {
        return reject(out, 21604, "A 'To' phone number is required.");
    }
    if (mock_twilio_is_blank(form_get(form, "From"))) {
        return reject(out, 21603, "A 'From' phone number is required.");
    }
    if (mock_twilio_is_blank(form_get(form, "Body")) && form_count(form, "MediaUrl") == 0) {
        return reject(out, 21602, "Message body is required.");
    }
    return true;
}

static bool is_no_test_number(const struct test_number *numbers, size_t count, const char *number,
                              struct mock_answer *out) {
    for (size_t i = 0; i < count; i++) {
        if (strcmp(numbers[i].number, number) == 0) {
            return reject(out, numbers[i].code, numbers[i].message);
        }
    }
    return true;
}

static bool mock_twilio_check_addresses(const struct form *form, struct mock_answer *out) {
    const char *from = form_get(form, "From"), *to = form_get(form, "To");
    if (!is_phone(to)) {
        return reject(out, 21211, "Invalid 'To' Phone Number");
    }
    if (!is_phone(from) && !mock_twilio_is_sender_id(from)) {
        return reject(out, 21212, "Invalid From Number (caller ID)");
    }
    return is_no_test_number(refused_recipients, sizeof refused_recipients / sizeof *refused_recipients, to, out) &&
           is_no_test_number(refused_senders, sizeof refused_senders / sizeof *refused_senders, from, out);
}

static bool has_host(const char *url) {
    size_t scheme = strncasecmp(url, "https://", 8) == 0 ? 8 : strncasecmp(url, "http://", 7) == 0 ? 7 : 0;
    return scheme > 0 && strcspn(url + scheme, "/?#") > 0;
}

static bool mock_twilio_check_content(const struct settings *settings, const struct form *form,
                                      struct mock_answer *out) {
    const char *body = form_get(form, "Body");
    if (body != NULL && count_characters(body) > MOST_CHARACTERS) {
        return reject(out, 21617, "The concatenated message body exceeds the 1600 character limit");
    }
    if (form_count(form, "MediaUrl") > MOST_MEDIA) {
        return reject(out, 21623, "Number of media files exceeds allowed limit");
    }
    const char *callback = form_get(form, "StatusCallback");
    if (!mock_twilio_is_blank(callback) && !has_host(callback)) {
        return reject(out, 21609, "The 'StatusCallback' URL is not a valid URL");
    }
    for (size_t i = 0; i < form->count && settings->mock_strict; i++) {
        if (strcmp(form->fields[i].name, "MediaUrl") == 0 && !has_host(form->fields[i].value)) {
            return reject(out, 21620, "Invalid media URL(s)");
        }
    }
    return true;
}

static bool mock_twilio_check(const struct settings *settings, const struct form *form, struct mock_answer *out) {
    return mock_twilio_check_presence(form, out) && mock_twilio_check_addresses(form, out) &&
           mock_twilio_check_content(settings, form, out);
}

static bool mock_twilio_answer(const struct settings *settings, const struct mock_request *request,
                               struct mock_answer *out) {
    struct form form;
    (void)!form_parse(request->body, request->length, &form); // with too many fields it has none
    bool good = mock_twilio_check(settings, &form, out);
    if (good) {
        struct mock_twilio_path path = mock_twilio_path_of(request->path);
        struct mock_message message = mock_message_of(path.account, request->id, &form);
        out->status = 201;
        mock_message_write(&message, message.created_ms, &out->body);
        mock_message_free(&message);
        mock_twilio_path_free(&path);
    }
    form_free(&form);
    return good;
}

static char *mock_twilio_sender(const struct mock_request *request) {
    struct form form;
    (void)!form_parse(request->body, request->length, &form);
    const char *from = form_get(&form, "From");
    char *copy = xstrdup(from != NULL ? from : "");
    form_free(&form);
    return copy;
}

const struct mock_wire mock_twilio = {
    .provider = PROVIDER_SMS_MMS,
    .content_type = "application/json;charset=utf-8",
    .root = MOCK_TWILIO_ROOT,
    .is_path = mock_twilio_is_path,
    .is_authorized = mock_twilio_is_authorized,
    .answer = mock_twilio_answer,
    .sender = mock_twilio_sender,
    .write_failure = mock_twilio_write_failure,
    .write_missing = mock_twilio_write_missing,
};

void mock_answer_free(struct mock_answer *answer) {
    buf_free(&answer->body);
    free(answer->message_id);
    *answer = (struct mock_answer){.retry_after_secs = -1};
}
