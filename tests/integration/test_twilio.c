// SPDX-License-Identifier: MIT
// What Twilio posts for an SMS or MMS comes in as it is: ingest-1 asks for its signature, ingest-2 for none.

#include <check.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/buf.h"
#include "shared/base/hex.h"
#include "shared/base/mem.h"
#include "tests/support/payload.h"
#include "tests/support/stack.h"

#define FORM_TYPE "Content-Type: application/x-www-form-urlencoded"
#define LETTERS "/api/dead-letters"
#define PUBLIC_URL "https://sms.example.com/in"
#define TOKEN "0123456789abcdef0123456789abcdef"
#define FORMER_TOKEN "fedcba9876543210fedcba9876543210"
#define SETTLED_MS 20000 // until format 2 is written
#define PAIR "From=%2B18045551234&To=%2B12016661234"

Suite *suite_twilio(void);

static struct stack *stack;

static struct answer *post(const char *ingest, const char *path, const char *form, const char *header) {
    return stack_call(stack, ingest, "POST", path, form, (const char *const[]){FORM_TYPE, header, NULL});
}

static bool is_kept(void) {
    struct answer *answer = post("ingest-2", PATH_SMS_WEBHOOK, "x=y", NULL);
    bool kept = answer->status == 400;
    answer_free(answer);
    return kept;
}

static void start_signed(const char *name, const char *more) {
    stack_start_with(stack, name,
                     (const char *const[]){"WEBHOOK_SMS_SECRET=" TOKEN, "WEBHOOK_SMS_SECRET_PREVIOUS=" FORMER_TOKEN,
                                           "WEBHOOK_PUBLIC_URL=" PUBLIC_URL, more, NULL});
}

static void start(void) {
    static const char *const environment[] = {"TRUSTED_PROXIES=127.0.0.1", NULL};
    stack = stack_create("twilio", environment);
    stack_start(stack, "postgres");
    start_signed("ingest-1", NULL);
    stack_start(stack, "ingest-2");
    stack_start(stack, "mock-provider");
    stack_start(stack, "dispatcher-1");
    stack_start(stack, "persister-1");
    WAIT_FOR(SETTLED_MS, is_kept());
    WAIT_FOR(10000, stack_is_drained(stack));
}

static void end(void) {
    stack_destroy(stack);
}

static void recover(void) {
    stack_recover(stack);
    WAIT_FOR(10000, stack_is_drained(stack));
    (void)stack_sql(stack, "TRUNCATE dead_letters");
    (void)stack_redis_int(stack, "DEL unread:{sms-mms:0} unread-sizes:{sms-mms:0}");
}

static void assert_taken(struct answer *answer) {
    char *type = answer_header(answer, "Content-Type");
    ck_assert_msg(answer->status == 200, "%ld %s", answer->status, answer->body);
    ck_assert_str_eq(type, "text/xml");
    ck_assert_str_eq(answer->body, "<Response/>");
    free(type);
    answer_free(answer);
}

static void take(const char *form) {
    assert_taken(post("ingest-2", PATH_SMS_WEBHOOK, form, NULL));
}

// The only message of that id of the provider's, as the API shows it.
static struct answer *shown(const char *provider_id) {
    WAIT_FOR(10000,
             stack_sql(stack, "SELECT count(*) FROM messages WHERE provider_message_id = '%s'", provider_id) == 1);
    char *id = stack_sql_text(stack, "SELECT id FROM messages WHERE provider_message_id = '%s'", provider_id);
    char *path = xasprintf("/api/messages/%s", id);
    struct answer *answer = stack_call(stack, "ingest-2", "GET", path, NULL, NULL);
    ck_assert_int_eq(answer->status, 200);
    free(path);
    free(id);
    return answer;
}

#define CITIES                                                                                                         \
    "ToCountry=US&ToState=NJ&SmsMessageSid=SM6f1c0de5a9b84d7f9c3e2a1b0d4f5e6a&NumMedia=0&ToCity=JERSEY+CITY&"          \
    "FromZip=23219&SmsSid=SM6f1c0de5a9b84d7f9c3e2a1b0d4f5e6a&FromState=VA&SmsStatus=received&FromCity=RICHMOND&"       \
    "Body=Gr%C3%BC%C3%9Fe+%F0%9F%98%80+a%26b%3Dc%2B1&FromCountry=US&To=%2B12016661234&ToZip=&NumSegments=1&"           \
    "MessageSid=SM6f1c0de5a9b84d7f9c3e2a1b0d4f5e6a&AccountSid=AC0123456789abcdef0123456789abcdef&"                     \
    "From=%2B18045551234&ApiVersion=2010-04-01"
#define CITIES_SID "SM6f1c0de5a9b84d7f9c3e2a1b0d4f5e6a"

START_TEST(an_sms_is_taken_answered_with_twiml_and_shown) {
    take(CITIES);
    struct answer *answer = shown(CITIES_SID);
    ck_assert_str_eq(answer_text(answer, "from"), "+18045551234");
    ck_assert_str_eq(answer_text(answer, "to"), "+12016661234");
    ck_assert_str_eq(answer_text(answer, "type"), "sms");
    ck_assert_str_eq(answer_text(answer, "direction"), "inbound");
    ck_assert_str_eq(answer_text(answer, "status"), "received");
    ck_assert_str_eq(answer_text(answer, "body"), "Grüße 😀 a&b=c+1");
    answer_free(answer);
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM messages WHERE provider_message_id = '" CITIES_SID
                                      "' AND occurred_at BETWEEN now() - interval '1 minute' AND now()"),
                     1);
}
END_TEST

START_TEST(a_repeat_is_answered_alike_and_stored_once_whatever_its_form) {
    static const char again[] = "MessageSid=SM-again&" PAIR "&Body=once";
    int differ = stack_log_count(stack, "ingest-2", "redelivery_differs");
    take(again);
    take(again);
    take("MessageSid=SM-again&NumMedia=0&Body=%6fnce&FromCity=X&" PAIR);
    ck_assert_int_eq(stack_log_count(stack, "ingest-2", "redelivery_differs"), differ);
    take("MessageSid=SM-again&" PAIR "&Body=another");
    ck_assert_int_eq(stack_log_count(stack, "ingest-2", "redelivery_differs"), differ + 1);
    struct answer *answer = shown("SM-again");
    ck_assert_str_eq(answer_text(answer, "body"), "once");
    char *as_json = send_accepted(stack, "ingest-2", PATH_SMS_WEBHOOK,
                                  payload_sms_webhook("+18045551234", "+12016661234", "SM-again", "once"));
    ck_assert_str_eq(answer_text(answer, "id"), as_json);
    free(as_json);
    answer_free(answer);
}
END_TEST

START_TEST(an_mms_needs_no_text_and_keeps_all_of_11_media_in_their_order) {
    struct buf form = {0};
    buf_puts(&form, "MessageSid=MM-11&" PAIR "&Body=&NumMedia=11");
    for (int i = 10; i >= 0; i--) {
        buf_printf(&form, "&MediaContentType%d=image%%2Fpng&MediaUrl%d=https%%3A%%2F%%2Fapi.example.com%%2FME%d", i, i,
                   i);
    }
    take(form.data);
    buf_free(&form);
    struct answer *answer = shown("MM-11");
    ck_assert_str_eq(answer_text(answer, "type"), "mms");
    ck_assert_str_eq(answer_text(answer, "body"), "");
    ck_assert_int_eq(cJSON_GetArraySize(answer_at(answer, "attachments")), 11);
    ck_assert_str_eq(answer_text(answer, "attachments.0"), "https://api.example.com/ME0");
    ck_assert_str_eq(answer_text(answer, "attachments.2"), "https://api.example.com/ME2");
    ck_assert_str_eq(answer_text(answer, "attachments.10"), "https://api.example.com/ME10");
    answer_free(answer);
}
END_TEST

START_TEST(it_answers_in_the_conversation_of_what_was_sent) {
    free(send_accepted(stack, "ingest-2", PATH_SMS, payload_sms("+12025550171", "+12025550172", "question")));
    take("MessageSid=SM-reply&From=%2B12025550172&To=%2B12025550171&Body=answer");
    answer_free(shown("SM-reply"));
    WAIT_FOR(10000, stack_sql(stack, "SELECT message_count FROM conversations WHERE key = "
                                     "'sms:+12025550171<->+12025550172'") == 2);
}
END_TEST

START_TEST(other_media_types_are_refused_and_both_that_are_taken_named) {
    static const char *const types[] = {"Content-Type: text/plain", "Content-Type: multipart/form-data; boundary=x",
                                        "Content-Type: application/x-www-form-urlencodedx", "Content-Type:"};
    for (size_t i = 0; i < 4; i++) {
        struct answer *answer =
            stack_call(stack, "ingest-2", "POST", PATH_SMS_WEBHOOK, CITIES, (const char *const[]){types[i], NULL});
        ck_assert_int_eq(answer->status, 415);
        ck_assert_str_eq(answer_text(answer, "message"),
                         "the body must be application/json or application/x-www-form-urlencoded");
        answer_free(answer);
    }
    static const struct {
        const char *path, *message;
    } others[] = {
        {PATH_EMAIL_WEBHOOK, "the body must be application/json or multipart/form-data"},
        {PATH_SMS, "the body must be application/json"},
        {"/api/provider/mock/inbound", "the body must be application/json"},
    };
    for (size_t i = 0; i < 3; i++) {
        struct answer *answer = post("ingest-2", others[i].path, CITIES, NULL);
        ck_assert_int_eq(answer->status, 415);
        ck_assert_str_eq(answer_text(answer, "message"), others[i].message);
        answer_free(answer);
    }
    assert_taken(stack_call(stack, "ingest-2", "POST", PATH_SMS_WEBHOOK, CITIES,
                            (const char *const[]){FORM_TYPE "; charset=UTF-8", NULL}));
}
END_TEST

START_TEST(a_form_that_is_too_large_or_of_another_origin_is_refused) {
    char *form = xmalloc(300001);
    memset(form, 'a', 300000);
    form[300000] = '\0';
    struct answer *answer = post("ingest-2", PATH_SMS_WEBHOOK, form, NULL);
    ck_assert_int_eq(answer->status, 413);
    answer_free(answer);
    free(form);
    answer = post("ingest-2", PATH_SMS_WEBHOOK, CITIES, "Origin: https://elsewhere.example");
    ck_assert_int_eq(answer->status, 403);
    answer_free(answer);
}
END_TEST

// ---- What is no message

#define WITHOUT_FROM "MessageSid=SM-letter&To=%2B12016661234&Body=lost%3F"

static char *letter_path(void) {
    struct answer *answer = stack_call(stack, "ingest-2", "GET", LETTERS, NULL, NULL);
    ck_assert_int_eq(cJSON_GetArraySize(answer_at(answer, "items")), 1);
    ck_assert_str_eq(answer_text(answer, "items.0.stage"), "webhook");
    ck_assert_str_eq(answer_text(answer, "items.0.field"), "From");
    ck_assert_str_eq(answer_text(answer, "items.0.reason"), "is required");
    ck_assert_str_eq(answer_text(answer, "items.0.media_type"), "application/x-www-form-urlencoded");
    char *path = xasprintf(LETTERS "/%s/replay", answer_text(answer, "items.0.id"));
    answer_free(answer);
    return path;
}

START_TEST(what_can_not_be_a_message_is_a_dead_letter_and_its_replay_reads_the_form) {
    struct answer *answer = post("ingest-2", PATH_SMS_WEBHOOK, WITHOUT_FROM, NULL);
    ck_assert_int_eq(answer->status, 400);
    ck_assert_str_eq(answer_text(answer, "code"), "bad_request");
    ck_assert_str_eq(answer_text(answer, "details.field"), "From");
    answer_free(answer);
    WAIT_FOR(10000, stack_sql(stack, "SELECT count(*) FROM dead_letters WHERE stage = 'webhook'") == 1);
    char *path = letter_path();
    answer = stack_call(stack, "ingest-2", "POST", path, NULL, NULL);
    ck_assert_int_eq(answer->status, 409);
    ck_assert_str_eq(answer_text(answer, "details.field"), "From");
    answer_free(answer);
    // What a release that reads more would find.
    (void)stack_sql(stack, "UPDATE dead_letters SET arrived_at = '2024-11-01T14:00:00Z', "
                           "raw = raw || convert_to('&From=%%2B18045551234', 'UTF8')");
    answer = stack_call(stack, "ingest-2", "POST", path, NULL, NULL);
    ck_assert_msg(answer->status == 202, "%ld %s", answer->status, answer->body);
    char *id = xstrdup(answer_text(answer, "id"));
    answer_free(answer);
    answer = shown("SM-letter");
    ck_assert_str_eq(answer_text(answer, "id"), id);
    ck_assert_str_eq(answer_text(answer, "body"), "lost?");
    ck_assert_str_eq(answer_text(answer, "timestamp"), "2024-11-01T14:00:00.000Z");
    answer_free(answer);
    take(WITHOUT_FROM "&From=%2B18045551234"); // the same, and stored once
    WAIT_FOR(10000, stack_is_drained(stack));
    answer = shown("SM-letter");
    answer_free(answer);
    free(id);
    free(path);
}
END_TEST

// ---- Signatures

static char *signed_by(const char *secret, const char *url, const char *fields) {
    char *signed_bytes = xasprintf("%s%s", url, fields);
    unsigned char digest[SHA_DIGEST_LENGTH], text[32];
    HMAC(EVP_sha1(), secret, (int)strlen(secret), (const unsigned char *)signed_bytes, strlen(signed_bytes), digest,
         NULL);
    EVP_EncodeBlock(text, digest, sizeof digest);
    free(signed_bytes);
    return xasprintf("X-Twilio-Signature: %s", text);
}

static long signed_status(const char *path, const char *form, char *header) {
    struct answer *answer = post("ingest-1", path, form, header);
    long status = answer->status;
    if (status == 200) {
        ck_assert_str_eq(answer->body, "<Response/>");
    } else {
        ck_assert_str_ne(answer_text(answer, "code"), ""); // JSON
    }
    answer_free(answer);
    free(header);
    return status;
}

#define TARGET PATH_SMS_WEBHOOK "?shop=1&b=%20"

START_TEST(a_form_counts_that_twilio_has_signed) {
    const char *form = "To=%2B12016661234&MessageSid=SM-signed&Body=%F0%9F%98%80+&From=%2B18045551234&ToCity=";
    const char *fields = "Body😀 From+18045551234MessageSidSM-signedTo+12016661234ToCity";
    ck_assert_int_eq(signed_status(TARGET, form, signed_by(TOKEN, PUBLIC_URL TARGET, fields)), 200);
    ck_assert_int_eq(signed_status(TARGET, form, signed_by(FORMER_TOKEN, PUBLIC_URL TARGET, fields)), 200);
    ck_assert_int_eq(signed_status(TARGET, form, signed_by(TOKEN, "https://sms.example.com:443/in" TARGET, fields)),
                     200);
    answer_free(shown("SM-signed"));
}
END_TEST

START_TEST(a_form_that_twilio_has_not_signed_is_401_and_leaves_nothing) {
    const char *form = "Body=x&From=%2B18045551234&MessageSid=SM-forged&To=%2B12016661234";
    const char *fields = "BodyxFrom+18045551234MessageSidSM-forgedTo+12016661234";
    ck_assert_int_eq(signed_status(PATH_SMS_WEBHOOK, form, NULL), 401);
    ck_assert_int_eq(signed_status(PATH_SMS_WEBHOOK, form, signed_by("guess", PUBLIC_URL PATH_SMS_WEBHOOK, fields)),
                     401);
    ck_assert_int_eq(signed_status(PATH_SMS_WEBHOOK, form, signed_by(TOKEN, PUBLIC_URL TARGET, fields)), 401);
    ck_assert_int_eq(signed_status(PATH_SMS_WEBHOOK, form, signed_by(TOKEN, PUBLIC_URL PATH_SMS_WEBHOOK, "Bodyy")),
                     401);
    WAIT_FOR(10000, stack_is_drained(stack));
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM messages WHERE provider_message_id = 'SM-forged'"), 0);
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM dead_letters"), 0);
}
END_TEST

static long post_from(const char *address, const char *form, const char *header) {
    char *from = xasprintf("X-Forwarded-For: %s", address);
    struct answer *answer = stack_call(stack, "ingest-3", "POST", PATH_SMS_WEBHOOK, form,
                                       (const char *const[]){FORM_TYPE, from, header, NULL});
    long status = answer->status;
    answer_free(answer);
    free(from);
    return status;
}

START_TEST(signed_forms_spend_no_limit_but_one_that_was_captured_does) {
    start_signed("ingest-3", "API_RATE_LIMIT_PER_IP_PER_MIN=3");
    for (int i = 0; i < 6; i++) {
        char *form = xasprintf("Body=x&From=%%2B18045551234&MessageSid=SM-%d&To=%%2B12016661234", i);
        char *fields = xasprintf("BodyxFrom+18045551234MessageSidSM-%dTo+12016661234", i);
        char *header = signed_by(TOKEN, PUBLIC_URL PATH_SMS_WEBHOOK, fields);
        ck_assert_int_eq(post_from("203.0.113.9", form, header), 200);
        free(header);
        free(fields);
        free(form);
    }
    const char *form = "Body=x&From=%2B18045551234&MessageSid=SM-0&To=%2B12016661234";
    char *header = signed_by(TOKEN, PUBLIC_URL PATH_SMS_WEBHOOK, "BodyxFrom+18045551234MessageSidSM-0To+12016661234");
    long status = 200;
    int through = 0;
    for (; through < 9 && status == 200; through += status == 200) {
        status = post_from("203.0.113.10", form, header);
    }
    ck_assert_int_eq(status, 429);
    ck_assert_int_eq(through, 3);
    free(header);
    stack_stop(stack, "ingest-3");
}
END_TEST

START_TEST(the_generic_signature_counts_for_a_form_as_well) {
    const char *form = "Body=x&From=%2B18045551234&MessageSid=SM-generic&To=%2B12016661234";
    int64_t now = stack_sql(stack, "SELECT extract(epoch FROM now())::bigint");
    char *signed_bytes = xasprintf("%lld.%s", (long long)now, form);
    unsigned char digest[SHA256_DIGEST_LENGTH];
    HMAC(EVP_sha256(), TOKEN, (int)strlen(TOKEN), (const unsigned char *)signed_bytes, strlen(signed_bytes), digest,
         NULL);
    char hex[2 * SHA256_DIGEST_LENGTH + 1];
    hex_encode(digest, sizeof digest, hex);
    ck_assert_int_eq(signed_status(PATH_SMS_WEBHOOK, form, xasprintf("X-Signature: t=%lld,v1=%s", (long long)now, hex)),
                     200);
    free(signed_bytes);
}
END_TEST

START_TEST(all_end_in_order) {
    stack_finish(stack);
}
END_TEST

Suite *suite_twilio(void) {
    Suite *suite = suite_create("twilio");
    TCase *tests = tcase_create("twilio");
    tcase_set_timeout(tests, 120);
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_checked_fixture(tests, recover, NULL);
    tcase_add_test(tests, an_sms_is_taken_answered_with_twiml_and_shown);
    tcase_add_test(tests, a_repeat_is_answered_alike_and_stored_once_whatever_its_form);
    tcase_add_test(tests, an_mms_needs_no_text_and_keeps_all_of_11_media_in_their_order);
    tcase_add_test(tests, it_answers_in_the_conversation_of_what_was_sent);
    tcase_add_test(tests, other_media_types_are_refused_and_both_that_are_taken_named);
    tcase_add_test(tests, a_form_that_is_too_large_or_of_another_origin_is_refused);
    tcase_add_test(tests, what_can_not_be_a_message_is_a_dead_letter_and_its_replay_reads_the_form);
    tcase_add_test(tests, a_form_counts_that_twilio_has_signed);
    tcase_add_test(tests, a_form_that_twilio_has_not_signed_is_401_and_leaves_nothing);
    tcase_add_test(tests, signed_forms_spend_no_limit_but_one_that_was_captured_does);
    tcase_add_test(tests, the_generic_signature_counts_for_a_form_as_well);
    tcase_add_test(tests, all_end_in_order);
    suite_add_tcase(suite, tests);
    return suite;
}
