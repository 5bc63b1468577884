// SPDX-License-Identifier: MIT
// What the mock tells of messages that it has accepted, to webhooks in the test's own loop.

#include "dispatcher/mock/receipts.h"

#include <check.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dispatcher/mock/twilio_form.h"
#include "shared/base/base64.h"
#include "shared/base/clock.h"
#include "shared/base/json.h"
#include "shared/provider/x_signature.h"
#include "tests/support/wait.h"
#include "tests/support/webhook.h"

#define ACCOUNT "AC00000000000000000000000000000000"
#define SECRET "12345"
#define ID "0123456789abcdef0123456789abcdef"
#define MAIL_ID "fedcba9876543210fedcba9876543210"
#define WAIT_MS 20000

Suite *suite_mock_receipts(void);

static uv_loop_t loop;
static struct webhook *webhook;
static struct settings settings;
static struct mock_behaviour config;
static struct mock_stats stats;
static struct mock_receipts *receipts;
static char key_file[64], receipt_file[64];

static void make_file(char path[64], const char *name) {
    snprintf(path, 64, "/tmp/%s-XXXXXX", name);
    int file = mkstemp(path);
    ck_assert_int_ge(file, 0);
    close(file);
}

static void setup(void) {
    static char none[] = "", codes[] = "30003,30005", bounces[] = "5.1.1", account[] = ACCOUNT;
    uv_loop_init(&loop);
    webhook = webhook_start(&loop);
    make_file(receipt_file, "receipts");
    key_file[0] = '\0';
    settings = (struct settings){
        .webhook_secrets = {{none, none}, {none, none}},
        .webhook_public_url = webhook_url(webhook, ""),
        .provider_ca_file = none,
        .provider_sms_account = account,
        .mock_undelivered_codes = codes,
        .mock_bounce_codes = bounces,
        .mock_receipt_file = receipt_file,
        .mock_email_private_key_file = none,
    };
    config = (struct mock_behaviour){0};
    stats = (struct mock_stats){0};
    for (int i = 0; i < PROVIDER_COUNT; i++) {
        config.providers[i] = (struct mock_settings){.seed = 1, .receipts_pct = 100, .receipt_delay_ms = 30};
    }
}

static void teardown(void) {
    if (receipts != NULL) {
        mock_receipts_destroy(receipts);
    }
    receipts = NULL;
    if (webhook != NULL) {
        webhook_destroy(webhook);
    }
    free(settings.webhook_public_url);
    unlink(receipt_file);
    if (key_file[0] != '\0') {
        unlink(key_file);
    }
    wait_closed(&loop);
}

static void begin(void) {
    char *error = mock_receipts_check(&settings);
    ck_assert_msg(error == NULL, "%s", error);
    receipts = mock_receipts_create(&loop, &settings, &config, &stats);
    ck_assert_ptr_nonnull(receipts);
}

// An SMS that was accepted, its callbacks to that path of the webhook; NULL: to nowhere.
static void accept_sms(const char *path, const char *more) {
    struct mock_request request = {.path = "/2010-04-01/Accounts/" ACCOUNT "/Messages.json", .id = ID};
    struct mock_answer answer = {.retry_after_secs = -1};
    struct buf body = {0};
    buf_puts(&body, more);
    mock_form_add(&body, "From", "+15550001");
    mock_form_add(&body, "To", "+15550002");
    mock_form_add(&body, "Body", "Gr\u00fc\u00dfe & more");
    if (path != NULL) {
        char *url = webhook_url(webhook, path);
        mock_form_add(&body, "StatusCallback", url);
        free(url);
    }
    request.body = body.data;
    request.length = body.length;
    mock_receipts_follow(receipts, PROVIDER_SMS_MMS, &request, &answer, "key-1");
    buf_free(&body);
}

static void accept_mail(const char *recipients, const char *custom_args) {
    char id[] = MAIL_ID;
    struct mock_request request = {.path = "/v3/mail/send", .id = MAIL_ID};
    struct mock_answer answer = {.message_id = id, .retry_after_secs = -1};
    char *body = xasprintf("{\"personalizations\":[{\"to\":[%s],\"custom_args\":{\"partition\":\"3\"}}],"
                           "\"custom_args\":%s}",
                           recipients, custom_args);
    request.body = body;
    request.length = strlen(body);
    mock_receipts_follow(receipts, PROVIDER_EMAIL, &request, &answer, "key-2");
    free(body);
}

#define ONE_RECIPIENT "{\"email\":\"a@x.com\"}"
#define CUSTOM_ARGS "{\"message_id\":\"m-1\",\"partition\":\"0\",\"event\":\"forged\",\"email\":\"forged\"}"

static struct mock_receipt_counts *counts(enum provider provider) {
    return &stats.providers[provider].receipts;
}

static bool all_told(enum provider provider, uint64_t told) {
    return counts(provider)->told == told && counts(provider)->scheduled == told;
}

static void assert_field(size_t index, const char *name, const char *expected) {
    char *value = heard_field(webhook_heard(webhook, index), name);
    ck_assert_pstr_eq(value, expected);
    free(value);
}

static size_t heard_with(const char *status) {
    size_t count = 0;
    for (size_t i = 0; i < webhook_count(webhook); i++) {
        char *value = heard_field(webhook_heard(webhook, i), "MessageStatus");
        count += value != NULL && strcmp(value, status) == 0;
        free(value);
    }
    return count;
}

// ---- Twilio

START_TEST(an_sms_is_sent_and_then_delivered_at_the_url_that_its_request_gave) {
    begin();
    accept_sms("/status?message_id=a&partition=0", "");
    RUN_UNTIL(&loop, WAIT_MS, all_told(PROVIDER_SMS_MMS, 2));
    ck_assert_uint_eq(webhook_count(webhook), 2);
    for (size_t i = 0; i < 2; i++) {
        char *type = heard_header(webhook_heard(webhook, i), "Content-Type");
        const char *status = i == 0 ? "sent" : "delivered";
        ck_assert_str_eq(webhook_heard(webhook, i)->path, "/status?message_id=a&partition=0");
        ck_assert_str_eq(type, "application/x-www-form-urlencoded; charset=UTF-8");
        assert_field(i, "MessageStatus", status);
        assert_field(i, "SmsStatus", status);
        assert_field(i, "MessageSid", "SM" ID);
        assert_field(i, "SmsSid", "SM" ID);
        assert_field(i, "AccountSid", ACCOUNT);
        assert_field(i, "From", "+15550001");
        assert_field(i, "To", "+15550002");
        assert_field(i, "ApiVersion", "2010-04-01");
        assert_field(i, "ErrorCode", NULL);
        char *signature = heard_header(webhook_heard(webhook, i), "X-Twilio-Signature");
        ck_assert_ptr_null(signature);
        free(type);
    }
}
END_TEST

START_TEST(nothing_is_told_where_no_url_was_given_or_no_receipt_is_to_come) {
    begin();
    accept_sms(NULL, "");
    accept_sms("", "StatusCallback=&");
    config.providers[PROVIDER_SMS_MMS].receipts_pct = 0;
    config.providers[PROVIDER_EMAIL].receipts_pct = 0;
    accept_sms("/status", "");
    accept_mail(ONE_RECIPIENT, CUSTOM_ARGS);
    ck_assert_uint_eq(counts(PROVIDER_SMS_MMS)->scheduled, 0);
    ck_assert_uint_eq(counts(PROVIDER_EMAIL)->scheduled, 0);
}
END_TEST

START_TEST(a_callback_is_signed_as_twilio_does_with_the_secret_that_is_set) {
    char secret[] = SECRET;
    settings.webhook_secrets[PROVIDER_SMS_MMS][0] = secret;
    begin();
    accept_sms("/status?b=1&a=2#rc=2", "");
    RUN_UNTIL(&loop, WAIT_MS, all_told(PROVIDER_SMS_MMS, 2));
    for (size_t i = 0; i < 2; i++) {
        const struct heard *heard = webhook_heard(webhook, i);
        struct buf form = {0};
        buf_append(&form, heard->body, heard->length);
        char *url = webhook_url(webhook, "/status?b=1&a=2");
        char *expected = mock_form_signature(SECRET, url, &form), *given = heard_header(heard, "X-Twilio-Signature");
        ck_assert_pstr_eq(given, expected);
        ck_assert_str_eq(heard->path, "/status?b=1&a=2");
        free(given);
        free(expected);
        free(url);
        buf_free(&form);
    }
}
END_TEST

// A vector that was made with Twilio's own libraries.
START_TEST(a_form_is_signed_as_twilios_libraries_do) {
    struct buf form = {0};
    mock_form_add(&form, "To", "+18005551212");
    mock_form_add(&form, "From", "+14158675310");
    mock_form_add(&form, "Body", "");
    mock_form_add(&form, "NumMedia", "0");
    mock_form_add(&form, "MessageSid", "SM1");
    char *signature = mock_form_signature(SECRET, "https://example.com/sms?a=1&b=2", &form);
    ck_assert_str_eq(signature, "sFMD4v0etxRlVRs7x9Bss/hpfzw=");
    free(signature);
    buf_free(&form);
}
END_TEST

START_TEST(what_does_not_arrive_says_why_and_what_failed_was_never_sent) {
    static char failed[] = "30001";
    config.providers[PROVIDER_SMS_MMS].undelivered_pct = 100;
    begin();
    for (int i = 0; i < 20; i++) {
        accept_sms("/status", "");
    }
    RUN_UNTIL(&loop, WAIT_MS, all_told(PROVIDER_SMS_MMS, 40));
    bool seen[2] = {false};
    for (size_t i = 0; i < 40; i++) {
        char *status = heard_field(webhook_heard(webhook, i), "MessageStatus");
        char *code = heard_field(webhook_heard(webhook, i), "ErrorCode");
        ck_assert(strcmp(status, "undelivered") == 0 || strcmp(status, "sent") == 0);
        ck_assert_int_eq(code != NULL, strcmp(status, "undelivered") == 0);
        seen[0] = seen[0] || (code != NULL && strcmp(code, "30003") == 0);
        seen[1] = seen[1] || (code != NULL && strcmp(code, "30005") == 0);
        free(status);
        free(code);
    }
    ck_assert(seen[0] && seen[1]);
    mock_receipts_destroy(receipts);
    webhook_forget(webhook);
    settings.mock_undelivered_codes = failed;
    begin();
    accept_sms("/status", "");
    RUN_UNTIL(&loop, WAIT_MS, webhook_count(webhook) == 1 && counts(PROVIDER_SMS_MMS)->told == 41);
    assert_field(0, "MessageStatus", "failed");
    assert_field(0, "ErrorCode", "30001");
    ck_assert_uint_eq(counts(PROVIDER_SMS_MMS)->scheduled, 41);
}
END_TEST

START_TEST(at_a_share_it_is_told_twice_and_in_the_wrong_order) {
    settings.mock_receipt_repeats_pct = 100;
    begin();
    accept_sms("/status", "");
    RUN_UNTIL(&loop, WAIT_MS, all_told(PROVIDER_SMS_MMS, 4));
    ck_assert_uint_eq(heard_with("sent"), 2);
    ck_assert_uint_eq(heard_with("delivered"), 2);
    mock_receipts_destroy(receipts);
    webhook_forget(webhook);
    settings.mock_receipt_repeats_pct = 0;
    settings.mock_receipt_shuffle_pct = 100;
    begin();
    accept_sms("/status", "");
    RUN_UNTIL(&loop, WAIT_MS, all_told(PROVIDER_SMS_MMS, 6));
    assert_field(0, "MessageStatus", "delivered");
    assert_field(1, "MessageStatus", "sent");
}
END_TEST

// Tells of one message to a webhook that answers so, until all is told or given up; returns how many attempts it took.
static size_t attempts_at(const char *path, int status) {
    webhook_answer(webhook, status, NULL, NULL);
    webhook_forget(webhook);
    uint64_t before = counts(PROVIDER_SMS_MMS)->given_up;
    accept_sms(path, "");
    RUN_UNTIL(&loop, WAIT_MS, counts(PROVIDER_SMS_MMS)->given_up == before + 2);
    return webhook_count(webhook);
}

START_TEST(twilio_repeats_what_the_urls_fragment_says_and_no_more) {
    begin();
    ck_assert_uint_eq(attempts_at("/status", 503), 2);
    ck_assert_uint_eq(attempts_at("/status", 404), 2);
    ck_assert_uint_eq(attempts_at("/status#rc=2&rp=5xx", 503), 6);
    ck_assert_uint_eq(attempts_at("/status#rp=ct,5xx&rc=1", 500), 4);
    ck_assert_uint_eq(attempts_at("/status#rc=2&rp=5xx", 404), 2);
    ck_assert_uint_eq(attempts_at("/status#rc=3&rp=all", 404), 8);
    ck_assert_uint_eq(attempts_at("/status#rc=0&rp=all", 404), 2);
    ck_assert_uint_eq(attempts_at("/status#rc=9&rp=all", 404), 4);
    ck_assert_uint_eq(attempts_at("/status#rc=2&rp=all", 302), 2); // no redirect is followed
    ck_assert_uint_eq(counts(PROVIDER_SMS_MMS)->told, 0);
}
END_TEST

START_TEST(twilio_tries_again_where_nobody_listens_and_then_gives_up) {
    begin();
    webhook_answer(webhook, 204, NULL, NULL);
    struct webhook *gone = webhook;
    char *url = webhook_url(gone, "/status");
    char *form = xasprintf("StatusCallback=%s&", url);
    webhook_destroy(gone);
    webhook = NULL;
    run_for(&loop, 20);
    accept_sms(NULL, form);
    RUN_UNTIL(&loop, WAIT_MS, counts(PROVIDER_SMS_MMS)->given_up == 2);
    free(form);
    free(url);
}
END_TEST

// ---- What is read back

START_TEST(a_message_that_is_read_back_moves_on) {
    config.providers[PROVIDER_SMS_MMS].receipt_delay_ms = 1000;
    begin();
    accept_sms(NULL, "");
    const struct mock_message *message = mock_outbox_find(mock_receipts_outbox(receipts), ACCOUNT, "SM" ID);
    ck_assert_ptr_nonnull(message);
    ck_assert_str_eq(mock_message_status(message, message->created_ms + 499), "queued");
    ck_assert_str_eq(mock_message_status(message, message->created_ms + 500), "sent");
    ck_assert_str_eq(mock_message_status(message, message->created_ms + 1000), "delivered");
    ck_assert_ptr_null(mock_outbox_find(mock_receipts_outbox(receipts), ACCOUNT, "SM1"));
    ck_assert_ptr_null(mock_outbox_find(mock_receipts_outbox(receipts), "AC1", "SM" ID));
    config.providers[PROVIDER_SMS_MMS].receipts_pct = 0;
    accept_sms(NULL, "");
    message = mock_outbox_at(mock_receipts_outbox(receipts), 0);
    ck_assert_str_eq(mock_message_status(message, INT64_MAX - 1), "sent"); // and nothing more is ever known
}
END_TEST

START_TEST(the_latest_messages_are_kept_and_no_more) {
    begin();
    struct mock_outbox *outbox = mock_outbox_create();
    struct form form;
    ck_assert_int_eq(form_parse("From=1&To=2&Body=x", 18, &form), 0);
    for (int i = 0; i < 10001; i++) {
        char id[8];
        snprintf(id, sizeof id, "%d", i);
        struct mock_message message = mock_message_of("AC", id, &form);
        mock_outbox_add(outbox, &message);
    }
    ck_assert_ptr_null(mock_outbox_find(outbox, "AC", "SM0"));
    ck_assert_ptr_nonnull(mock_outbox_find(outbox, "AC", "SM1"));
    ck_assert_ptr_nonnull(mock_outbox_find(outbox, "AC", "SM10000"));
    ck_assert_ptr_null(mock_outbox_at(outbox, 10000));
    form_free(&form);
    mock_outbox_destroy(outbox);
}
END_TEST

// ---- SendGrid

// Every event that was heard, an array to be deleted; each batch is checked to be one.
static cJSON *all_events(void) {
    cJSON *all = cJSON_CreateArray();
    for (size_t i = 0; i < webhook_count(webhook); i++) {
        const struct heard *heard = webhook_heard(webhook, i);
        const char *error;
        ck_assert_str_eq(heard->path, "/api/webhooks/email/events");
        ck_assert_uint_gt(heard->length, 2);
        ck_assert_mem_eq(heard->body + heard->length - 2, "\r\n", 2);
        cJSON *batch = json_parse(heard->body, heard->length, &error);
        ck_assert_msg(cJSON_IsArray(batch), "%s: %s", heard->body, error);
        while (batch->child != NULL) {
            cJSON_AddItemToArray(all, cJSON_DetachItemFromArray(batch, 0));
        }
        cJSON_Delete(batch);
    }
    return all;
}

// Of that kind.
static const cJSON *find_event(const cJSON *events, const char *kind) {
    const cJSON *event;
    cJSON_ArrayForEach(event, events) {
        if (strcmp(json_string(event, "event"), kind) == 0) {
            return event;
        }
    }
    return NULL;
}

static void run_until_told(enum provider provider) {
    RUN_UNTIL(&loop, WAIT_MS, counts(provider)->scheduled > 0 && counts(provider)->told == counts(provider)->scheduled);
}

START_TEST(events_come_in_batches_with_custom_args_beside_their_own_fields) {
    begin();
    accept_mail(ONE_RECIPIENT ",{\"email\":\"b@x.com\"}", CUSTOM_ARGS);
    run_until_told(PROVIDER_EMAIL);
    cJSON *events = all_events();
    const cJSON *event;
    unsigned delivered = 0;
    cJSON_ArrayForEach(event, events) {
        const char *kind = json_string(event, "event"), *email = json_string(event, "email");
        const char *mail_id = json_string(event, "sg_message_id"), *id = json_string(event, "sg_event_id");
        int64_t timestamp;
        delivered += strcmp(kind, "delivered") == 0;
        ck_assert(strcmp(email, "a@x.com") == 0 || strcmp(email, "b@x.com") == 0);
        ck_assert_str_ne(kind, "forged");
        ck_assert_str_eq(json_string(event, "message_id"), "m-1");
        ck_assert_str_eq(json_string(event, "partition"), "3"); // the recipient's own wins
        ck_assert(strncmp(mail_id, MAIL_ID ".", strlen(MAIL_ID ".")) == 0);
        ck_assert(*id != '\0' && strlen(id) <= 100);
        ck_assert(json_integer(event, "timestamp", &timestamp));
        ck_assert_int_le(llabs(timestamp - clock_unix_ms() / 1000), 60);
    }
    ck_assert_uint_eq(delivered, 2);
    ck_assert_ptr_nonnull(json_string(find_event(events, "delivered"), "response"));
    ck_assert_ptr_nonnull(find_event(events, "processed"));
    ck_assert_uint_lt(webhook_count(webhook), (size_t)cJSON_GetArraySize(events));
    cJSON_Delete(events);
}
END_TEST

START_TEST(many_mails_bring_what_real_ones_do_and_each_ends_once) {
    begin();
    for (int i = 0; i < 200; i++) {
        accept_mail(ONE_RECIPIENT, CUSTOM_ARGS);
    }
    run_until_told(PROVIDER_EMAIL);
    cJSON *events = all_events();
    unsigned delivered = 0;
    const cJSON *event;
    cJSON_ArrayForEach(event, events) {
        delivered += strcmp(json_string(event, "event"), "delivered") == 0;
    }
    ck_assert_uint_eq(delivered, 200);
    ck_assert_ptr_nonnull(find_event(events, "open"));
    ck_assert_ptr_nonnull(find_event(events, "deferred"));
    cJSON_Delete(events);
}
END_TEST

START_TEST(a_mail_that_does_not_arrive_bounces_or_is_dropped) {
    static char dropped[] = MOCK_DROPPED;
    config.providers[PROVIDER_EMAIL].undelivered_pct = 100;
    begin();
    accept_mail(ONE_RECIPIENT, CUSTOM_ARGS);
    run_until_told(PROVIDER_EMAIL);
    cJSON *events = all_events();
    const cJSON *bounce = find_event(events, "bounce");
    ck_assert_str_eq(json_string(bounce, "status"), "5.1.1");
    ck_assert_str_eq(json_string(bounce, "type"), "bounce");
    ck_assert(strncmp(json_string(bounce, "reason"), "550 5.1.1 ", 10) == 0);
    ck_assert_ptr_null(find_event(events, "delivered"));
    cJSON_Delete(events);
    mock_receipts_destroy(receipts);
    webhook_forget(webhook);
    settings.mock_bounce_codes = dropped;
    begin();
    accept_mail(ONE_RECIPIENT, CUSTOM_ARGS);
    run_until_told(PROVIDER_EMAIL);
    events = all_events();
    ck_assert_int_eq(cJSON_GetArraySize(events), 1);
    ck_assert_str_eq(json_string(find_event(events, "dropped"), "reason"), "Bounced Address");
    cJSON_Delete(events);
}
END_TEST

START_TEST(what_is_repeated_is_the_same_event) {
    settings.mock_receipt_repeats_pct = 100;
    begin();
    accept_mail(ONE_RECIPIENT, CUSTOM_ARGS);
    run_until_told(PROVIDER_EMAIL);
    cJSON *events = all_events();
    const cJSON *event, *first = find_event(events, "delivered");
    unsigned times = 0;
    cJSON_ArrayForEach(event, events) {
        times += strcmp(json_string(event, "sg_event_id"), json_string(first, "sg_event_id")) == 0;
    }
    ck_assert_uint_eq(times, 2);
    cJSON_Delete(events);
}
END_TEST

START_TEST(in_the_wrong_order_a_mail_is_processed_behind_its_end) {
    settings.mock_receipt_shuffle_pct = 100;
    config.providers[PROVIDER_EMAIL].receipt_delay_ms = 400;
    begin();
    accept_mail(ONE_RECIPIENT, CUSTOM_ARGS);
    run_until_told(PROVIDER_EMAIL);
    cJSON *events = all_events();
    const cJSON *first = cJSON_GetArrayItem(events, 0);
    ck_assert_str_eq(json_string(first, "event"), "delivered");
    ck_assert_ptr_nonnull(find_event(events, "processed"));
    cJSON_Delete(events);
}
END_TEST

static EVP_PKEY *make_key(const char *curve) {
    make_file(key_file, "key");
    EVP_PKEY *key = EVP_EC_gen(curve);
    FILE *file = fopen(key_file, "w");
    ck_assert(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1);
    fclose(file);
    return key;
}

static bool is_signed_by(EVP_PKEY *key, const struct heard *heard) {
    char *signature = heard_header(heard, "X-Twilio-Email-Event-Webhook-Signature");
    char *timestamp = heard_header(heard, "X-Twilio-Email-Event-Webhook-Timestamp");
    struct buf given = {0};
    ck_assert(signature != NULL && timestamp != NULL);
    ck_assert(base64_decode(signature, strlen(signature), &given));
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool right = EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
                 EVP_DigestVerifyUpdate(context, timestamp, strlen(timestamp)) == 1 &&
                 EVP_DigestVerifyUpdate(context, heard->body, heard->length) == 1 &&
                 EVP_DigestVerifyFinal(context, (const unsigned char *)given.data, given.length) == 1;
    EVP_MD_CTX_free(context);
    buf_free(&given);
    free(signature);
    free(timestamp);
    return right;
}

START_TEST(a_batch_is_signed_with_the_key_that_is_set_and_repeated_until_it_is_heard) {
    EVP_PKEY *key = make_key("P-256");
    settings.mock_email_private_key_file = key_file;
    begin();
    webhook_answer(webhook, 503, NULL, NULL);
    accept_mail(ONE_RECIPIENT, CUSTOM_ARGS);
    RUN_UNTIL(&loop, WAIT_MS, webhook_count(webhook) >= 2);
    webhook_answer(webhook, 204, NULL, NULL);
    run_until_told(PROVIDER_EMAIL);
    for (size_t i = 0; i < webhook_count(webhook); i++) {
        ck_assert(is_signed_by(key, webhook_heard(webhook, i)));
    }
    ck_assert_uint_eq(counts(PROVIDER_EMAIL)->given_up, 0);
    EVP_PKEY_free(key);
}
END_TEST

START_TEST(without_a_key_a_batch_is_signed_by_the_secret_that_ingest_asks_for) {
    char secret[] = SECRET;
    settings.webhook_secrets[PROVIDER_EMAIL][0] = secret;
    begin();
    accept_mail(ONE_RECIPIENT, CUSTOM_ARGS);
    run_until_told(PROVIDER_EMAIL);
    const struct heard *heard = webhook_heard(webhook, 0);
    char *header = heard_header(heard, "X-Signature");
    uint8_t id[SIGNATURE_ID_SIZE];
    ck_assert_ptr_nonnull(header);
    ck_assert_int_eq(x_signature_check(header, heard->body, heard->length, settings.webhook_secrets[PROVIDER_EMAIL],
                                       clock_unix_ms() / 1000, 300, id),
                     SIGNATURE_RIGHT);
    free(header);
}
END_TEST

START_TEST(a_key_that_is_none_is_refused_by_its_settings_name) {
    static char missing[] = "/nowhere/key.pem";
    EVP_PKEY_free(make_key("P-384"));
    char *files[] = {missing, receipt_file, key_file};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        settings.mock_email_private_key_file = files[i];
        char *error = mock_receipts_check(&settings);
        ck_assert_ptr_nonnull(error);
        ck_assert(strncmp(error, "MOCK_EMAIL_PRIVATE_KEY_FILE: ", 29) == 0);
        free(error);
    }
}
END_TEST

// ---- The end, and what is written down

START_TEST(what_was_heard_is_written_down_and_nothing_else) {
    begin();
    accept_sms("/status", "");
    run_until_told(PROVIDER_SMS_MMS);
    webhook_answer(webhook, 500, NULL, NULL);
    accept_sms("/status", "");
    RUN_UNTIL(&loop, WAIT_MS, counts(PROVIDER_SMS_MMS)->given_up == 2);
    char line[256];
    const char *const expected[] = {" sms-mms key-1 SM" ID " sent -\n", " sms-mms key-1 SM" ID " delivered -\n"};
    FILE *file = fopen(receipt_file, "r");
    for (size_t i = 0; i < 2; i++) {
        ck_assert_ptr_nonnull(fgets(line, sizeof line, file));
        ck_assert_str_eq(strchr(line, ' '), expected[i]);
    }
    ck_assert_ptr_null(fgets(line, sizeof line, file));
    fclose(file);
}
END_TEST

START_TEST(what_is_still_to_be_told_at_the_end_is_let_go_of) {
    config.providers[PROVIDER_SMS_MMS].receipt_delay_ms = config.providers[PROVIDER_EMAIL].receipt_delay_ms = 600000;
    begin();
    accept_sms("/status", "");
    accept_mail(ONE_RECIPIENT, CUSTOM_ARGS);
    config.providers[PROVIDER_SMS_MMS].receipt_delay_ms = config.providers[PROVIDER_EMAIL].receipt_delay_ms = 0;
    for (int i = 0; i < 100; i++) {
        accept_sms("/status", "");
        accept_mail(ONE_RECIPIENT, CUSTOM_ARGS);
    }
    RUN_UNTIL(&loop, WAIT_MS, webhook_count(webhook) > 0); // some are under way, others due
    mock_receipts_destroy(receipts);
    receipts = NULL;
    ck_assert_uint_gt(counts(PROVIDER_SMS_MMS)->scheduled, counts(PROVIDER_SMS_MMS)->told);
}
END_TEST

Suite *suite_mock_receipts(void) {
    Suite *suite = suite_create("mock_receipts");
    TCase *tests = tcase_create("mock_receipts");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, an_sms_is_sent_and_then_delivered_at_the_url_that_its_request_gave);
    tcase_add_test(tests, nothing_is_told_where_no_url_was_given_or_no_receipt_is_to_come);
    tcase_add_test(tests, a_callback_is_signed_as_twilio_does_with_the_secret_that_is_set);
    tcase_add_test(tests, a_form_is_signed_as_twilios_libraries_do);
    tcase_add_test(tests, what_does_not_arrive_says_why_and_what_failed_was_never_sent);
    tcase_add_test(tests, at_a_share_it_is_told_twice_and_in_the_wrong_order);
    tcase_add_test(tests, twilio_repeats_what_the_urls_fragment_says_and_no_more);
    tcase_add_test(tests, twilio_tries_again_where_nobody_listens_and_then_gives_up);
    tcase_add_test(tests, a_message_that_is_read_back_moves_on);
    tcase_add_test(tests, the_latest_messages_are_kept_and_no_more);
    tcase_add_test(tests, events_come_in_batches_with_custom_args_beside_their_own_fields);
    tcase_add_test(tests, many_mails_bring_what_real_ones_do_and_each_ends_once);
    tcase_add_test(tests, a_mail_that_does_not_arrive_bounces_or_is_dropped);
    tcase_add_test(tests, what_is_repeated_is_the_same_event);
    tcase_add_test(tests, in_the_wrong_order_a_mail_is_processed_behind_its_end);
    tcase_add_test(tests, a_batch_is_signed_with_the_key_that_is_set_and_repeated_until_it_is_heard);
    tcase_add_test(tests, without_a_key_a_batch_is_signed_by_the_secret_that_ingest_asks_for);
    tcase_add_test(tests, a_key_that_is_none_is_refused_by_its_settings_name);
    tcase_add_test(tests, what_was_heard_is_written_down_and_nothing_else);
    tcase_add_test(tests, what_is_still_to_be_told_at_the_end_is_let_go_of);
    suite_add_tcase(suite, tests);
    return suite;
}
