// SPDX-License-Identifier: MIT
//
// Twilio. Out: its Messages resource, POST /2010-04-01/Accounts/{AccountSid}/Messages.json, form-encoded, basic
// authentication (https://www.twilio.com/docs/messaging/api/message-resource). Twilio documents no idempotency key for
// it; I-Twilio-Idempotency-Token is the name it gives the same thing on its own webhooks.
// In: forms (https://www.twilio.com/docs/messaging/guides/webhook-request), signed as
// https://www.twilio.com/docs/usage/security, "Validating requests", has it.
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shared/base/base64.h"
#include "shared/base/crypto.h"
#include "shared/base/decimal.h"
#include "shared/base/form.h"
#include "shared/base/hex.h"
#include "shared/base/json.h"
#include "shared/base/log.h"
#include "shared/http/media_type.h"
#include "shared/provider/callback.h"
#include "shared/provider/own.h"
#include "shared/provider/provider.h"
#include "shared/provider/reasons.h"
#include "shared/provider/signed_url.h"

#define FORM_TYPE "application/x-www-form-urlencoded"
#define MOST_NAMES 3
#define MOST_DIGITS 9 // of the number in a medium's name
#define OPTED_OUT_CODE "21610"

// ---- What goes out

static size_t twilio_plain_run(const char *text) {
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
        size_t run = twilio_plain_run(c);
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

static char *twilio_url(const struct settings *settings) {
    struct buf path = {0};
    buf_puts(&path, "/2010-04-01/Accounts/");
    write_encoded(&path, settings->provider_sms_account);
    buf_puts(&path, "/Messages.json");
    char *url = provider_url_join(settings->provider_sms_url, path.data);
    buf_free(&path);
    return url;
}

// An API key's SID and secret stand for the account's SID and token: https://www.twilio.com/docs/iam/api-keys.
static char *twilio_authorization(const struct settings *settings) {
    bool by_key = *settings->provider_sms_key_sid != '\0';
    char *plain = xasprintf("%s:%s", by_key ? settings->provider_sms_key_sid : settings->provider_sms_account,
                            by_key ? settings->provider_sms_key_secret : settings->provider_sms_token);
    struct buf value = {0};
    buf_puts(&value, "Basic ");
    base64_encode(plain, strlen(plain), &value);
    free(plain);
    return value.data;
}

// A messaging service without From would send from whichever of its numbers it likes, and the reply would be another
// conversation's.
static void twilio_write_body(const struct provider_send *send, struct buf *out) {
    const struct message *message = send->message;
    char *callback = callback_url(send->settings, send->message_id, send->partition);
    write_field(out, "From", provider_sms_from(message));
    if (*send->settings->provider_sms_service != '\0') {
        write_field(out, "MessagingServiceSid", send->settings->provider_sms_service);
    }
    write_field(out, "To", message->recipient);
    if (*message->body != '\0' || message->attachment_count == 0) {
        write_field(out, "Body", message->body);
    }
    for (size_t i = 0; i < message->attachment_count; i++) {
        write_field(out, "MediaUrl", message->attachments[i]);
    }
    if (callback != NULL) {
        write_field(out, "StatusCallback", callback);
    }
    free(callback);
}

static void twilio_read_error(const char *body, size_t length, struct outcome *outcome) {
    const char *why;
    cJSON *answer = json_parse(body, length, &why);
    int64_t code;
    const char *number = json_integer(answer, "code", &code) ? DECIMAL(code) : "";
    outcome->error = provider_error(number, json_string(answer, "message"));
    outcome->opted_out = strcmp(number, "21610") == 0; // https://www.twilio.com/docs/api/errors/21610
    cJSON_Delete(answer);
}

// Success: {"sid":"SM…",…}. Error: {"code":21211,"message":"…","more_info":"…","status":400}.
static void twilio_read_answer(const char *body, size_t length, const char *header_id, struct outcome *outcome) {
    (void)header_id;
    if (outcome->class != OUTCOME_SENT) {
        twilio_read_error(body, length, outcome);
        return;
    }
    cJSON *sid = json_parse_member(body, length, "sid");
    outcome->provider_message_id = provider_error(NULL, cJSON_IsString(sid) ? sid->valuestring : NULL);
    cJSON_Delete(sid);
}

// ---- Signatures

// Bytewise, as strcmp has it where there is no NUL.
static int by_bytes(const char *one, size_t one_length, const char *other, size_t other_length) {
    int order = memcmp(one, other, one_length < other_length ? one_length : other_length);
    return order != 0 ? order : (one_length > other_length) - (one_length < other_length);
}

static int by_name_and_value(const void *left, const void *right) {
    const struct form_field *one = left, *other = right;
    int order = by_bytes(one->name, one->name_length, other->name, other->name_length);
    return order != 0 ? order : by_bytes(one->value, one->value_length, other->value, other->value_length);
}

// Fields of one name stand in the order of their values, and one that is there twice counts once: so do Twilio's own
// libraries.
static void append_form(struct buf *out, struct form *form) {
    const struct form_field *fields = form->fields;
    qsort(form->fields, form->count, sizeof *form->fields, by_name_and_value);
    for (size_t i = 0; i < form->count; i++) {
        if (i == 0 || by_name_and_value(&fields[i - 1], &fields[i]) != 0) {
            buf_append(out, fields[i].name, fields[i].name_length);
            buf_append(out, fields[i].value, fields[i].value_length);
        }
    }
}

// What is signed behind the URL: nothing of a body that isn't a form, which the query holds the hash of. Returns 0, or
// -1 where the form holds more fields than anybody reads.
static int append_signed_body(struct buf *out, const struct provider_post *post, bool is_form) {
    struct form form;
    if (!is_form) {
        return 0;
    }
    if (form_parse(post->body, post->length, &form) != 0) {
        return -1;
    }
    append_form(out, &form);
    form_free(&form);
    return 0;
}

// Whether the URL's query has the hash of the body, as bodySHA256; *has: whether it has any.
static bool has_hash_of_body(const struct provider_post *post, bool *has) {
    uint8_t given[SHA256_SIZE], digest[SHA256_SIZE];
    struct form query;
    size_t path = strcspn(post->url, "?");
    *has = false;
    if (post->url[path] == '\0' || form_parse(post->url + path + 1, strlen(post->url + path + 1), &query) != 0) {
        return false;
    }
    const struct form_field *hash = form_find(&query, "bodySHA256");
    *has = hash != NULL;
    crypto_sha256(post->body, post->length, digest);
    bool is_right = hash != NULL && hex_decode(hash->value, hash->value_length, given, sizeof given) &&
                    crypto_equal(given, digest, sizeof digest);
    form_free(&query);
    return is_right;
}

// What it was made with: HMAC-SHA1 by the account's auth token or, where the header of the settings says so,
// HMAC-SHA256 by a shared key's secret (https://www.twilio.com/docs/usage/webhooks/webhook-shared-keys).
typedef void (*twilio_hmac)(const char *key, const void *bytes, size_t length, uint8_t *out);

struct twilio_scheme {
    twilio_hmac hmac;
    size_t size; // of what it makes
};

// settings: the header, or NULL. False where it names another one.
static bool twilio_find_scheme(const char *settings, struct twilio_scheme *out) {
    static const char name[] = "algorithm=";
    const char *given = settings != NULL ? strstr(settings, name) : NULL;
    const char *algorithm = given != NULL ? given + sizeof name - 1 : "HMAC_SHA1";
    size_t length = strcspn(algorithm, ", ");
    if (length == 0 || (length == 9 && strncasecmp(algorithm, "HMAC_SHA1", length) == 0)) {
        *out = (struct twilio_scheme){crypto_hmac_sha1, SHA1_SIZE};
        return true;
    }
    *out = (struct twilio_scheme){crypto_hmac_sha256, SHA256_SIZE};
    return length == 11 && strncasecmp(algorithm, "HMAC_SHA256", length) == 0;
}

static bool twilio_signed_with(const char *secret, const struct twilio_scheme *scheme, const uint8_t *given,
                               const struct buf *signed_bytes) {
    uint8_t digest[SHA256_SIZE];
    scheme->hmac(secret, signed_bytes->data, signed_bytes->length, digest);
    return crypto_equal(digest, given, scheme->size);
}

// id is set where it is right.
static bool twilio_signed_url(const char *url, const struct twilio_scheme *scheme, const uint8_t *given,
                              const struct buf *body, char *const secrets[WEBHOOK_SECRETS],
                              uint8_t id[SIGNATURE_ID_SIZE]) {
    struct buf signed_bytes = {0};
    bool right = false;
    buf_puts(&signed_bytes, url);
    buf_append(&signed_bytes, body->data, body->length);
    for (size_t i = 0; i < WEBHOOK_SECRETS; i++) {
        right |= secrets[i][0] != '\0' && twilio_signed_with(secrets[i], scheme, given, &signed_bytes);
    }
    if (right) {
        signature_identify(signed_bytes.data, signed_bytes.length, id);
    }
    buf_free(&signed_bytes);
    return right;
}

static bool twilio_signed(const struct provider_post *post, const struct twilio_scheme *scheme, const uint8_t *given,
                          const struct buf *body, char *const secrets[WEBHOOK_SECRETS], uint8_t id[SIGNATURE_ID_SIZE]) {
    char *urls[SIGNED_URL_FORMS];
    bool right = false;
    signed_url_forms(post->url, urls);
    for (size_t i = 0; i < SIGNED_URL_FORMS && !right; i++) {
        right = urls[i] != NULL && twilio_signed_url(urls[i], scheme, given, body, secrets, id);
    }
    signed_url_free(urls);
    return right;
}

// Its URL is known.
static enum signature twilio_check(const struct settings *settings, const char *header,
                                   const struct provider_post *post, uint8_t id[SIGNATURE_ID_SIZE]) {
    struct twilio_scheme scheme;
    struct buf body = {0}, given = {0};
    bool is_form = media_type_is(post->content_type, FORM_TYPE), has_hash;
    bool is_bound = has_hash_of_body(post, &has_hash) || is_form;
    enum signature verdict = SIGNATURE_MALFORMED;
    if (twilio_find_scheme(provider_post_header(post, "X-Twilio-Webhooks-Signature-Settings"), &scheme) &&
        base64_decode(header, strlen(header), &given) && given.length == scheme.size && (is_form || has_hash) &&
        append_signed_body(&body, post, is_form) == 0) {
        bool right = twilio_signed(post, &scheme, (const uint8_t *)given.data, &body,
                                   settings->webhook_secrets[PROVIDER_SMS_MMS], id);
        verdict = right && is_bound ? SIGNATURE_RIGHT : SIGNATURE_WRONG;
    }
    buf_free(&given);
    buf_free(&body);
    return verdict;
}

// Whichever scheme it is signed by.
static enum signature twilio_verify(const struct settings *settings, const struct provider_post *post, int64_t now_secs,
                                    uint8_t id[SIGNATURE_ID_SIZE]) {
    const char *header = provider_post_header(post, "X-Twilio-Signature");
    enum signature own = own_verify(settings, PROVIDER_SMS_MMS, post, now_secs, id);
    if (own != SIGNATURE_MISSING || header == NULL) {
        return own;
    }
    if (post->url == NULL) {
        log_warn("signature_unchecked", "X-Twilio-Signature can't be checked: WEBHOOK_PUBLIC_URL is not set");
        return SIGNATURE_WRONG;
    }
    return twilio_check(settings, header, post, id);
}

static bool twilio_is_signed(const struct settings *settings) {
    return own_has_secret(settings, PROVIDER_SMS_MMS);
}

// ---- What comes in

// Which of Twilio's fields become ours: of several names the first whose value isn't empty.
static const struct twilio_field {
    const char *ours;
    bool is_phone;
    const char *theirs[MOST_NAMES];
} fields[] = {
    {"from", true, {"From"}},
    {"to", true, {"To"}},
    {"body", false, {"Body"}},
    {"opt_out_type", false, {"OptOutType"}},
    {"messaging_provider_id", false, {"MessageSid", "SmsMessageSid", "SmsSid"}},
};

#define FIELD_COUNT (sizeof fields / sizeof *fields)

static const char *twilio_field_name(const char *name) {
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        if (strcmp(fields[i].ours, name) == 0) {
            return fields[i].theirs[0];
        }
    }
    return name;
}

static const struct form_field *find_any(const struct form *form, const char *const names[MOST_NAMES]) {
    const struct form_field *found = NULL;
    for (size_t i = 0; i < MOST_NAMES && names[i] != NULL && (found == NULL || found->value_length == 0); i++) {
        const struct form_field *field = form_find(form, names[i]);
        found = field != NULL ? field : found;
    }
    return found;
}

// Whoever calls by hand may leave the '+' of a number as it is.
static void mend_plus(char *text) {
    if (text[0] == ' ' && text[1] >= '0' && text[1] <= '9') {
        text[0] = '+';
    }
}

static void copy_field(const struct form *form, const struct twilio_field *wanted, cJSON *out) {
    const struct form_field *field = find_any(form, wanted->theirs);
    if (field == NULL) {
        return;
    }
    char *text = form_text(field);
    if (wanted->is_phone) {
        mend_plus(text);
    }
    cJSON_AddStringToObject(out, wanted->ours, text);
    free(text);
}

struct media {
    long number;
    const struct form_field *field;
};

// The number behind "MediaUrl"; -1 where it is no such name.
static long media_number(const struct form_field *field) {
    static const char prefix[] = "MediaUrl";
    const char *digits = field->name + sizeof prefix - 1;
    if (strncmp(field->name, prefix, sizeof prefix - 1) != 0) {
        return -1;
    }
    size_t length = strspn(digits, "0123456789");
    bool is_number = length > 0 && length <= MOST_DIGITS && digits + length == field->name + field->name_length;
    return is_number ? strtol(digits, NULL, 10) : -1;
}

// Those of one number stay in their order, which is their fields' in memory.
static int by_number(const void *left, const void *right) {
    const struct media *one = left, *other = right;
    int order = (one->number > other->number) - (one->number < other->number);
    return order != 0 ? order : (one->field > other->field) - (one->field < other->field);
}

static size_t find_media(const struct form *form, struct media *out) {
    size_t count = 0;
    for (size_t i = 0; i < form->count; i++) {
        long number = media_number(&form->fields[i]);
        if (number >= 0 && form->fields[i].value_length > 0) {
            out[count++] = (struct media){number, &form->fields[i]};
        }
    }
    qsort(out, count, sizeof *out, by_number);
    return count;
}

static size_t copy_media(const struct form *form, cJSON *out) {
    struct media *media = xcalloc(form->count + 1, sizeof *media);
    size_t count = find_media(form, media);
    cJSON *array = cJSON_AddArrayToObject(out, "attachments");
    for (size_t i = 0; i < count; i++) {
        char *text = form_text(media[i].field);
        cJSON_AddItemToArray(array, cJSON_CreateString(text));
        free(text);
    }
    free(media);
    return count;
}

static bool says_media(const struct form *form) {
    const char *count = form_get(form, "NumMedia");
    return count != NULL && strtol(count, NULL, 10) > 0;
}

// An object with the fields of our own SMS webhook, but for the timestamp, which Twilio doesn't give: type is mms where
// there are media, the attachments are MediaUrl0, MediaUrl1… by their numbers, and other fields are left out. Of
// several fields of one name the first counts. A phone that begins with a space got it from a '+' that wasn't encoded,
// and has it again.
static cJSON *twilio_read_message(const struct provider_post *post, const char **error) {
    struct form form;
    if (form_parse(post->body, post->length, &form) != 0) {
        *error = "The form holds more than 1000 fields.";
        return NULL;
    }
    cJSON *out = cJSON_CreateObject();
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        copy_field(&form, &fields[i], out);
    }
    size_t media = copy_media(&form, out);
    cJSON_AddStringToObject(out, "type", media > 0 || says_media(&form) ? "mms" : "sms");
    form_free(&form);
    return out;
}

// TwiML without a verb: nothing is to be done. Twilio would text a text/plain to the sender
// (https://www.twilio.com/docs/messaging/twiml).
#define EMPTY_TWIML "<Response/>"

static const struct provider_way_in twilio_messages = {
    .provider = PROVIDER_SMS_MMS,
    .route = PROVIDER_ROUTE_MESSAGES,
    .media_type = FORM_TYPE,
    .is_signed = twilio_is_signed,
    .verify = twilio_verify,
    .read_message = twilio_read_message,
    .field_name = twilio_field_name,
    .status = 200,
    .answer_type = "text/xml",
    .answer_body = EMPTY_TWIML,
};

// Our own webhook, which Twilio can sign as well: by bodySHA256.
static const struct provider_way_in twilio_own_messages = {
    .provider = PROVIDER_SMS_MMS,
    .route = PROVIDER_ROUTE_MESSAGES,
    .media_type = "application/json",
    .is_signed = twilio_is_signed,
    .verify = twilio_verify,
    .read_message = own_read_message,
};

// ---- What became of what went out (https://www.twilio.com/docs/messaging/guides/track-outbound-message-status)

// What isn't here is on its way, was canceled by us, or is of other channels: `read` has been `delivered` before, and
// partially_delivered isn't the last word.
static const struct {
    const char *word;
    enum receipt_status status;
} twilio_statuses[] = {
    {"delivered", RECEIPT_DELIVERED},
    {"undelivered", RECEIPT_UNDELIVERED},
    {"failed", RECEIPT_UNDELIVERED},
};

static bool twilio_find_status(const char *word, enum receipt_status *out) {
    for (size_t i = 0; i < sizeof twilio_statuses / sizeof *twilio_statuses; i++) {
        if (strcasecmp(word, twilio_statuses[i].word) == 0) {
            *out = twilio_statuses[i].status;
            return true;
        }
    }
    return false;
}

// The value of the first of them that isn't empty, as text; NULL where there is none. Owned by the caller.
static char *twilio_text(const struct form *form, const char *const names[MOST_NAMES]) {
    const struct form_field *field = find_any(form, names);
    return field != NULL && field->value_length > 0 ? form_text(field) : NULL;
}

static char *twilio_address(const struct form *form, const char *name) {
    char *text = twilio_text(form, (const char *const[MOST_NAMES]){name});
    if (text != NULL) {
        mend_plus(text);
    }
    return text;
}

// Why it wasn't delivered.
static void twilio_take_error(const struct form *form, struct receipt *out) {
    char *code = twilio_text(form, (const char *const[MOST_NAMES]){"ErrorCode"});
    char *said = twilio_text(form, (const char *const[MOST_NAMES]){"ErrorMessage"});
    bool has_code = code != NULL && strcmp(code, "0") != 0;
    out->code = has_code ? receipt_code_of(code) : NULL;
    const char *sentence = reason_of_twilio(out->code);
    out->reason = reason_make(sentence, sentence != NULL ? NULL : said);
    out->opt = has_code && strcmp(code, OPTED_OUT_CODE) == 0 ? RECEIPT_OPT_OUT : RECEIPT_OPT_NONE;
    free(code);
    free(said);
}

// word: the status as Twilio has it. Its time is none: RawDlrDoneDate has no zone and no seconds.
static int twilio_read_receipt(const struct provider_post *post, const struct form *form, const char *word,
                               struct receipt *out, const char **error) {
    if (!receipt_take_message_id(out, provider_post_parameter(post, "message_id"))) {
        *error = "The URL's message_id is no UUID.";
        return -1;
    }
    char *sid = twilio_text(form, (const char *const[MOST_NAMES]){"MessageSid", "SmsSid", "SmsMessageSid"});
    out->partition = callback_partition(provider_post_parameter(post, "partition"));
    out->has_status = true;
    out->provider_message_id = receipt_provider_id_of(sid);
    out->event_id = out->provider_message_id != NULL ? xasprintf("%s:%s", out->provider_message_id, word) : NULL;
    out->our_address = twilio_address(form, "From");
    out->their_address = twilio_address(form, "To");
    if (out->status == RECEIPT_UNDELIVERED) {
        twilio_take_error(form, out);
    }
    free(sid);
    return 0;
}

// A form is one event.
static int twilio_read_form(const struct provider_post *post, const struct form *form, struct receipts *out,
                            const char **error) {
    char *word = twilio_text(form, (const char *const[MOST_NAMES]){"MessageStatus", "SmsStatus"});
    enum receipt_status status;
    int result = 0;
    if (word == NULL) {
        *error = "The form has no MessageStatus.";
        result = -1;
    } else if (strcasecmp(word, "received") == 0 || strcasecmp(word, "receiving") == 0) {
        *error = "This is a message that came in: it belongs to /api/webhooks/sms.";
        result = -1;
    } else if (twilio_find_status(word, &status)) {
        struct receipt *receipt = receipts_add(out);
        receipt->status = status;
        result = twilio_read_receipt(post, form, word, receipt, error);
    } else {
        out->skipped++;
    }
    free(word);
    return result;
}

static int twilio_read_receipts(const struct provider_post *post, struct receipts *out, const char **error) {
    struct form form;
    *out = (struct receipts){0};
    if (form_parse(post->body, post->length, &form) != 0) {
        *error = "The form holds more than 1000 fields.";
        return -1;
    }
    int result = twilio_read_form(post, &form, out, error);
    form_free(&form);
    if (result != 0) {
        receipts_free(out);
    }
    return result;
}

static const struct provider_way_in twilio_receipts = {
    .provider = PROVIDER_SMS_MMS,
    .route = PROVIDER_ROUTE_RECEIPTS,
    .media_type = FORM_TYPE,
    .is_signed = twilio_is_signed,
    .verify = twilio_verify,
    .read_receipts = twilio_read_receipts,
    .status = 204,
};

const struct provider_adapter provider_twilio = {
    .provider = PROVIDER_SMS_MMS,
    .content_type = FORM_TYPE,
    .idempotency_header = "I-Twilio-Idempotency-Token",
    .url = twilio_url,
    .authorization = twilio_authorization,
    .write_body = twilio_write_body,
    .read_answer = twilio_read_answer,
    .ways_in = {&twilio_own_messages, &twilio_messages, &twilio_receipts},
};
