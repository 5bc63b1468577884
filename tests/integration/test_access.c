// SPDX-License-Identifier: MIT
// Who is let in: keys for /api, signatures for webhooks. Redis and Postgres are real; the persister stores what
// webhooks bring.

#include <check.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "shared/base/buf.h"
#include "shared/base/mem.h"
#include "tests/support/child.h"
#include "tests/support/payload.h"
#include "tests/support/sockets.h"
#include "tests/support/stack.h"

#define THEIRS "+18045551234"
#define OURS "+12016661234"
#define PUBLIC_URL "https://example.com"
#define SECRET "whsec_sms_0123456789"
#define PREVIOUS "whsec_sms_of_last_year"
#define EMAIL_SECRET "whsec_email_0123456789"
#define HEX_SIZE (2 * SHA256_DIGEST_LENGTH + 1)

Suite *suite_access(void);

static struct stack *stack;
static char *keys_path;

// ---- Keys

static void hex(const unsigned char *bytes, size_t count, char *out) {
    for (size_t i = 0; i < count; i++) {
        sprintf(out + 2 * i, "%02x", bytes[i]);
    }
}

static void sha256(const char *text, char out[HEX_SIZE]) {
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)text, strlen(text), digest);
    hex(digest, sizeof digest, out);
}

// Each key is its owner's name and "-key".
static void write_keys(const char *const (*owners)[2], size_t count, const char *more) {
    FILE *out = fopen(keys_path, "w");
    ck_assert_ptr_nonnull(out);
    for (size_t i = 0; i < count; i++) {
        char key[64], digest[HEX_SIZE];
        snprintf(key, sizeof key, "%s-key", owners[i][0]);
        sha256(key, digest);
        fprintf(out, "%s:%s:%s\n", owners[i][0], owners[i][1], digest);
    }
    fputs(more, out);
    ck_assert_int_eq(fclose(out), 0);
}

static const char *const usual[][2] = {
    {"sender", "send"}, {"reader", "read"}, {"boss", "admin"}, {"all", "send+read+admin"}};

static void write_usual_keys(void) {
    write_keys(usual, sizeof usual / sizeof *usual, "");
}

// The limit of wrong keys is one for all processes, and most of them come from one address here.
static const char *const environment[] = {"API_KEY_FAILURES_PER_MIN=1000000", NULL};

static void start(void) {
    stack = stack_create("access", environment);
    keys_path = xasprintf("%s/keys", stack_folder(stack));
    write_usual_keys();
    char *file = xasprintf("API_KEYS_FILE=%s", keys_path);
    stack_start(stack, "postgres");
    stack_start(stack, "persister-1");
    stack_start_with(stack, "ingest-1", (const char *const[]){file, NULL});
    stack_start_with(stack, "ingest-2", (const char *const[]){file, "API_KEY_FAILURES_PER_MIN=5", NULL});
    stack_start_with(stack, "ingest-3",
                     (const char *const[]){file, "WEBHOOK_SMS_SECRET=" SECRET, "WEBHOOK_SMS_SECRET_PREVIOUS=" PREVIOUS,
                                           "WEBHOOK_EMAIL_SECRET=" EMAIL_SECRET, "WEBHOOK_PUBLIC_URL=" PUBLIC_URL "/",
                                           NULL});
    free(file);
}

static void end(void) {
    stack_destroy(stack);
    free(keys_path);
}

static void recover(void) {
    stack_recover(stack);
}

// A call with "Authorization: Bearer <owner>-key"; owner NULL: without.
static struct answer *call_as(const char *ingest, const char *owner, const char *method, const char *path,
                              const char *body) {
    char header[128];
    snprintf(header, sizeof header, "Authorization: Bearer %s-key", owner != NULL ? owner : "");
    const char *headers[] = {owner != NULL ? header : NULL, NULL};
    return stack_call(stack, ingest, method, path, body, headers);
}

static long status_as(const char *owner, const char *method, const char *path, const char *body) {
    struct answer *answer = call_as("ingest-1", owner, method, path, body);
    long status = answer->status;
    answer_free(answer);
    return status;
}

static int64_t written(void) {
    return stack_redis_int(stack, "XLEN outbound:{sms-mms:0}");
}

START_TEST(without_a_key_nothing_of_the_api_is_open_and_nothing_is_written) {
    char *payload = payload_sms(OURS, THEIRS, "no key");
    const struct {
        const char *method, *path, *body;
    } calls[] = {
        {"POST", PATH_SMS, payload},
        {"POST", PATH_EMAIL, payload},
        {"GET", "/api/conversations", NULL},
        {"GET", "/api/conversations/1/messages", NULL},
        {"GET", "/api/messages/0192e7a1-3c00-7b5e-9d1a-0c2f5b7e8a11", NULL},
        {"GET", "/api/events", NULL},
        {"POST", "/api/provider/mock/inbound", payload},
        {"GET", "/api/provider/mock/config", NULL},
        {"PUT", "/api/provider/mock/config", "{\"timeout_pct\":0,\"error_pct\":0,\"ratelimit_pct\":0}"},
        {"GET", "/api/dead-letters", NULL},
        {"GET", "/api/dead-letters/1", NULL},
        {"POST", "/api/dead-letters/1/replay", "{}"},
        {"POST", "/api/dead-letters/replay", "{}"},
    };
    int64_t before = written();
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        struct answer *answer = call_as("ingest-1", NULL, calls[i].method, calls[i].path, calls[i].body);
        char *challenge = answer_header(answer, "WWW-Authenticate");
        ck_assert_msg(answer->status == 401, "%s %s: %ld", calls[i].method, calls[i].path, answer->status);
        ck_assert_str_eq(answer_text(answer, "code"), "unauthorized");
        ck_assert_str_eq(challenge, "Bearer realm=\"api\"");
        free(challenge);
        answer_free(answer);
        ck_assert_int_eq(status_as("nobodys", calls[i].method, calls[i].path, calls[i].body), 401);
    }
    ck_assert_int_eq(written(), before);
    free(payload);
}
END_TEST

START_TEST(nobody_waits_for_the_body_of_a_stranger) {
    static const char request[] = "POST " PATH_SMS " HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
                                  "Content-Length: 200000\r\n\r\n{"; // and no more
    char *text = client_raw(stack_port(stack, "ingest-1"), request, sizeof request - 1, 5000);
    ck_assert_msg(strncmp(text, "HTTP/1.1 401", 12) == 0, "%s", text);
    ck_assert_ptr_nonnull(strstr(text, "Connection: close"));
    free(text);
}
END_TEST

START_TEST(what_says_how_the_service_is_stays_open) {
    const char *const paths[] = {"/healthz",    "/readyz",      "/metrics",     "/",
                                 "/console.js", "/console.css", "/openapi.yaml"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        ck_assert_msg(status_as(NULL, "GET", paths[i], NULL) == 200, "%s", paths[i]);
    }
    ck_assert_int_eq(status_as(NULL, "GET", "/api/no-such-thing", NULL), 404); // the route comes before the key
    ck_assert_int_eq(status_as(NULL, "DELETE", "/api/conversations", NULL), 405);
    char *webhook = payload_sms_webhook(THEIRS, OURS, "open-1", "no secret is set here");
    ck_assert_int_eq(status_as(NULL, "POST", PATH_SMS_WEBHOOK, webhook), 202);
    free(webhook);
}
END_TEST

START_TEST(a_key_is_good_for_its_scopes_alone_and_a_403_names_the_missing_one) {
    char *payload = payload_sms(OURS, THEIRS, "with a key");
    const struct {
        const char *scope, *owner, *method, *path, *body;
        long status;
    } calls[] = {
        {"send", "sender", "POST", PATH_SMS, payload, 202},
        {"read", "reader", "GET", "/api/conversations", NULL, 200},
        {"admin", "boss", "GET", "/api/dead-letters", NULL, 200},
        {"admin", "boss", "GET", "/api/provider/mock/config", NULL, 200},
        {"admin", "boss", "POST", "/api/dead-letters/999/replay", "{}", 404},
    };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        for (size_t k = 0; k < sizeof usual / sizeof *usual; k++) {
            const char *owner = usual[k][0];
            bool allowed = strcmp(owner, calls[i].owner) == 0 || strcmp(owner, "all") == 0;
            struct answer *answer = call_as("ingest-1", owner, calls[i].method, calls[i].path, calls[i].body);
            ck_assert_msg(answer->status == (allowed ? calls[i].status : 403), "%s as %s: %ld", calls[i].path, owner,
                          answer->status);
            if (!allowed) {
                char *challenge = answer_header(answer, "WWW-Authenticate");
                ck_assert_str_eq(answer_text(answer, "code"), "forbidden");
                ck_assert_str_eq(answer_text(answer, "details.scope"), calls[i].scope);
                ck_assert_ptr_nonnull(strstr(challenge, "error=\"insufficient_scope\""));
                free(challenge);
            }
            answer_free(answer);
        }
    }
    free(payload);
}
END_TEST

START_TEST(a_key_may_come_in_either_header_and_nowhere_else) {
    const struct {
        const char *header;
        long status;
    } cases[] = {
        {"Authorization: Bearer reader-key", 200},
        {"Authorization: bearer   reader-key", 200},
        {"X-API-Key: reader-key", 200},
        {"Authorization: Basic cmVhZGVyLWtleTo=", 401},
        {"Authorization: reader-key", 401},
        {"Authorization: Bearer", 401},
        {"X-API-Key: reader-ke", 401},
        {"X-API-Key: reader-key2", 401},
        {"Cookie: key=reader-key", 401},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *headers[] = {cases[i].header, NULL};
        struct answer *answer = stack_call(stack, "ingest-1", "GET", "/api/conversations", NULL, headers);
        ck_assert_msg(answer->status == cases[i].status, "%s: %ld", cases[i].header, answer->status);
        answer_free(answer);
    }
    ck_assert_int_eq(status_as(NULL, "GET", "/api/conversations?key=reader-key", NULL), 401);
    char *long_key = xmalloc(4001);
    memset(long_key, 'x', 4000);
    long_key[4000] = '\0';
    ck_assert_int_eq(status_as(long_key, "GET", "/api/conversations", NULL), 401);
    free(long_key);
}
END_TEST

START_TEST(the_stream_of_events_asks_for_a_key_as_well) {
    static const char request[] = "GET /api/events HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer reader-key\r\n\r\n";
    char *text = client_raw(stack_port(stack, "ingest-1"), request, sizeof request - 1, 700);
    ck_assert_msg(strncmp(text, "HTTP/1.1 200", 12) == 0, "%s", text);
    ck_assert_ptr_nonnull(strstr(text, "text/event-stream"));
    free(text);
}
END_TEST

START_TEST(a_refusal_is_logged_with_its_reason_and_never_the_key) {
    struct answer *answer = call_as("ingest-1", "telling-wrong", "GET", "/api/conversations", NULL);
    char *id = answer_header(answer, "X-Request-Id");
    answer_free(answer);
    ck_assert_int_eq(stack_log_about(stack, "ingest-1", "access_refused", id), 1);
    ck_assert_int_eq(stack_log_about(stack, "ingest-1", "request", id), 1);
    free(id);
    answer = call_as("ingest-1", "reader", "GET", "/api/conversations", NULL);
    id = answer_header(answer, "X-Request-Id");
    answer_free(answer);
    char *path = xasprintf("%s/ingest-1.log", stack_folder(stack));
    char *log = read_whole_file(path);
    char *line = strstr(log, id);
    ck_assert_ptr_nonnull(strstr(line, "\"key_name\":\"reader\""));
    ck_assert_ptr_nonnull(strstr(line, "\"sensitive_headers\":\"Authorization\""));
    ck_assert_ptr_null(strstr(log, "telling-wrong"));
    ck_assert_ptr_null(strstr(log, "-key\""));
    ck_assert_ptr_null(strstr(log, "Bearer "));
    free(log);
    free(path);
    free(id);
}
END_TEST

static long status_from(const char *address, const char *key) {
    char from[64], with[64];
    snprintf(from, sizeof from, "X-Forwarded-For: %s", address);
    snprintf(with, sizeof with, "X-API-Key: %s", key);
    const char *headers[] = {from, key[0] != '\0' ? with : NULL, NULL};
    struct answer *answer = stack_call(stack, "ingest-2", "GET", "/api/conversations", NULL, headers);
    long status = answer->status;
    ck_assert_int_eq(answer_header_number(answer, "Retry-After") > 0, status == 429);
    answer_free(answer);
    return status;
}

START_TEST(wrong_keys_of_an_address_are_limited_and_a_right_one_still_gets_in) {
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(status_from("203.0.113.1", ""), 401); // nothing was tried
    }
    long status = 401;
    for (int i = 0; i < 12 && status == 401; i++) {
        status = status_from("203.0.113.1", "guess");
    }
    ck_assert_int_eq(status, 429);
    ck_assert_int_eq(status_from("203.0.113.1", "reader-key"), 200);
    ck_assert_int_eq(status_from("203.0.113.2", "guess"), 401);
    ck_assert_int_eq(stack_redis_int(stack, "EXISTS rate:ip:{203.0.113.1}"), 0);
}
END_TEST

START_TEST(a_refused_send_does_not_count_against_its_address) {
    char *payload = payload_sms(OURS, THEIRS, "x");
    const char *headers[] = {"X-Forwarded-For: 203.0.113.9", "X-API-Key: wrong", NULL};
    struct answer *answer = stack_call(stack, "ingest-1", "POST", PATH_SMS, payload, headers);
    ck_assert_int_eq(answer->status, 401);
    answer_free(answer);
    redisReply *reply = stack_redis(stack, "KEYS rate:ip:{203.0.113.9}*");
    ck_assert_uint_eq(reply->elements, 0);
    freeReplyObject(reply);
    free(payload);
}
END_TEST

START_TEST(keys_are_limited_no_more_while_redis_is_away) {
    stack_kill(stack, "redis");
    WAIT_FOR(10000, stack_status(stack, "ingest-1", "GET", "/readyz", NULL) == 503);
    ck_assert_int_eq(status_as("nobodys", "GET", "/api/conversations", NULL), 401);
    ck_assert_int_eq(status_as("reader", "GET", "/api/conversations", NULL), 200);
    stack_start(stack, "redis");
    WAIT_FOR(10000, stack_status(stack, "ingest-1", "GET", "/readyz", NULL) == 200);
}
END_TEST

static void reload(const char *event) {
    int before = stack_log_count(stack, "ingest-1", event);
    stack_signal(stack, "ingest-1", SIGHUP);
    WAIT_FOR(5000, stack_log_count(stack, "ingest-1", event) == before + 1);
}

START_TEST(the_file_is_read_again_on_sighup) {
    static const char *const changed[][2] = {{"newcomer", "read"}, {"sender", "send"}};
    ck_assert_int_eq(status_as("newcomer", "GET", "/api/conversations", NULL), 401);
    write_keys(changed, 2, "");
    reload("reloaded");
    ck_assert_int_eq(status_as("newcomer", "GET", "/api/conversations", NULL), 200);
    ck_assert_int_eq(status_as("reader", "GET", "/api/conversations", NULL), 401);
    write_usual_keys();
    reload("reloaded");
    ck_assert_int_eq(status_as("reader", "GET", "/api/conversations", NULL), 200);
}
END_TEST

static int watch_as(const char *owner) {
    char request[160];
    int length = snprintf(request, sizeof request,
                          "GET /api/events HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer %s-key\r\n\r\n", owner);
    int fd = socket_open(stack_port(stack, "ingest-1"), NULL);
    struct buf got = {0};
    ck_assert(socket_say(fd, request, (size_t)length));
    WAIT_FOR(5000, socket_hear(fd, &got) && got.length > 0 && strstr(got.data, "event: pipeline") != NULL);
    buf_free(&got);
    return fd;
}

static bool ends_with(const struct buf *got, const char *text) {
    size_t length = strlen(text);
    return got->length >= length && memcmp(got->data + got->length - length, text, length) == 0;
}

START_TEST(a_key_that_is_taken_away_ends_the_stream_that_it_began) {
    static const char *const changed[][2] = {{"reader", "send"}, {"all", "send+read+admin"}};
    int reader = watch_as("reader"), all = watch_as("all");
    struct buf reader_got = {0}, all_got = {0};
    write_keys(changed, 2, "");
    reload("reloaded");
    WAIT_FOR(5000, socket_hear(reader, &reader_got) && ends_with(&reader_got, "0\r\n\r\n"));
    ck_assert(socket_hear(all, &all_got) && !ends_with(&all_got, "0\r\n\r\n"));
    ck_assert_int_ge(stack_log_about(stack, "ingest-1", "event_client_dropped", "its key was taken away"), 1);
    buf_free(&reader_got);
    buf_free(&all_got);
    close(reader);
    close(all);
    write_usual_keys();
    reload("reloaded");
}
END_TEST

START_TEST(a_bad_file_on_sighup_is_an_error_and_changes_nothing) {
    static const char *const changed[][2] = {{"newcomer", "read"}};
    stack_allow_error(stack, "reload_refused");
    write_keys(changed, 1, "acme:everything:0000\n");
    reload("reload_refused");
    ck_assert_int_eq(
        stack_log_about(stack, "ingest-1", "reload_refused", "line 2: a scope must be send, read or admin"), 1);
    ck_assert_int_eq(status_as("newcomer", "GET", "/api/conversations", NULL), 401);
    ck_assert_int_eq(status_as("reader", "GET", "/api/conversations", NULL), 200);
    write_usual_keys();
    reload("reloaded");
}
END_TEST

// The level of the one line about open doors that an ingest of that name logs at start; "" where there is none.
static const char *level_of_warning(const char *name, const char *const *extra) {
    stack_start_with(stack, name, extra);
    int all = stack_log_count(stack, name, "keys_off");
    int loud = stack_log_about(stack, name, "keys_off", "\"level\":\"error\"");
    stack_stop(stack, name);
    ck_assert_int_le(all, 1);
    return all == 0 ? "" : loud == 1 ? "error" : "warn";
}

START_TEST(that_no_key_is_asked_for_is_said_once_and_loudly_where_others_can_reach_it) {
    stack_allow_error(stack, "keys_off");
    ck_assert_str_eq(level_of_warning("ingest-4", (const char *const[]){"BIND_ADDRESS=127.0.0.1", NULL}), "warn");
    ck_assert_str_eq(level_of_warning("ingest-5", (const char *const[]){"BIND_ADDRESS=0.0.0.0", NULL}), "error");
    char *key = xasprintf("API_KEYS=one:read:%064d", 1);
    ck_assert_str_eq(level_of_warning("ingest-6", (const char *const[]){"BIND_ADDRESS=0.0.0.0", key, NULL}), "");
    free(key);
}
END_TEST

// ---- Signatures of webhooks (ingest-3)

// X-Signature of a body; `when` is t.
static char *signature(const char *secret, int64_t when, const char *body) {
    char *signed_bytes = xasprintf("%lld.%s", (long long)when, body), text[HEX_SIZE];
    unsigned char digest[SHA256_DIGEST_LENGTH];
    HMAC(EVP_sha256(), secret, (int)strlen(secret), (const unsigned char *)signed_bytes, strlen(signed_bytes), digest,
         NULL);
    hex(digest, sizeof digest, text);
    free(signed_bytes);
    return xasprintf("X-Signature: t=%lld,v1=%s", (long long)when, text);
}

static int64_t now(void) {
    return (int64_t)time(NULL);
}

// Posts to ingest-3 under a header, which it frees; NULL: none.
static struct answer *post(const char *path, const char *body, char *header) {
    const char *headers[] = {header, NULL};
    struct answer *answer = stack_call(stack, "ingest-3", "POST", path, body, headers);
    free(header);
    return answer;
}

static void expect(const char *path, const char *body, char *header, long status, const char *challenge) {
    struct answer *answer = post(path, body, header);
    char *given = answer_header(answer, "WWW-Authenticate");
    ck_assert_msg(answer->status == status, "%ld: %s", answer->status, answer->body);
    ck_assert_str_eq(given != NULL ? given : "", challenge);
    free(given);
    answer_free(answer);
}

START_TEST(a_webhook_with_a_right_signature_is_taken_of_either_secret) {
    char *sms = payload_sms_webhook(THEIRS, OURS, "signed-1", "by the secret");
    char *other = payload_sms_webhook(THEIRS, OURS, "signed-2", "by the previous one");
    char *email = payload_email_webhook("a@example.com", "b@example.com", "signed-3", "by the other provider's");
    expect(PATH_SMS_WEBHOOK, sms, signature(SECRET, now(), sms), 202, "");
    expect(PATH_SMS_WEBHOOK, other, signature(PREVIOUS, now(), other), 202, "");
    expect(PATH_EMAIL_WEBHOOK, email, signature(EMAIL_SECRET, now(), email), 202, "");
    free(email);
    free(other);
    free(sms);
}
END_TEST

static int64_t unsigned_webhooks(void) {
    struct answer *answer = stack_call(stack, "ingest-3", "GET", "/metrics", NULL, NULL);
    int64_t count = (int64_t)answer_number(answer, "webhooks_unsigned");
    answer_free(answer);
    return count;
}

START_TEST(a_webhook_without_a_right_signature_is_refused_counted_and_not_stored) {
    static const char missing[] = "Signature realm=\"webhooks\"";
    static const char wrong[] = "Signature realm=\"webhooks\", error=\"invalid_signature\"";
    char *sms = payload_sms_webhook(THEIRS, OURS, "refused-1", "refused");
    char *other = payload_sms_webhook(THEIRS, OURS, "refused-1", "refused, too");
    int64_t before = stack_redis_int(stack, "XLEN events:{sms-mms:0}"), counted = unsigned_webhooks();
    expect(PATH_SMS_WEBHOOK, sms, NULL, 401, missing);
    expect(PATH_SMS_WEBHOOK, sms, xstrdup("X-API-Key: all-key"), 401, missing); // webhooks take no key
    expect(PATH_SMS_WEBHOOK, sms, signature("guess", now(), sms), 401, wrong);
    expect(PATH_SMS_WEBHOOK, sms, signature(EMAIL_SECRET, now(), sms), 401, wrong);
    expect(PATH_SMS_WEBHOOK, sms, signature(SECRET, now(), other), 401, wrong);
    expect(PATH_SMS_WEBHOOK, sms, xstrdup("X-Signature: rubbish"), 401, wrong);
    WAIT_FOR(5000, unsigned_webhooks() == counted + 6);
    ck_assert_int_eq(stack_redis_int(stack, "XLEN events:{sms-mms:0}") <= before, 1);
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM messages WHERE provider_message_id = 'refused-1'"), 0);
    free(other);
    free(sms);
}
END_TEST

START_TEST(a_signature_older_or_newer_than_five_minutes_is_refused) {
    static const char stale[] = "Signature realm=\"webhooks\", error=\"stale_signature\"";
    char *sms = payload_sms_webhook(THEIRS, OURS, "times-1", "old");
    expect(PATH_SMS_WEBHOOK, sms, signature(SECRET, now() - 320, sms), 401, stale);
    expect(PATH_SMS_WEBHOOK, sms, signature(SECRET, now() + 320, sms), 401, stale);
    expect(PATH_SMS_WEBHOOK, sms, signature(SECRET, now() - 200, sms), 202, "");
    expect(PATH_SMS_WEBHOOK, sms, signature(SECRET, now() + 200, sms), 202, "");
    free(sms);
}
END_TEST

START_TEST(a_repeated_webhook_is_answered_as_a_redelivery_and_stored_once) {
    char *sms = payload_sms_webhook(THEIRS, OURS, "again-1", "once");
    int64_t when = now();
    char *first_id = NULL;
    for (int i = 0; i < 3; i++) { // the very same request, signature and all
        struct answer *answer = post(PATH_SMS_WEBHOOK, sms, signature(SECRET, when, sms));
        ck_assert_int_eq(answer->status, 202);
        if (first_id == NULL) {
            first_id = xstrdup(answer_text(answer, "id"));
        }
        ck_assert_str_eq(answer_text(answer, "id"), first_id);
        answer_free(answer);
    }
    WAIT_FOR(10000, stack_sql(stack, "SELECT count(*) FROM messages WHERE id = '%s'", first_id) == 1);
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM messages WHERE provider_message_id = 'again-1'"), 1);
    free(first_id);
    free(sms);
}
END_TEST

// X-Twilio-Signature for what Twilio calls: PUBLIC_URL, target, and the form's fields as they are signed.
static char *twilio_signature(const char *secret, const char *target, const char *fields) {
    char *signed_bytes = xasprintf("%s%s%s", PUBLIC_URL, target, fields);
    unsigned char digest[SHA_DIGEST_LENGTH], text[32];
    HMAC(EVP_sha1(), secret, (int)strlen(secret), (const unsigned char *)signed_bytes, strlen(signed_bytes), digest,
         NULL);
    EVP_EncodeBlock(text, digest, sizeof digest);
    free(signed_bytes);
    return xasprintf("X-Twilio-Signature: %s", text);
}

START_TEST(a_webhook_signed_as_twilio_does_is_taken) {
    char *sms = payload_sms_webhook(THEIRS, OURS, "twilio-1", "by its JSON variant"), digest[HEX_SIZE];
    sha256(sms, digest);
    char *target = xasprintf(PATH_SMS_WEBHOOK "?account=a%%20b&bodySHA256=%s", digest);
    char *other = xasprintf(PATH_SMS_WEBHOOK "?bodySHA256=%064d", 0);
    static const char wrong[] = "Signature realm=\"webhooks\", error=\"invalid_signature\"";
    expect(target, sms, twilio_signature(SECRET, target, ""), 202, "");
    expect(target, sms, twilio_signature(PREVIOUS, target, ""), 202, "");
    expect(target, sms, twilio_signature("guess", target, ""), 401, wrong);
    expect(other, sms, twilio_signature(SECRET, other, ""), 401, wrong); // another body was signed
    expect(PATH_SMS_WEBHOOK, sms, twilio_signature(SECRET, PATH_SMS_WEBHOOK, ""), 401, wrong); // none was
    expect(target, sms, twilio_signature(SECRET, other, ""), 401, wrong);
    free(other);
    free(target);
    free(sms);
}
END_TEST

// What a proxy passes on with an absolute target was signed for its path and query all the same.
START_TEST(a_webhook_signed_as_twilio_does_is_taken_by_an_absolute_target) {
    char *sms = payload_sms_webhook(THEIRS, OURS, "twilio-2", "by an absolute target"), digest[HEX_SIZE];
    sha256(sms, digest);
    char *target = xasprintf(PATH_SMS_WEBHOOK "?account=a%%20b&bodySHA256=%s", digest);
    char *signature = twilio_signature(SECRET, target, "");
    char *request =
        xasprintf("POST http://elsewhere:81%s HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n%s\r\n"
                  "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
                  target, signature, strlen(sms), sms);
    char *text = client_raw(stack_port(stack, "ingest-3"), request, strlen(request), 5000);
    ck_assert_msg(strncmp(text, "HTTP/1.1 202", 12) == 0, "%s", text);
    free(text);
    free(request);
    free(signature);
    free(target);
    free(sms);
}
END_TEST

START_TEST(a_signed_webhook_does_not_count_against_its_address) {
    stack_start_with(stack, "ingest-7",
                     (const char *const[]){"WEBHOOK_SMS_SECRET=" SECRET, "API_RATE_LIMIT_PER_IP_PER_MIN=2",
                                           "API_KEY_FAILURES_PER_MIN=3", NULL});
    long refused = 0;
    for (int i = 0; i < 8; i++) {
        char id[32];
        snprintf(id, sizeof id, "unlimited-%d", i);
        char *sms = payload_sms_webhook(THEIRS, OURS, id, "x"), *header = signature(SECRET, now(), sms);
        const char *headers[] = {"X-Forwarded-For: 203.0.113.77", header, NULL};
        struct answer *answer = stack_call(stack, "ingest-7", "POST", PATH_SMS_WEBHOOK, sms, headers);
        ck_assert_int_eq(answer->status, 202);
        answer_free(answer);
        headers[1] = "X-Signature: t=1,v1=00";
        answer = stack_call(stack, "ingest-7", "POST", PATH_SMS_WEBHOOK, sms, headers);
        refused = answer->status;
        answer_free(answer);
        free(header);
        free(sms);
    }
    ck_assert_int_eq(refused, 429); // wrong ones do
    char *email = payload_email_webhook("a@example.com", "b@example.com", "no-secret", "its provider has none");
    const char *headers[] = {"X-Forwarded-For: 203.0.113.78", NULL};
    struct answer *answer = stack_call(stack, "ingest-7", "POST", PATH_EMAIL_WEBHOOK, email, headers);
    ck_assert_int_eq(answer->status, 202);
    answer_free(answer);
    free(email);
    stack_stop(stack, "ingest-7");
}
END_TEST

// Posts a webhook as somebody who captured it would, from an address of their own and under a new key each time.
// Returns the status; `left` is how many repeats came through.
static long repeat(const char *path, const char *sms, const char *header, const char *from, int times, int *left) {
    long status = 202;
    for (*left = 0; *left < times && status == 202; *left += status == 202) {
        char key[48];
        snprintf(key, sizeof key, "Idempotency-Key: captured-%d", *left);
        const char *headers[] = {from, header, key, NULL};
        struct answer *answer = stack_call(stack, "ingest-7", "POST", path, sms, headers);
        status = answer->status;
        ck_assert_int_eq(answer_header_number(answer, "Retry-After") > 0, status == 429);
        answer_free(answer);
    }
    return status;
}

START_TEST(a_captured_webhook_counts_against_whoever_repeats_it_and_is_stored_once) {
    stack_start_with(stack, "ingest-7",
                     (const char *const[]){"WEBHOOK_SMS_SECRET=" SECRET, "WEBHOOK_PUBLIC_URL=" PUBLIC_URL,
                                           "API_RATE_LIMIT_PER_IP_PER_MIN=3", NULL});
    char *sms = payload_sms_webhook(THEIRS, OURS, "captured-1", "x"), *header = signature(SECRET, now(), sms);
    char *json = payload_sms_webhook(THEIRS, OURS, "captured-2", "x"), digest[HEX_SIZE];
    sha256(json, digest);
    char *target = xasprintf(PATH_SMS_WEBHOOK "?bodySHA256=%s", digest);
    char *twilio = twilio_signature(SECRET, target, "");
    int through;
    ck_assert_int_eq(repeat(PATH_SMS_WEBHOOK, sms, header, "X-Forwarded-For: 203.0.113.80", 9, &through), 429);
    ck_assert_int_eq(through, 1 + 3); // the first is the provider's
    ck_assert_int_eq(repeat(target, json, twilio, "X-Forwarded-For: 203.0.113.81", 9, &through), 429);
    ck_assert_int_eq(through, 1 + 3);
    ck_assert_int_eq(repeat(PATH_SMS_WEBHOOK, sms, header, "X-Forwarded-For: 203.0.113.82", 2, &through), 202);
    WAIT_FOR(10000, stack_sql(stack, "SELECT count(*) FROM messages WHERE provider_message_id LIKE 'captured-_'") == 2);
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM messages WHERE provider_message_id LIKE 'captured-_'"), 2);
    free(twilio);
    free(target);
    free(json);
    free(header);
    free(sms);
    stack_stop(stack, "ingest-7");
}
END_TEST

START_TEST(a_captured_webhook_costs_no_entry_under_another_key) {
    stack_signal(stack, "persister-1", SIGSTOP);
    char *sms = payload_sms_webhook(THEIRS, OURS, "captured-3", "x"), *header = signature(SECRET, now(), sms);
    int64_t before = stack_redis_int(stack, "XLEN events:{sms-mms:0}");
    for (int i = 0; i < 5; i++) {
        char key[48];
        snprintf(key, sizeof key, "Idempotency-Key: captured-%d", i);
        const char *headers[] = {header, key, NULL};
        struct answer *answer = stack_call(stack, "ingest-3", "POST", PATH_SMS_WEBHOOK, sms, headers);
        ck_assert_int_eq(answer->status, 202);
        answer_free(answer);
    }
    ck_assert_int_eq(stack_redis_int(stack, "XLEN events:{sms-mms:0}"), before + 1);
    stack_signal(stack, "persister-1", SIGCONT);
    free(header);
    free(sms);
}
END_TEST

START_TEST(a_webhook_that_is_too_large_is_refused_for_its_size) {
    char *body = xmalloc(300001);
    memset(body, ' ', 300000);
    body[300000] = '\0';
    expect(PATH_SMS_WEBHOOK, body, NULL, 413, "");
    free(body);
}
END_TEST

START_TEST(all_programs_end_cleanly) {
    stack_finish(stack);
}
END_TEST

Suite *suite_access(void) {
    Suite *suite = suite_create("access");
    TCase *tests = tcase_create("access");
    tcase_set_timeout(tests, 120);
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_checked_fixture(tests, recover, NULL);
    tcase_add_test(tests, without_a_key_nothing_of_the_api_is_open_and_nothing_is_written);
    tcase_add_test(tests, nobody_waits_for_the_body_of_a_stranger);
    tcase_add_test(tests, what_says_how_the_service_is_stays_open);
    tcase_add_test(tests, a_key_is_good_for_its_scopes_alone_and_a_403_names_the_missing_one);
    tcase_add_test(tests, a_key_may_come_in_either_header_and_nowhere_else);
    tcase_add_test(tests, the_stream_of_events_asks_for_a_key_as_well);
    tcase_add_test(tests, a_refusal_is_logged_with_its_reason_and_never_the_key);
    tcase_add_test(tests, wrong_keys_of_an_address_are_limited_and_a_right_one_still_gets_in);
    tcase_add_test(tests, a_refused_send_does_not_count_against_its_address);
    tcase_add_test(tests, the_file_is_read_again_on_sighup);
    tcase_add_test(tests, a_key_that_is_taken_away_ends_the_stream_that_it_began);
    tcase_add_test(tests, a_bad_file_on_sighup_is_an_error_and_changes_nothing);
    tcase_add_test(tests, that_no_key_is_asked_for_is_said_once_and_loudly_where_others_can_reach_it);
    tcase_add_test(tests, a_webhook_with_a_right_signature_is_taken_of_either_secret);
    tcase_add_test(tests, a_webhook_without_a_right_signature_is_refused_counted_and_not_stored);
    tcase_add_test(tests, a_signature_older_or_newer_than_five_minutes_is_refused);
    tcase_add_test(tests, a_repeated_webhook_is_answered_as_a_redelivery_and_stored_once);
    tcase_add_test(tests, a_webhook_signed_as_twilio_does_is_taken);
    tcase_add_test(tests, a_webhook_signed_as_twilio_does_is_taken_by_an_absolute_target);
    tcase_add_test(tests, a_signed_webhook_does_not_count_against_its_address);
    tcase_add_test(tests, a_captured_webhook_counts_against_whoever_repeats_it_and_is_stored_once);
    tcase_add_test(tests, a_captured_webhook_costs_no_entry_under_another_key);
    tcase_add_test(tests, a_webhook_that_is_too_large_is_refused_for_its_size);
    tcase_add_test(tests, keys_are_limited_no_more_while_redis_is_away);
    tcase_add_test(tests, all_programs_end_cleanly);
    suite_add_tcase(suite, tests);
    return suite;
}
