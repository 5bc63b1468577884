// SPDX-License-Identifier: MIT
// What SendGrid's Inbound Parse posts for a mail comes in as it is: ingest-1 asks for SendGrid's signature or our own,
// ingest-2 for none and holds very little for its clients.

#include <check.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/base64.h"
#include "shared/base/buf.h"
#include "shared/base/hex.h"
#include "shared/base/mem.h"
#include "tests/support/payload.h"
#include "tests/support/stack.h"

#define LETTERS "/api/dead-letters"
#define EVENTS "/api/webhooks/email/events"
#define SECRET "a secret of our own"
#define BOUNDARY "xYzZY"
#define FORM_TYPE "multipart/form-data; boundary=" BOUNDARY
#define SETTLED_MS 20000 // until format 2 is written
#define EMAIL_PAIR "{email:0}"

enum { MOST_MAIL = 31457280, PIECE = 64 * 1024 };

Suite *suite_inbound_parse(void);

static struct stack *stack;
static EVP_PKEY *key, *other_key; // SendGrid's, and somebody else's

// ---- Forms

static void begin_part(struct buf *form, const char *name, const char *more) {
    buf_printf(form, "--" BOUNDARY "\r\nContent-Disposition: form-data; name=\"%s\"%s\r\n\r\n", name, more);
}

static void field(struct buf *form, const char *name, const char *value) {
    begin_part(form, name, "");
    buf_printf(form, "%s\r\n", value);
}

static void file(struct buf *form, const char *name, const char *filename, const char *bytes, size_t length) {
    char *more = xasprintf("; filename=\"%s\"\r\nContent-Type: application/pdf", filename);
    begin_part(form, name, more);
    buf_append(form, bytes, length);
    buf_puts(form, "\r\n");
    free(more);
}

static void end_form(struct buf *form) {
    buf_puts(form, "--" BOUNDARY "--\r\n");
}

// A mail to one of our addresses, but for what stands in `form` already, which counts.
static void put_mail(struct buf *form, const char *id, const char *ours) {
    char *headers = xasprintf("Received: by mx; Fri, 01 Nov 2024 13:00:01 +0000\nMessage-ID:\n <%s>\n"
                              "Date: Fri, 1 Nov 2024 14:00:00 +0100\nSubject: Gr=\n",
                              id);
    char *envelope = xasprintf("{\"to\":[\"%s\"],\"from\":\"bounce@example.com\"}", ours);
    field(form, "headers", headers);
    field(form, "dkim", "{@example.com : pass}");
    field(form, "to", "Support <support@us.example>, sales@us.example");
    field(form, "from", "Jane <jane@example.com>");
    field(form, "subject",
          "Gr\xC3\xBC\xC3\x9F"
          "e");
    field(form, "text", "Hello");
    field(form, "html", "<p>Hello</p>");
    field(form, "envelope", envelope);
    field(form, "charsets", "{\"subject\":\"UTF-8\",\"text\":\"UTF-8\",\"html\":\"UTF-8\"}");
    field(form, "attachments", "0");
    free(headers);
    free(envelope);
}

static struct buf mail(const char *id, const char *ours) {
    struct buf form = {0};
    put_mail(&form, id, ours);
    end_form(&form);
    return form;
}

// ---- Calls

static struct answer *post_with(const char *ingest, const char *path, const struct buf *form,
                                const char *const *headers) {
    return stack_call(stack, ingest, "POST", path, form->data, headers);
}

static struct answer *post(const char *ingest, const struct buf *form) {
    return post_with(ingest, PATH_EMAIL_WEBHOOK, form, (const char *const[]){"Content-Type: " FORM_TYPE, NULL});
}

static char *taken(const char *ingest, struct buf *form) {
    struct answer *answer = post(ingest, form);
    ck_assert_msg(answer->status == 200, "%ld %s", answer->status, answer->body);
    ck_assert_str_eq(answer_text(answer, "status"), "accepted");
    char *id = xstrdup(answer_text(answer, "id"));
    answer_free(answer);
    buf_free(form);
    return id;
}

static struct answer *shown(const char *id) {
    WAIT_FOR(10000, stack_sql(stack, "SELECT count(*) FROM messages WHERE id = '%s'", id) == 1);
    char *path = xasprintf("/api/messages/%s", id);
    struct answer *answer = stack_call(stack, "ingest-2", "GET", path, NULL, NULL);
    ck_assert_int_eq(answer->status, 200);
    free(path);
    return answer;
}

static struct answer *taken_and_shown(struct buf *form) {
    char *id = taken("ingest-2", form);
    struct answer *answer = shown(id);
    free(id);
    return answer;
}

// ---- Life

static char *public_of(EVP_PKEY *pair) {
    unsigned char *der = NULL;
    struct buf text = {0};
    int length = i2d_PUBKEY(pair, &der);
    ck_assert_int_gt(length, 0);
    base64_encode(der, (size_t)length, &text);
    OPENSSL_free(der);
    return text.data;
}

static bool is_kept(void) {
    struct buf form = {0};
    field(&form, "text", "x");
    end_form(&form);
    struct answer *answer = post("ingest-2", &form);
    bool kept = answer->status == 400;
    answer_free(answer);
    buf_free(&form);
    return kept;
}

static void start(void) {
    static const char *const environment[] = {"TRUSTED_PROXIES=127.0.0.1", NULL};
    key = EVP_EC_gen("P-256");
    other_key = EVP_EC_gen("P-256");
    char *theirs = public_of(key), *setting = xasprintf("WEBHOOK_EMAIL_PUBLIC_KEY=%s", theirs);
    stack = stack_create("inbound_parse", environment);
    stack_start(stack, "postgres");
    stack_start_with(stack, "ingest-1", (const char *const[]){setting, "WEBHOOK_EMAIL_SECRET=" SECRET, NULL});
    stack_start_with(stack, "ingest-2",
                     (const char *const[]){"MAX_CLIENT_BYTES=8388608", "API_MAX_BODY_BYTES=65536", NULL});
    stack_start(stack, "mock-provider");
    stack_start(stack, "dispatcher-1");
    stack_start(stack, "persister-1");
    WAIT_FOR(SETTLED_MS, is_kept());
    WAIT_FOR(10000, stack_is_drained(stack));
    free(setting);
    free(theirs);
}

static void end(void) {
    stack_destroy(stack);
    EVP_PKEY_free(key);
    EVP_PKEY_free(other_key);
}

static void recover(void) {
    stack_recover(stack);
    WAIT_FOR(10000, stack_is_drained(stack));
    (void)stack_sql(stack, "TRUNCATE dead_letters");
    (void)stack_redis_int(stack, "DEL unread:" EMAIL_PAIR " unread-sizes:" EMAIL_PAIR);
}

// ---- What is stored

START_TEST(a_mail_is_taken_and_shown) {
    struct buf form = {0};
    put_mail(&form, "first@mail.example.com", "support@us.example");
    file(&form, "attachment1", "report.pdf", "%PDF-1.7", 8);
    end_form(&form);
    struct answer *answer = taken_and_shown(&form);
    ck_assert_str_eq(answer_text(answer, "from"), "jane@example.com");
    ck_assert_str_eq(answer_text(answer, "to"), "Support <support@us.example>, sales@us.example");
    ck_assert_str_eq(answer_text(answer, "type"), "email");
    ck_assert_str_eq(answer_text(answer, "direction"), "inbound");
    ck_assert_str_eq(answer_text(answer, "status"), "received");
    ck_assert_str_eq(answer_text(answer, "subject"), "Grüße");
    ck_assert_str_eq(answer_text(answer, "body"), "Hello");
    ck_assert_str_eq(answer_text(answer, "timestamp"), "2024-11-01T13:00:00.000Z");
    ck_assert_str_eq(answer_text(answer, "attachments.0"), "report.pdf (application/pdf)");
    answer_free(answer);
    ck_assert_int_eq(
        stack_sql(stack, "SELECT count(*) FROM messages WHERE provider_message_id = 'first@mail.example.com'"), 1);
}
END_TEST

START_TEST(fields_of_two_charsets_are_read) {
    struct buf form = {0};
    field(&form, "charsets", "{\"text\":\"iso-2022-jp\",\"subject\":\"Cp1252\",\"html\":\"x-unknown\"}");
    field(&form, "text", "\x1B$B$3$s$K$A$O\x1B(B");
    field(&form, "subject", "\x80 5");
    put_mail(&form, "charsets@x", "support@us.example");
    end_form(&form);
    struct answer *answer = taken_and_shown(&form);
    ck_assert_str_eq(answer_text(answer, "body"), "こんにちは");
    ck_assert_str_eq(answer_text(answer, "subject"), "€ 5");
    answer_free(answer);
}
END_TEST

START_TEST(a_redelivery_is_answered_with_the_first_id_and_stored_once) {
    int differ = stack_log_count(stack, "ingest-2", "redelivery_differs");
    struct buf form = mail("again@x", "support@us.example");
    char *first = taken("ingest-2", &form);
    form = mail("again@x", "support@us.example");
    char *second = taken("ingest-2", &form);
    ck_assert_str_eq(first, second);
    free(second);
    field(&form, "spam_score", "0.1");
    put_mail(&form, "again@x", "support@us.example");
    end_form(&form);
    second = taken("ingest-2", &form);
    ck_assert_str_eq(first, second);
    ck_assert_int_eq(stack_log_count(stack, "ingest-2", "redelivery_differs"), differ);
    WAIT_FOR(10000, stack_is_drained(stack));
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM messages WHERE provider_message_id = 'again@x'"), 1);
    // Whatever Redis remembers.
    freeReplyObject(stack_redis(stack, "EVAL %s 0",
                                "for _, k in ipairs(redis.call('KEYS', 'idem:{email:0}:*')) do "
                                "redis.call('DEL', k) end"));
    form = mail("again@x", "support@us.example");
    free(second);
    second = taken("ingest-2", &form);
    ck_assert_str_eq(first, second);
    WAIT_FOR(10000, stack_is_drained(stack));
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM messages WHERE provider_message_id = 'again@x'"), 1);
    free(first);
    free(second);
}
END_TEST

START_TEST(a_mail_without_an_id_is_known_when_it_comes_again) {
    struct buf form = {0}, again = {0};
    field(&form, "headers", "Date: Fri, 1 Nov 2024 14:00:00 +0100\n");
    put_mail(&form, "unused", "support@us.example");
    end_form(&form);
    buf_append(&again, form.data, form.length);
    char *first = taken("ingest-2", &form), *second = taken("ingest-2", &again);
    ck_assert_str_eq(first, second);
    free(first);
    free(second);
}
END_TEST

START_TEST(each_recipient_of_one_mail_has_a_message_of_its_own) {
    static const char *const ours[] = {"support@us.example", "sales@us.example", "hidden@us.example"};
    char *ids[3];
    for (size_t i = 0; i < 3; i++) {
        struct buf form = mail("many@x", ours[i]);
        ids[i] = taken("ingest-2", &form);
    }
    for (size_t i = 0; i < 3; i++) {
        struct answer *answer = shown(ids[i]);
        ck_assert_str_eq(answer_text(answer, "to"), "Support <support@us.example>, sales@us.example");
        answer_free(answer);
        ck_assert_int_eq(stack_sql(stack,
                                   "SELECT count(*) FROM messages m JOIN conversations c ON c.id = m.conversation_id "
                                   "WHERE m.id = '%s' AND '%s' IN (c.participant_a, c.participant_b)",
                                   ids[i], ours[i]),
                         1);
    }
    ck_assert_int_eq(stack_sql(stack,
                               "SELECT count(DISTINCT conversation_id) FROM messages WHERE provider_message_id = "
                               "'many@x'"),
                     3);
    for (size_t i = 0; i < 3; i++) {
        free(ids[i]);
    }
}
END_TEST

START_TEST(a_raw_mail_is_taken) {
    struct buf form = {0};
    field(&form, "email",
          "From: =?utf-8?Q?J=C3=BCrgen?= <j@example.com>\r\nTo: support@us.example\r\nMessage-ID: <raw@x>\r\n"
          "Subject: =?iso-8859-1?Q?Gr=FC=DFe?=\r\nDate: Fri, 1 Nov 2024 14:00:00 +0100\r\n"
          "Content-Type: multipart/mixed; boundary=\"=_inner\"\r\n\r\n--=_inner\r\n"
          "Content-Type: text/plain; charset=windows-1252\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
          "=80 5=\r\n0\r\n--=_inner\r\nContent-Type: image/png; name=x.png\r\n\r\nxx\r\n--=_inner--\r\n");
    field(&form, "envelope", "{\"to\":[\"support@us.example\"],\"from\":\"bounce@example.com\"}");
    end_form(&form);
    struct answer *answer = taken_and_shown(&form);
    ck_assert_str_eq(answer_text(answer, "from"), "j@example.com");
    ck_assert_str_eq(answer_text(answer, "subject"), "Grüße");
    ck_assert_str_eq(answer_text(answer, "body"), "€ 50");
    ck_assert_str_eq(answer_text(answer, "attachments.0"), "x.png (image/png)");
    answer_free(answer);
}
END_TEST

// ---- Sizes

static long status_of(const char *text) {
    return text != NULL && strncmp(text, "HTTP/1.1 ", 9) == 0 ? strtol(text + 9, NULL, 10) : 0;
}

static void chunk(struct buf *out, const char *bytes, size_t length) {
    buf_printf(out, "%zx\r\n", length);
    buf_append(out, bytes, length);
    buf_puts(out, "\r\n");
}

// A mail with a file so large that the whole has so many bytes.
static struct buf large_mail(const char *id, size_t length) {
    struct buf form = {0}, zeros = {0};
    put_mail(&form, id, "support@us.example");
    size_t around =
        strlen("--" BOUNDARY "\r\nContent-Disposition: form-data; name=\"attachment1\"; filename=\"a.bin\"\r\n"
               "Content-Type: application/pdf\r\n\r\n\r\n--" BOUNDARY "--\r\n");
    size_t room = length - form.length - around;
    buf_reserve(&zeros, room);
    for (size_t i = 0; i < room; i++) {
        buf_putc(&zeros, (char)(i * 7 % 256));
    }
    file(&form, "attachment1", "a.bin", zeros.data, zeros.length);
    end_form(&form);
    buf_free(&zeros);
    ck_assert_uint_eq(form.length, length);
    return form;
}

static char *send_raw(const char *ingest, const struct buf *request) {
    return client_raw(stack_port(stack, ingest), request->data, request->length, deadline_scaled(30000));
}

#define POST_HEAD                                                                                                      \
    "POST " PATH_EMAIL_WEBHOOK " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: " FORM_TYPE "\r\n"

static long post_declared(const char *ingest, const struct buf *form, const char *more) {
    struct buf request = {0};
    buf_printf(&request, POST_HEAD "%sContent-Length: %zu\r\n\r\n", more, form->length);
    buf_append(&request, form->data, form->length);
    char *text = send_raw(ingest, &request);
    long status = status_of(text);
    free(text);
    buf_free(&request);
    return status;
}

static long post_chunked(const char *ingest, const struct buf *form) {
    struct buf request = {0};
    buf_puts(&request, POST_HEAD "Transfer-Encoding: chunked\r\n\r\n");
    for (size_t at = 0; at < form->length; at += PIECE) {
        chunk(&request, form->data + at, form->length - at < PIECE ? form->length - at : PIECE);
    }
    chunk(&request, "", 0);
    char *text = send_raw(ingest, &request);
    long status = status_of(text);
    free(text);
    buf_free(&request);
    return status;
}

// Of ingest-2's clients none may have 2 MiB.
START_TEST(a_mail_of_30_mib_is_taken_where_clients_have_next_to_no_room) {
    struct buf form = large_mail("large@x", MOST_MAIL);
    ck_assert_int_eq(post_declared("ingest-2", &form, ""), 200);
    WAIT_FOR(10000, stack_sql(stack, "SELECT count(*) FROM messages WHERE provider_message_id = 'large@x'") == 1);
    ck_assert_int_eq(post_chunked("ingest-2", &form), 200);
    buf_free(&form);
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM messages m JOIN attachments a ON a.message_id = m.id "
                                      "WHERE provider_message_id = 'large@x' AND a.url = 'a.bin (application/pdf)'"),
                     1);
}
END_TEST

START_TEST(a_mail_that_is_larger_is_413) {
    struct buf form = large_mail("larger@x", MOST_MAIL + 1);
    struct buf head = {0};
    buf_printf(&head, POST_HEAD "Content-Length: %zu\r\n\r\n", form.length);
    char *text = send_raw("ingest-2", &head); // it is refused unread
    ck_assert_int_eq(status_of(text), 413);
    ck_assert_ptr_nonnull(strstr(text, "over 31457280 bytes"));
    free(text);
    buf_free(&head);
    ck_assert_int_eq(post_chunked("ingest-2", &form), 413);
    buf_free(&form);
}
END_TEST

START_TEST(what_is_no_mail_has_the_usual_limit) {
    struct buf json = {0};
    buf_puts(&json, "{\"xillio_id\":\"long@x\",\"from\":\"a@b.example\",\"to\":\"c@us.example\",\"body\":\"");
    for (int i = 0; i < 70000; i++) {
        buf_putc(&json, 'x');
    }
    buf_puts(&json, "\"}");
    ck_assert_int_eq(stack_status(stack, "ingest-2", "POST", PATH_EMAIL_WEBHOOK, json.data), 413);
    buf_free(&json);
    struct buf form = mail("sms@x", "support@us.example");
    struct answer *answer =
        post_with("ingest-2", PATH_SMS_WEBHOOK, &form, (const char *const[]){"Content-Type: " FORM_TYPE, NULL});
    ck_assert_int_eq(answer->status, 415);
    answer_free(answer);
    answer = post_with("ingest-2", PATH_EMAIL_WEBHOOK, &form,
                       (const char *const[]){"Content-Type: application/x-www-form-urlencoded", NULL});
    ck_assert_int_eq(answer->status, 415);
    ck_assert_ptr_nonnull(strstr(answer->body, "application/json or multipart/form-data"));
    answer_free(answer);
    buf_free(&form);
}
END_TEST

START_TEST(a_text_that_is_too_long_is_cut_and_says_so) {
    struct buf form = {0};
    begin_part(&form, "text", "");
    for (int i = 0; i < 1000000; i++) {
        buf_putc(&form, 'x');
    }
    buf_puts(&form, "\r\n");
    put_mail(&form, "long-text@x", "support@us.example");
    end_form(&form);
    struct answer *answer = taken_and_shown(&form);
    const char *mark = strstr(answer_text(answer, "body"), "\n\n[");
    ck_assert_ptr_nonnull(mark);
    ck_assert_ptr_nonnull(strstr(mark, " more bytes of this text were left out.]"));
    answer_free(answer);
}
END_TEST

// ---- What is no message

static char *letter_path(void) {
    WAIT_FOR(10000, stack_sql(stack, "SELECT count(*) FROM dead_letters WHERE stage = 'webhook'") == 1);
    struct answer *answer = stack_call(stack, "ingest-2", "GET", LETTERS, NULL, NULL);
    char *path = xasprintf(LETTERS "/%s/replay", answer_text(answer, "items.0.id"));
    answer_free(answer);
    return path;
}

START_TEST(what_can_not_be_a_message_is_a_dead_letter_and_its_replay_reads_the_form) {
    struct buf form = {0};
    field(&form, "headers", "Message-ID: <letter@x>\nDate: Fri, 1 Nov 2024 14:00:00 +0100\n");
    field(&form, "XXXX", "jane@example.com");
    field(&form, "to", "support@us.example");
    field(&form, "text", "lost?");
    file(&form, "attachment1", "a.pdf", "what a file holds", 17);
    end_form(&form);
    struct answer *answer = post("ingest-2", &form);
    ck_assert_int_eq(answer->status, 400);
    ck_assert_str_eq(answer_text(answer, "details.field"), "from");
    answer_free(answer);
    char *path = letter_path();
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM dead_letters WHERE media_type = '" FORM_TYPE "' AND "
                                      "position('lost?' in convert_from(raw, 'UTF8')) > 0 AND "
                                      "position('a.pdf' in convert_from(raw, 'UTF8')) > 0 AND "
                                      "position('a file holds' in convert_from(raw, 'UTF8')) = 0"),
                     1);
    answer = stack_call(stack, "ingest-2", "POST", path, NULL, NULL);
    ck_assert_int_eq(answer->status, 409);
    ck_assert_str_eq(answer_text(answer, "details.field"), "from");
    answer_free(answer);
    // What a release that reads more would find.
    (void)stack_sql(stack, "UPDATE dead_letters SET "
                           "raw = convert_to(replace(convert_from(raw, 'UTF8'), 'XXXX', 'from'), 'UTF8')");
    answer = stack_call(stack, "ingest-2", "POST", path, NULL, NULL);
    ck_assert_msg(answer->status == 202, "%ld %s", answer->status, answer->body);
    char *id = xstrdup(answer_text(answer, "id"));
    answer_free(answer);
    answer = shown(id);
    ck_assert_str_eq(answer_text(answer, "body"), "lost?");
    ck_assert_str_eq(answer_text(answer, "attachments.0"), "a.pdf (application/pdf)");
    answer_free(answer);
    free(id);
    free(path);
    buf_free(&form);
}
END_TEST

START_TEST(what_is_no_form_is_kept_as_it_came) {
    struct buf body = {0};
    buf_puts(&body, "no form at all");
    struct answer *answer = post("ingest-2", &body);
    ck_assert_int_eq(answer->status, 400);
    answer_free(answer);
    free(letter_path());
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM dead_letters WHERE raw = 'no form at all'"), 1);
    buf_free(&body);
}
END_TEST

// ---- Signatures

static int64_t now_secs(void) {
    return stack_sql(stack, "SELECT extract(epoch FROM now())::bigint");
}

// Both headers, as SendGrid signs.
static char *sign(EVP_PKEY *pair, const struct buf *body, int64_t time) {
    struct buf text = {0}, encoded = {0};
    unsigned char signature[128];
    size_t length = sizeof signature;
    buf_printf(&text, "%lld", (long long)time);
    buf_append(&text, body->data, body->length);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    ck_assert_int_eq(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, pair), 1);
    ck_assert_int_eq(EVP_DigestSign(context, signature, &length, (const unsigned char *)text.data, text.length), 1);
    EVP_MD_CTX_free(context);
    base64_encode(signature, length, &encoded);
    char *headers = xasprintf("X-Twilio-Email-Event-Webhook-Signature: %s\r\n"
                              "X-Twilio-Email-Event-Webhook-Timestamp: %lld\r\n",
                              encoded.data, (long long)time);
    buf_free(&text);
    buf_free(&encoded);
    return headers;
}

static long signed_status(const struct buf *form, char *headers) {
    long status = post_declared("ingest-1", form, headers);
    free(headers);
    return status;
}

static int64_t stored(void) {
    return stack_sql(stack, "SELECT count(*) FROM messages");
}

START_TEST(a_mail_counts_that_sendgrid_has_signed_files_and_all) {
    struct buf form = {0};
    put_mail(&form, "signed@x", "support@us.example");
    file(&form, "attachment1", "a.bin", "\0\1\2\r\n--xYzZ\0", 12);
    end_form(&form);
    int64_t now = now_secs();
    ck_assert_int_eq(signed_status(&form, sign(key, &form, now)), 200);
    ck_assert_int_eq(signed_status(&form, sign(key, &form, now)), 200);                 // a redelivery
    ck_assert_int_eq(signed_status(&form, sign(key, &form, now - 3 * 24 * 3600)), 200); // after an outage
    WAIT_FOR(10000, stack_sql(stack, "SELECT count(*) FROM messages WHERE provider_message_id = 'signed@x'") == 1);
    buf_free(&form);
}
END_TEST

START_TEST(a_mail_that_nobody_has_signed_is_401_and_leaves_nothing) {
    int64_t before = stored(), now = now_secs();
    struct buf form = mail("unsigned@x", "support@us.example"), other = mail("unsigned@x", "sales@us.example");
    struct answer *answer = post("ingest-1", &form);
    ck_assert_int_eq(answer->status, 401);
    answer_free(answer);
    ck_assert_int_eq(signed_status(&form, sign(other_key, &form, now)), 401);
    ck_assert_int_eq(signed_status(&form, sign(key, &other, now)), 401);
    ck_assert_int_eq(signed_status(&form, sign(key, &form, now - 5 * 24 * 3600)), 401);
    ck_assert_int_eq(signed_status(&form, sign(key, &form, now + 3600)), 401);
    ck_assert_int_eq(signed_status(&form, xstrdup("X-Twilio-Email-Event-Webhook-Signature: x\r\n")), 401);
    ck_assert_int_eq(signed_status(&form, xstrdup("X-Signature: t=1,v1=00\r\n")), 401);
    char *json = payload_email_webhook("jane@example.com", "support@us.example", "unsigned@x", "hi");
    ck_assert_int_eq(stack_status(stack, "ingest-1", "POST", PATH_EMAIL_WEBHOOK, json), 401);
    ck_assert_int_eq(stack_status(stack, "ingest-1", "POST", EVENTS, "[]"), 401);
    free(json);
    WAIT_FOR(10000, stack_is_drained(stack));
    ck_assert_int_eq(stored(), before);
    buf_free(&form);
    buf_free(&other);
}
END_TEST

static char *sign_own(const struct buf *body, int64_t time) {
    struct buf text = {0};
    unsigned char digest[SHA256_DIGEST_LENGTH];
    char hex[2 * SHA256_DIGEST_LENGTH + 1];
    buf_printf(&text, "%lld.", (long long)time);
    buf_append(&text, body->data, body->length);
    HMAC(EVP_sha256(), SECRET, (int)strlen(SECRET), (const unsigned char *)text.data, text.length, digest, NULL);
    hex_encode(digest, sizeof digest, hex);
    buf_free(&text);
    return xasprintf("X-Signature: t=%lld,v1=%s\r\n", (long long)time, hex);
}

START_TEST(our_own_signature_counts_for_a_mail_as_well) {
    struct buf form = mail("own@x", "support@us.example");
    ck_assert_int_eq(signed_status(&form, sign_own(&form, now_secs())), 200);
    buf_free(&form);
}
END_TEST

START_TEST(events_count_that_sendgrid_has_signed) {
    struct buf body = {0};
    buf_puts(&body, "[{\"event\":\"open\",\"email\":\"a@example.com\"}]\r\n");
    char *lines = sign(key, &body, now_secs());
    char *first = xstrndup(lines, strcspn(lines, "\r"));
    char *second = strstr(lines, "\r\n") + 2;
    second[strcspn(second, "\r")] = '\0';
    struct answer *answer = post_with("ingest-1", EVENTS, &body,
                                      (const char *const[]){"Content-Type: application/json", first, second, NULL});
    ck_assert_msg(answer->status == 204, "%ld %s", answer->status, answer->body);
    answer_free(answer);
    free(first);
    free(lines);
    buf_free(&body);
}
END_TEST

START_TEST(a_key_that_is_none_stops_the_start) {
    stack_launch(stack, "ingest-3", (const char *const[]){"WEBHOOK_EMAIL_PUBLIC_KEY=nonsense", NULL});
    WAIT_FOR(10000, !stack_is_running(stack, "ingest-3"));
    ck_assert_int_eq(stack_bury(stack, "ingest-3"), 2);
    char *path = xasprintf("%s/ingest-3.log", stack_folder(stack));
    char line[256] = "";
    FILE *log = fopen(path, "re");
    ck_assert_ptr_nonnull(log);
    ck_assert_ptr_nonnull(fgets(line, sizeof line, log));
    ck_assert_msg(strstr(line, "WEBHOOK_EMAIL_PUBLIC_KEY: must be public keys as SendGrid shows them") != NULL, "%s",
                  line);
    fclose(log);
    ck_assert_int_eq(remove(path), 0); // no line of a log's kind, which is looked through at the end
    free(path);
}
END_TEST

START_TEST(all_end_in_order) {
    stack_finish(stack);
}
END_TEST

Suite *suite_inbound_parse(void) {
    Suite *suite = suite_create("inbound_parse");
    TCase *tests = tcase_create("inbound_parse");
    tcase_set_timeout(tests, 180);
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_checked_fixture(tests, recover, NULL);
    tcase_add_test(tests, a_mail_is_taken_and_shown);
    tcase_add_test(tests, fields_of_two_charsets_are_read);
    tcase_add_test(tests, a_redelivery_is_answered_with_the_first_id_and_stored_once);
    tcase_add_test(tests, a_mail_without_an_id_is_known_when_it_comes_again);
    tcase_add_test(tests, each_recipient_of_one_mail_has_a_message_of_its_own);
    tcase_add_test(tests, a_raw_mail_is_taken);
    tcase_add_test(tests, a_mail_of_30_mib_is_taken_where_clients_have_next_to_no_room);
    tcase_add_test(tests, a_mail_that_is_larger_is_413);
    tcase_add_test(tests, what_is_no_mail_has_the_usual_limit);
    tcase_add_test(tests, a_text_that_is_too_long_is_cut_and_says_so);
    tcase_add_test(tests, what_can_not_be_a_message_is_a_dead_letter_and_its_replay_reads_the_form);
    tcase_add_test(tests, what_is_no_form_is_kept_as_it_came);
    tcase_add_test(tests, a_mail_counts_that_sendgrid_has_signed_files_and_all);
    tcase_add_test(tests, a_mail_that_nobody_has_signed_is_401_and_leaves_nothing);
    tcase_add_test(tests, our_own_signature_counts_for_a_mail_as_well);
    tcase_add_test(tests, events_count_that_sendgrid_has_signed);
    tcase_add_test(tests, a_key_that_is_none_stops_the_start);
    tcase_add_test(tests, all_end_in_order);
    suite_add_tcase(suite, tests);
    return suite;
}
