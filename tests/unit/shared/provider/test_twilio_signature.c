// SPDX-License-Identifier: MIT
// X-Twilio-Signature, against vectors of openssl(1) and of Twilio's own packages. With s=whsec_0123456789abcdef:
//   printf '%s' "$BODY" | openssl dgst -sha256 -r
//   printf '%s' "$URL?bodySHA256=$HASH" | openssl dgst -sha1 -hmac "$s" -binary | openssl base64
//   printf '%s' "$URL$FIELDS" | openssl dgst -sha1 -hmac "$s" -binary | openssl base64

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shared/base/buf.h"
#include "shared/base/form.h"
#include "shared/base/mem.h"
#include "shared/provider/provider.h"

#define NOW 1700000000
#define FORM "application/x-www-form-urlencoded"
#define BODY                                                                                                           \
    "{\"from\":\"+18045551234\",\"to\":\"+12016661234\",\"type\":\"sms\",\"messaging_provider_id\":\"message-1\","     \
    "\"body\":\"text message\",\"attachments\":null,\"timestamp\":\"2024-11-01T14:00:00Z\"}"
#define BODY_SHA256 "3fce2ae957acb70ec3a43a2518296b655700141ccfcd03c3f026f3e5acb83d80"
#define OTHER "0000000000000000000000000000000000000000000000000000000000000000"
#define URL "https://example.com/api/webhooks/sms"

Suite *suite_provider_twilio_signature(void);

static uint8_t id[SIGNATURE_ID_SIZE];
static char secret[] = "whsec_0123456789abcdef", previous[] = "the previous one", token[] = "12345", none[] = "";
static char *both[WEBHOOK_SECRETS] = {secret, previous};
static char *only_one[WEBHOOK_SECRETS] = {secret, none};
static char *tokens[WEBHOOK_SECRETS] = {token, none};

static const char *signature_settings; // X-Twilio-Webhooks-Signature-Settings; NULL: there is none

static void setup(void) {
    signature_settings = NULL;
}

static const char *header_of(const void *context, const char *name) {
    if (strcasecmp(name, "X-Twilio-Webhooks-Signature-Settings") == 0) {
        return signature_settings;
    }
    return strcasecmp(name, "X-Twilio-Signature") == 0 ? context : NULL;
}

static enum signature check(const char *header, const char *url, const char *type, const char *body,
                            char *const *secrets) {
    struct settings settings = {.webhook_secrets = {{secrets[0], secrets[1]}}, .webhook_tolerance_secs = 300};
    const struct provider_post post = {
        .url = url, .content_type = type, .body = body, .length = strlen(body), .header = header_of, .context = header};
    return provider_way_in_of_any(PROVIDER_SMS_MMS, PROVIDER_ROUTE_MESSAGES, type)->verify(&settings, &post, NOW, id);
}

static enum signature check_form(const char *header, const char *url, const char *body, char *const *secrets) {
    return check(header, url, FORM, body, secrets);
}

static enum signature check_json(const char *header, const char *url, const char *body, char *const *secrets) {
    return check(header, url, "application/json", body, secrets);
}

// The example of Twilio's own documentation, which openssl confirms.
START_TEST(twilios_own_example_is_right) {
    const char *body =
        "Digits=1234&To=%2B18005551212&From=%2B14158675309&Caller=%2B14158675309&CallSid=CA1234567890ABCDE";
    const char *url = "https://mycompany.com/myapp.php?foo=1&bar=2";
    ck_assert_int_eq(check_form("RSOYDt4T1cUTdK1PDd93/VVr8B8=", url, body, tokens), SIGNATURE_RIGHT);
    ck_assert_int_eq(check_form("RSOYDt4T1cUTdK1PDd93/VVr8BA=", url, body, tokens), SIGNATURE_WRONG);
    ck_assert_int_eq(check_form("RSOYDt4T1cUTdK1PDd93/VVr8B8=", "https://mycompany.com/myapp.php", body, tokens),
                     SIGNATURE_WRONG);
    ck_assert_int_eq(check_form("RSOYDt4T1cUTdK1PDd93/VVr8B8=", url, body, both), SIGNATURE_WRONG);
}
END_TEST

// FIELDS='BodyGrüße & mehr+1EmptyMediaaMediabTo+12016661234': decoded, sorted by name and value, a repeat left out.
START_TEST(a_forms_fields_are_decoded_and_sorted) {
    const char *by_secret = "xoAQUaivFZBjYDK1suCeS1m2BMA=";
    uint8_t ids[2][SIGNATURE_ID_SIZE];
    static const char *const right[] = {
        "To=%2B12016661234&Empty=&Body=Gr%C3%BC%c3%9fe+%26+mehr%2B1&Media=b&Media=a",
        "Media=a&&Empty&Media=a&Body=Gr%C3%BC%c3%9fe%20%26%20mehr%2b1&Media=b&To=%2B12016661234&",
    };
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        ck_assert_msg(check_form(by_secret, URL, right[i], only_one) == SIGNATURE_RIGHT, "%s", right[i]);
        memcpy(ids[i], id, SIGNATURE_ID_SIZE);
    }
    ck_assert_mem_eq(ids[0], ids[1], SIGNATURE_ID_SIZE); // whoever captured the one can write the other
    static const char *const wrong[] = {
        "To=%2B12016661234&Empty=&Body=Gr%C3%BC%c3%9fe+%26+mehr%2B1&Media=b",
        "To=+12016661234&Empty=&Body=Gr%C3%BC%c3%9fe+%26+mehr%2B1&Media=b&Media=a",
        "To=%2B12016661234&Empty=&Body=Gr%C3%BC%c3%9fe+%26+mehr%2B1&Media=b&Media=a&Extra=%",
        "",
        "%4",
        "&&=",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ck_assert_msg(check_form(by_secret, URL, wrong[i], only_one) == SIGNATURE_WRONG, "%s", wrong[i]);
    }
}
END_TEST

START_TEST(a_json_body_is_signed_by_its_hash_in_the_query) {
    const char *url = URL "?bodySHA256=" BODY_SHA256;
    const char *by_secret = "1Rn0f1rCfEms4CB8oRF8cITBQ9k=", *by_previous = "VimGkzl8m8aWO4GAVPRvqRBGtc0=";
    ck_assert_int_eq(check_json(by_secret, url, BODY, only_one), SIGNATURE_RIGHT);
    ck_assert_int_eq(check_json(by_previous, url, BODY, both), SIGNATURE_RIGHT);
    ck_assert_int_eq(check_json(by_previous, url, BODY, only_one), SIGNATURE_WRONG);
    ck_assert_int_eq(check_json(by_secret, url, BODY " ", only_one), SIGNATURE_WRONG);
    ck_assert_int_eq(check_json(by_secret, URL "?bodySHA256=" OTHER, BODY, only_one), SIGNATURE_WRONG);
}
END_TEST

START_TEST(a_body_that_nothing_signs_is_not_believed) {
    // Right for the URL alone: printf '%s' "$URL" | openssl dgst -sha1 -hmac "$s" -binary | openssl base64
    ck_assert_int_eq(check_json("fjVRZeDiCOzfaQfAdXmooVNGzZ4=", URL, BODY, only_one), SIGNATURE_MALFORMED);
    ck_assert_int_eq(check_json("short", URL, BODY, only_one), SIGNATURE_MALFORMED);
    ck_assert_int_eq(check_json("", URL, BODY, only_one), SIGNATURE_MALFORMED);
}
END_TEST

// What follows was signed by Twilio's own packages for Node and Python, with the token 12345.

START_TEST(what_twilios_libraries_sign_is_right) {
    const char *url = "https://example.com/sms?a=1&b=2";
    const char *body = "To=%2B18005551212&From=%2B14158675310&Body=&NumMedia=0&MessageSid=SM1";
    ck_assert_int_eq(check_form("sFMD4v0etxRlVRs7x9Bss/hpfzw=", url, body, tokens), SIGNATURE_RIGHT);
    ck_assert_int_eq(check_form("sFMD4v0etxRlVRs7x9Bss/hpfzw=", "https://example.com/sms", body, tokens),
                     SIGNATURE_WRONG);
    const char *hash = "d9a676c6ad11ad821020ca7843dac7d60ff88602dd23b6b4f4fa3a184f0c0afa";
    char *with_hash = xasprintf("https://example.com/sms?bodySHA256=%s", hash);
    ck_assert_int_eq(check_json("JuiZyDrnA008LTXiFboyCZ+8a9s=", with_hash, "{\"Body\":\"\u00e9\"}", tokens),
                     SIGNATURE_RIGHT);
    free(with_hash);
}
END_TEST

#define REPEATS                                                                                                        \
    "MessageSid=MM2&Body=Gr%C3%BC%C3%9Fe+%F0%9F%98%80+a%26b%3Dc&MediaUrl=https%3A%2F%2Fx%2Fb&"                         \
    "MediaUrl=https%3A%2F%2Fx%2Fa&MediaUrl=https%3A%2F%2Fx%2Fb&to=x"
#define WITHOUT_PORT "1TF42HrmB1C+0twU47DNA6RB01k="
#define WITH_PORT "tWEplVC27XgiE1IKyeqiwwN6t3Y="

START_TEST(a_url_counts_with_and_without_its_port) {
    static const char *const urls[] = {"https://example.com/sms", "https://example.com:443/sms"};
    for (size_t i = 0; i < 2; i++) {
        ck_assert_int_eq(check_form(WITHOUT_PORT, urls[i], REPEATS, tokens), SIGNATURE_RIGHT);
        ck_assert_int_eq(check_form(WITH_PORT, urls[i], REPEATS, tokens), SIGNATURE_RIGHT);
    }
    ck_assert_int_eq(check_form(WITHOUT_PORT, "https://example.com:8443/sms", REPEATS, tokens), SIGNATURE_RIGHT);
    ck_assert_int_eq(check_form(WITH_PORT, "https://example.com:8443/sms", REPEATS, tokens), SIGNATURE_WRONG);
    ck_assert_int_eq(check_form(WITH_PORT, "http://example.com/sms", REPEATS, tokens), SIGNATURE_WRONG);
}
END_TEST

// printf '%s' "http://[::1]:80/sms?t=1:2" | openssl dgst -sha1 -hmac 12345 -binary | openssl base64
START_TEST(a_port_is_found_behind_an_address_in_brackets) {
    const char *with_port = "8/vkBCGr+XuOoEB+STYYUflQId8=";
    ck_assert_int_eq(check_form(with_port, "http://[::1]/sms?t=1:2", "", tokens), SIGNATURE_RIGHT);
    ck_assert_int_eq(check_form(with_port, "http://[::1]:80/sms?t=1:2", "", tokens), SIGNATURE_RIGHT);
}
END_TEST

// printf 'http://a/smsBodyx\0y' | openssl dgst -sha1 -hmac 12345 -binary | openssl base64
START_TEST(what_stands_behind_a_nul_is_signed_as_well) {
    const char *header = "0iBXrUqIQGrTHhSq5Z7DVB79g0A=";
    ck_assert_int_eq(check_form(header, "http://a/sms", "Body=x%00y", tokens), SIGNATURE_RIGHT);
    ck_assert_int_eq(check_form(header, "http://a/sms", "Body=x%00z", tokens), SIGNATURE_WRONG);
    ck_assert_int_eq(check_form(header, "http://a/sms", "Body=x", tokens), SIGNATURE_WRONG);
}
END_TEST

START_TEST(a_form_of_too_many_fields_is_malformed) {
    struct buf body = {0};
    for (int i = 0; i < FORM_FIELDS_MAX; i++) {
        buf_puts(&body, "a=b&");
    }
    ck_assert_int_eq(check_form(WITH_PORT, URL, body.data, tokens), SIGNATURE_WRONG);
    buf_puts(&body, "a=b");
    ck_assert_int_eq(check_form(WITH_PORT, URL, body.data, tokens), SIGNATURE_MALFORMED);
    buf_free(&body);
}
END_TEST

START_TEST(a_shared_key_signs_by_sha_256) {
    const char *url = "https://example.com/sms?a=1&b=2";
    const char *body = "To=%2B18005551212&From=%2B14158675310&Body=&NumMedia=0&MessageSid=SM1";
    const char *sha1 = "sFMD4v0etxRlVRs7x9Bss/hpfzw=", *sha256 = "A2MYV5pABTa0yCBdF3KHFgstMOcBVniXDta52quJdvQ=";
    ck_assert_int_eq(check_form(sha256, url, body, tokens), SIGNATURE_MALFORMED); // nothing says so
    signature_settings = "key=webhooks_sharedkey_1,algorithm=HMAC_SHA256";
    ck_assert_int_eq(check_form(sha256, url, body, tokens), SIGNATURE_RIGHT);
    ck_assert_int_eq(check_form(sha256, url, body, both), SIGNATURE_WRONG);
    ck_assert_int_eq(check_form(sha1, url, body, tokens), SIGNATURE_MALFORMED);
    signature_settings = "algorithm=hmac_sha1, key=x";
    ck_assert_int_eq(check_form(sha1, url, body, tokens), SIGNATURE_RIGHT);
    signature_settings = "key=x";
    ck_assert_int_eq(check_form(sha1, url, body, tokens), SIGNATURE_RIGHT);
    signature_settings = "key=x,algorithm=";
    ck_assert_int_eq(check_form(sha1, url, body, tokens), SIGNATURE_RIGHT);
    signature_settings = "key=x,algorithm=HMAC_SHA512";
    ck_assert_int_eq(check_form(sha1, url, body, tokens), SIGNATURE_MALFORMED);
    ck_assert_int_eq(check_form(sha256, url, body, tokens), SIGNATURE_MALFORMED);
}
END_TEST

START_TEST(a_user_and_password_are_signed_as_a_part_of_the_url) {
    const char *with_user = "KoZpa8iB2bCxTHqFhZLqWSmvTiY=";
    static const char *const urls[] = {"https://u:p@example.com/sms", "https://u:p@example.com:443/sms"};
    for (size_t i = 0; i < 2; i++) {
        ck_assert_int_eq(check_form(with_user, urls[i], REPEATS, tokens), SIGNATURE_RIGHT);
        ck_assert_int_eq(check_form(WITHOUT_PORT, urls[i], REPEATS, tokens), SIGNATURE_WRONG);
    }
    ck_assert_int_eq(check_form(with_user, "https://example.com/sms", REPEATS, tokens), SIGNATURE_WRONG);
}
END_TEST

// printf '%s' "https://example.com/sms?q=it%27sBodyx" | openssl dgst -sha1 -hmac 12345 -binary | openssl base64
// printf '%s' "https://example.com/sms?q=it'sBodyx" | openssl dgst -sha1 -hmac 12345 -binary | openssl base64
START_TEST(a_query_counts_however_it_is_escaped) {
    static const char *const signed_with[] = {"Ns0OFHgrF/Lhf5HgEhDVhIkBJHQ=", "VImK8GUqaltVdHEVHpOsuxrvcS4="};
    static const char *const urls[] = {"https://example.com/sms?q=it%27s", "https://example.com/sms?q=it's"};
    for (size_t i = 0; i < 4; i++) {
        ck_assert_int_eq(check_form(signed_with[i / 2], urls[i % 2], "Body=x", tokens), SIGNATURE_RIGHT);
        ck_assert_int_eq(check_form(signed_with[i / 2], urls[i % 2], "Body=y", tokens), SIGNATURE_WRONG);
    }
}
END_TEST

Suite *suite_provider_twilio_signature(void) {
    Suite *suite = suite_create("provider_twilio_signature");
    TCase *tests = tcase_create("twilio_signature");
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_add_test(tests, twilios_own_example_is_right);
    tcase_add_test(tests, a_forms_fields_are_decoded_and_sorted);
    tcase_add_test(tests, a_json_body_is_signed_by_its_hash_in_the_query);
    tcase_add_test(tests, a_body_that_nothing_signs_is_not_believed);
    tcase_add_test(tests, what_twilios_libraries_sign_is_right);
    tcase_add_test(tests, a_url_counts_with_and_without_its_port);
    tcase_add_test(tests, a_port_is_found_behind_an_address_in_brackets);
    tcase_add_test(tests, what_stands_behind_a_nul_is_signed_as_well);
    tcase_add_test(tests, a_form_of_too_many_fields_is_malformed);
    tcase_add_test(tests, a_shared_key_signs_by_sha_256);
    tcase_add_test(tests, a_user_and_password_are_signed_as_a_part_of_the_url);
    tcase_add_test(tests, a_query_counts_however_it_is_escaped);
    suite_add_tcase(suite, tests);
    return suite;
}
