// SPDX-License-Identifier: MIT
//
// Twilio's Messages resource: https://www.twilio.com/docs/messaging/api/message-resource; its error codes:
// https://www.twilio.com/docs/api/errors.
#include <ctype.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "dispatcher/mock/form.h"
#include "dispatcher/mock/wire.h"
#include "shared/base/decimal.h"
#include "shared/base/json.h"

#define BEFORE_SID "/2010-04-01/Accounts/"
#define BEHIND_SID "/Messages.json"
// What Twilio's test credentials refuse as a recipient: https://www.twilio.com/docs/iam/test-credentials.
#define NUMBER_REFUSED "+15005550001"
#define SEGMENT_BYTES 153 // of a message in several parts

// The length of the account's SID in a path, whose start goes to *sid; 0 (and "") when it isn't the resource's path.
static size_t find_sid(const char *path, const char **sid) {
    *sid = "";
    if (strncmp(path, BEFORE_SID, strlen(BEFORE_SID)) != 0) {
        return 0;
    }
    *sid = path + strlen(BEFORE_SID);
    size_t length = strcspn(*sid, "/");
    return strcmp(*sid + length, BEHIND_SID) == 0 ? length : 0;
}

static bool mock_twilio_is_path(const char *path) {
    const char *sid;
    return find_sid(path, &sid) > 0;
}

// Basic authentication with the account's SID, which must be the path's, and its token.
static bool mock_twilio_is_authorized(const struct settings *settings, const struct mock_request *request) {
    const char *sid;
    size_t sid_length = find_sid(request->path, &sid);
    if (*settings->provider_sms_token == '\0') {
        return true;
    }
    char *plain = xasprintf("%.*s:%s", (int)sid_length, sid, settings->provider_sms_token);
    size_t length = strlen(plain);
    char *encoded = xmalloc((length + 2) / 3 * 4 + 1);
    EVP_EncodeBlock((unsigned char *)encoded, (const unsigned char *)plain, (int)length);
    const char *given = request->authorization;
    bool fits = given != NULL && strncasecmp(given, "Basic ", 6) == 0 && strcmp(given + 6, encoded) == 0;
    free(plain);
    free(encoded);
    return fits;
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

static bool mock_twilio_check(const struct mock_form *form, struct mock_answer *out) {
    const char *from = mock_form_get(form, "From"), *to = mock_form_get(form, "To");
    if (mock_twilio_is_blank(to)) {
        return reject(out, 21604, "A 'To' phone number is required.");
    }
    if (mock_twilio_is_blank(from)) {
        return reject(out, 21603, "A 'From' phone number is required.");
    }
    if (mock_twilio_is_blank(mock_form_get(form, "Body")) && mock_form_count(form, "MediaUrl") == 0) {
        return reject(out, 21602, "Message body is required.");
    }
    if (!is_phone(to) || strcmp(to, NUMBER_REFUSED) == 0) {
        return reject(out, 21211, "Invalid 'To' Phone Number");
    }
    if (!is_phone(from)) {
        return reject(out, 21212, "Invalid From Number (caller ID)");
    }
    return true;
}

static void write_dates(struct buf *out) {
    char date[64];
    time_t now = time(NULL);
    struct tm utc;
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S +0000", gmtime_r(&now, &utc));
    json_write_member(out, "date_created", date);
    json_write_member(out, "date_sent", NULL);
    json_write_member(out, "date_updated", date);
}

static void mock_twilio_write_message(struct buf *out, const char *account, const char *id,
                                      const struct mock_form *form) {
    const char *body = mock_form_get(form, "Body");
    char *sid = xasprintf("%s%s", mock_form_count(form, "MediaUrl") > 0 ? "MM" : "SM", id);
    char *uri = xasprintf(BEFORE_SID "%s/Messages/%s.json", account, sid);
    buf_putc(out, '{');
    json_write_member(out, "account_sid", account);
    json_write_member(out, "api_version", "2010-04-01");
    json_write_member(out, "body", body != NULL ? body : "");
    write_dates(out);
    json_write_member(out, "direction", "outbound-api");
    json_write_member(out, "error_code", NULL);
    json_write_member(out, "error_message", NULL);
    json_write_member(out, "from", mock_form_get(form, "From"));
    json_write_member(out, "messaging_service_sid", NULL);
    json_write_member(out, "num_media", DECIMAL(mock_form_count(form, "MediaUrl")));
    json_write_member(out, "num_segments", DECIMAL(body != NULL ? strlen(body) / SEGMENT_BYTES + 1 : 1));
    json_write_member(out, "price", NULL);
    json_write_member(out, "price_unit", NULL);
    json_write_member(out, "sid", sid);
    json_write_member(out, "status", "queued");
    json_write_member(out, "to", mock_form_get(form, "To"));
    json_write_member(out, "uri", uri);
    buf_putc(out, '}');
    free(sid);
    free(uri);
}

static bool mock_twilio_answer(const struct mock_request *request, struct mock_answer *out) {
    const char *sid;
    size_t sid_length = find_sid(request->path, &sid);
    char *account = xstrndup(sid, sid_length);
    struct mock_form form;
    mock_form_parse(request->body, request->length, &form);
    bool good = mock_twilio_check(&form, out);
    if (good) {
        out->status = 201;
        mock_twilio_write_message(&out->body, account, request->id, &form);
    }
    mock_form_free(&form);
    free(account);
    return good;
}

static char *mock_twilio_sender(const struct mock_request *request) {
    struct mock_form form;
    mock_form_parse(request->body, request->length, &form);
    const char *from = mock_form_get(&form, "From");
    char *copy = xstrdup(from != NULL ? from : "");
    mock_form_free(&form);
    return copy;
}

const struct mock_wire mock_twilio = {
    .provider = PROVIDER_SMS_MMS,
    .content_type = "application/json;charset=utf-8",
    .is_path = mock_twilio_is_path,
    .is_authorized = mock_twilio_is_authorized,
    .answer = mock_twilio_answer,
    .sender = mock_twilio_sender,
    .write_failure = mock_twilio_write_failure,
};

void mock_answer_free(struct mock_answer *answer) {
    buf_free(&answer->body);
    free(answer->message_id);
    *answer = (struct mock_answer){.retry_after_secs = -1};
}
