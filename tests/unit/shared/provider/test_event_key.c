// SPDX-License-Identifier: MIT
// The vectors were computed with SendGrid's own packages (npm @sendgrid/eventwebhook).
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shared/base/buf.h"
#include "shared/base/hex.h"
#include "shared/provider/email_signature.h"
#include "shared/provider/event_key.h"

Suite *suite_provider_event_key(void);

#define KEY                                                                                                            \
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEm9uXJps97WMAXlYJO+9Uak8kM3lpZJD7f8I6n6xgW9UnSP9a7eOEqD0/"                     \
    "L3Q4P0YvEZ5wJzrP9Y6swYXUzEvcAg=="
#define OTHER_KEY                                                                                                      \
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEAix8tNmkrOPlZPv647gh9f7YhngRhKISzdSQbpYX5yu+cNzDbERXcMxUK"                    \
    "MjqRCar8qkMsjFJC5shkBTo8PnmLg=="
#define SECRET "a secret"

enum { AHEAD = 300, OLDEST = 4 * 24 * 3600 };

static const struct vector {
    const char *time, *body, *signature;
} vectors[] = {
    {"1700000000", "[{\"event\":\"open\",\"useragent\":\"\xC3\xA9\"}]\r\n",
     "MEYCIQCOFgb5NoNzJUufqLAEUyiqRNaWgX6cJblqqAnpftgZmwIhANRqqPEWw3sokrZanBV3BRztLjJCYpsSKBfk41HRIfkP"},
    {"1700000001", "[]",
     "MEYCIQCT/vf7IT4imlzKc8Pj15BOl4toTx21FHwXk5xO/k8p1AIhAL3UlXdT6y3RpPZf2g3qI/XugookdMS3Ks9vpGsYwixN"},
    {"1700000000",
     "[{\"email\":\"a@example.com\",\"timestamp\":1700000000,\"smtp-id\":\"<x@y>\",\"event\":\"delivered\","
     "\"sg_event_id\":\"ZGVsaXZlcmVk\",\"sg_message_id\":\"m1.recvd-1-0\",\"response\":\"250 OK\","
     "\"message_id\":\"id-1\"}]\r\n",
     "MEYCIQCxum36TWFEcD90PwvrvaPlyPfZC5jrXzKxDXEXEHTr0AIhAKdFL1QY7rMOwNfxH8JfdO5sPghQnZm3pJNa5tHIcNZw"},
};

// ---- Keys

static const struct {
    const char *keys;
    bool is_right;
} settings_texts[] = {
    {"", true},
    {KEY, true},
    {KEY "," OTHER_KEY, true},
    {" " KEY " , " OTHER_KEY " ", true},
    {"not base64", false},
    {"aGVsbG8=", false},
    {KEY ","
         "nonsense",
     false},
    {"-----BEGIN PUBLIC KEY-----" KEY "-----END PUBLIC KEY-----", false},
    {"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEm9uXJps97WMAXlYJO+9Uak8kM3lpZJD7f8I6n6xgW9UnSP9a7eOEqD0/", false},
    {KEY ",", true},
    {",", false},
    // Ed25519: a key, and of another kind.
    {"MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=", false},
};

START_TEST(a_setting_that_holds_no_keys_is_refused) {
    const char *refusal = event_key_refusal(settings_texts[_i].keys);
    ck_assert_msg((refusal == NULL) == settings_texts[_i].is_right, "%s", settings_texts[_i].keys);
}
END_TEST

// ---- Signatures

static void digest_of(const char *time, const char *body, uint8_t out[SHA256_SIZE]) {
    struct buf text = {0};
    buf_puts(&text, time);
    buf_puts(&text, body);
    crypto_sha256(text.data, text.length, out);
    buf_free(&text);
}

static enum signature check_with(const char *keys, const struct vector *vector, const char *body, int64_t late) {
    uint8_t digest[SHA256_SIZE], id[SIGNATURE_ID_SIZE];
    digest_of(vector->time, body, digest);
    int64_t now = strtoll(vector->time, NULL, 10) + late;
    enum signature verdict = event_key_check(keys, vector->signature, vector->time, digest, now, AHEAD, OLDEST, id);
    if (verdict == SIGNATURE_RIGHT) {
        ck_assert_mem_eq(id, digest, SIGNATURE_ID_SIZE);
    }
    return verdict;
}

START_TEST(what_its_own_packages_sign_is_right_and_nothing_else) {
    const struct vector *vector = &vectors[_i];
    ck_assert_int_eq(check_with(KEY, vector, vector->body, 0), SIGNATURE_RIGHT);
    ck_assert_int_eq(check_with(OTHER_KEY "," KEY, vector, vector->body, 0), SIGNATURE_RIGHT);
    ck_assert_int_eq(check_with(OTHER_KEY, vector, vector->body, 0), SIGNATURE_WRONG);
    ck_assert_int_eq(check_with("", vector, vector->body, 0), SIGNATURE_WRONG);
    ck_assert_int_eq(check_with(KEY, vector, "[1]", 0), SIGNATURE_WRONG);
    ck_assert_int_eq(check_with(KEY, vector, vector->body, OLDEST), SIGNATURE_RIGHT);
    ck_assert_int_eq(check_with(KEY, vector, vector->body, -AHEAD), SIGNATURE_RIGHT);
    ck_assert_int_eq(check_with(KEY, vector, vector->body, OLDEST + 1), SIGNATURE_STALE);
    ck_assert_int_eq(check_with(KEY, vector, vector->body, -AHEAD - 1), SIGNATURE_STALE);
}
END_TEST

START_TEST(headers_of_another_form_are_malformed) {
    static const char *const signatures[] = {"", "!", "MEYC", "MEYCIQ==", NULL};
    static const char *const times[] = {"", "x", "17000000x", "-1", "1700000000000000", " 1700000000", NULL};
    uint8_t digest[SHA256_SIZE] = {0}, id[SIGNATURE_ID_SIZE];
    const char *right = vectors[0].signature;
    for (size_t i = 0; times[i] != NULL; i++) {
        ck_assert_int_eq(event_key_check(KEY, right, times[i], digest, 0, AHEAD, OLDEST, id), SIGNATURE_MALFORMED);
    }
    for (size_t i = 0; signatures[i] != NULL; i++) {
        ck_assert_int_ne(event_key_check(KEY, signatures[i], "1", digest, 0, AHEAD, OLDEST, id), SIGNATURE_RIGHT);
    }
    ck_assert_int_eq(event_key_check(KEY, NULL, "1", digest, 0, AHEAD, OLDEST, id), SIGNATURE_MALFORMED);
    ck_assert_int_eq(event_key_check(KEY, right, NULL, digest, 0, AHEAD, OLDEST, id), SIGNATURE_MALFORMED);
    ck_assert_int_eq(event_key_check(KEY, NULL, NULL, digest, 0, AHEAD, OLDEST, id), SIGNATURE_MISSING);
}
END_TEST

// ---- Posts

static const char *given[4][2]; // headers

static const char *find_header(const void *context, const char *name) {
    (void)context;
    for (size_t i = 0; i < 4 && given[i][0] != NULL; i++) {
        if (strcasecmp(given[i][0], name) == 0) {
            return given[i][1];
        }
    }
    return NULL;
}

static char no_secret[] = "", secret[] = SECRET, key[] = KEY;

static struct settings settings_of(char *keys, char *secrets) {
    struct settings settings = {
        .webhook_email_public_key = keys, .webhook_tolerance_secs = AHEAD, .webhook_email_max_age_secs = OLDEST};
    settings.webhook_secrets[PROVIDER_EMAIL][0] = secrets;
    settings.webhook_secrets[PROVIDER_EMAIL][1] = no_secret;
    return settings;
}

static void give(size_t index, const char *name, const char *value) {
    given[index][0] = name;
    given[index][1] = value;
}

static void give_event(const struct vector *vector) {
    memset(given, 0, sizeof given);
    give(0, "x-twilio-email-event-webhook-signature", vector->signature);
    give(1, "x-twilio-email-event-webhook-timestamp", vector->time);
}

// As a whole, and as it comes, a byte at a time, for what isn't kept.
static enum signature verify(const struct settings *settings, const struct vector *vector) {
    uint8_t id[SIGNATURE_ID_SIZE], other[SIGNATURE_ID_SIZE];
    int64_t now = strtoll(vector->time, NULL, 10);
    struct provider_post post = {
        .body = vector->body, .length = strlen(vector->body), .header = find_header, .context = given};
    enum signature whole = email_verify(settings, &post, now, id);
    struct email_sums *sums = email_sums_begin(settings, &post);
    for (size_t i = 0; i < post.length; i++) {
        email_sums_add(sums, vector->body + i, 1);
    }
    email_sums_end(sums);
    post.sums = sums;
    post.body = "what was left of it";
    post.length = strlen(post.body);
    ck_assert_int_eq(email_verify(settings, &post, now, other), whole);
    if (whole == SIGNATURE_RIGHT) {
        ck_assert_mem_eq(id, other, sizeof id);
    }
    email_sums_free(sums);
    return whole;
}

START_TEST(a_post_is_right_by_the_key_or_by_the_secret) {
    const struct settings by_key = settings_of(key, no_secret), by_secret = settings_of(no_secret, secret),
                          by_both = settings_of(key, secret), open = settings_of(no_secret, no_secret);
    ck_assert(email_is_signed(&by_key) && email_is_signed(&by_secret) && email_is_signed(&by_both));
    ck_assert(!email_is_signed(&open));
    give_event(&vectors[1]);
    ck_assert_int_eq(verify(&by_key, &vectors[1]), SIGNATURE_RIGHT);
    ck_assert_int_eq(verify(&by_both, &vectors[1]), SIGNATURE_RIGHT);
    ck_assert_int_eq(verify(&by_secret, &vectors[1]), SIGNATURE_MISSING);
    ck_assert_int_eq(verify(&by_key, &(struct vector){"1700000001", "[1]", NULL}), SIGNATURE_WRONG);
    memset(given, 0, sizeof given);
    ck_assert_int_eq(verify(&by_key, &vectors[1]), SIGNATURE_MISSING);
    ck_assert_int_eq(verify(&by_both, &vectors[1]), SIGNATURE_MISSING);
}
END_TEST

START_TEST(our_own_signature_is_looked_at_beside_the_vendors) {
    const struct settings by_key = settings_of(key, no_secret), by_secret = settings_of(no_secret, secret),
                          by_both = settings_of(key, secret);
    uint8_t digest[SHA256_SIZE];
    char header[128] = "t=1700000001,v1=";
    crypto_hmac_sha256(SECRET, "1700000001.[]", 13, digest);
    hex_encode(digest, sizeof digest, header + strlen(header));
    memset(given, 0, sizeof given);
    give(0, "X-Signature", header);
    ck_assert_int_eq(verify(&by_secret, &vectors[1]), SIGNATURE_RIGHT);
    ck_assert_int_eq(verify(&by_both, &vectors[1]), SIGNATURE_RIGHT);
    ck_assert_int_eq(verify(&by_key, &vectors[1]), SIGNATURE_MISSING);
    ck_assert_int_eq(verify(&by_secret, &vectors[0]), SIGNATURE_WRONG);
    give_event(&vectors[0]); // of another body
    ck_assert_int_eq(verify(&by_both, &vectors[1]), SIGNATURE_WRONG);
    give(2, "X-Signature", header);
    ck_assert_int_eq(verify(&by_both, &vectors[1]), SIGNATURE_RIGHT);
    give(2, "X-Signature", "t=1,v1=zz");
    ck_assert_int_eq(verify(&by_secret, &vectors[1]), SIGNATURE_MALFORMED);
}
END_TEST

Suite *suite_provider_event_key(void) {
    Suite *suite = suite_create("provider_event_key");
    TCase *tests = tcase_create("event_key");
    tcase_add_loop_test(tests, a_setting_that_holds_no_keys_is_refused, 0,
                        sizeof settings_texts / sizeof *settings_texts);
    tcase_add_loop_test(tests, what_its_own_packages_sign_is_right_and_nothing_else, 0,
                        sizeof vectors / sizeof *vectors);
    tcase_add_test(tests, headers_of_another_form_are_malformed);
    tcase_add_test(tests, a_post_is_right_by_the_key_or_by_the_secret);
    tcase_add_test(tests, our_own_signature_is_looked_at_beside_the_vendors);
    suite_add_tcase(suite, tests);
    return suite;
}
