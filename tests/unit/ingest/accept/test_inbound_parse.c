// SPDX-License-Identifier: MIT
// What SendGrid's Inbound Parse posts, read as a message.
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/accept/payload.h"
#include "shared/base/buf.h"
#include "shared/provider/provider.h"

Suite *suite_accept_inbound_parse(void);

#define TYPE "multipart/form-data; boundary=xYzZY"
#define NOW_MS INT64_C(1730469600000)
#define HEADERS                                                                                                        \
    "Received: by mx0028p1mdw1.sendgrid.net with SMTP id 1;\n Fri, 01 Nov 2024 13:00:01 +0000 (UTC)\n"                 \
    "From: Jane <jane@example.com>\nDate: Fri, 1 Nov 2024 14:00:00 +0100\nSubject: hi\n"                               \
    "MESSAGE-id:\n <CAF.1@mail.example.com>\nTo: support@us.example\n"
#define HEADERS_MS INT64_C(1730466000000)

static char no_text[] = "";
static struct settings settings = {.max_client_bytes = 128 << 20, .webhook_email_public_key = no_text};

static const struct provider_way_in *way(void) {
    const struct provider_way_in *found = provider_way_in(&settings, PROVIDER_EMAIL, PROVIDER_ROUTE_MESSAGES, TYPE);
    ck_assert_ptr_nonnull(found);
    return found;
}

static void setup(void) {
    for (size_t i = 0; i < WEBHOOK_SECRETS; i++) {
        settings.webhook_secrets[PROVIDER_EMAIL][i] = no_text;
    }
}

// ---- Forms

static void begin_part(struct buf *form, const char *name, const char *more) {
    buf_printf(form, "--xYzZY\r\nContent-Disposition: form-data; name=\"%s\"%s\r\n\r\n", name, more);
}

static void field(struct buf *form, const char *name, const char *value) {
    begin_part(form, name, "");
    buf_printf(form, "%s\r\n", value);
}

static void file(struct buf *form, const char *name, const char *filename, const char *type) {
    begin_part(form, name, "");
    form->length -= strlen("\r\n\r\n");
    buf_printf(form, "; filename=\"%s\"\r\nContent-Type: %s\r\n\r\n%%PDF\r\n", filename, type);
}

// A plain mail, but for what stands in `form` already, which counts.
static void put_mail(struct buf *form) {
    field(form, "headers", HEADERS);
    field(form, "dkim", "{@example.com : pass}");
    field(form, "to", "Support <support@us.example>");
    field(form, "from", "Jane <jane@example.com>");
    field(form, "subject", "hi");
    field(form, "text", "Hello");
    field(form, "html", "<p>Hello</p>");
    field(form, "sender_ip", "192.0.2.1");
    field(form, "SPF", "pass");
    field(form, "envelope", "{\"to\":[\"support@us.example\"],\"from\":\"bounce@example.com\"}");
    field(form, "charsets",
          "{\"to\":\"UTF-8\",\"html\":\"UTF-8\",\"subject\":\"UTF-8\",\"from\":\"UTF-8\","
          "\"text\":\"iso-8859-1\"}");
    field(form, "attachments", "0");
}

static int parse_reduced(struct buf *form, struct message *out, bool *stamped, struct payload_error *error) {
    const struct payload_rules rules = {.max_attachments = 8, .now_ms = NOW_MS};
    struct provider_body body = {.sums = NULL};
    struct buf left = {0};
    struct provider_post post = {.content_type = TYPE};
    buf_puts(form, "--xYzZY--\r\n");
    way()->take_body(&settings, &post, &body);
    body.filter.take(body.filter.state, form->data, form->length, &left);
    body.filter.end(body.filter.state, &left);
    ck_assert_uint_le(left.length, body.filter.most);
    post.body = left.data;
    post.length = left.length;
    int result = payload_parse_post(way(), &post, &rules, out, stamped, error);
    body.filter.free(body.filter.state);
    buf_free(&left);
    buf_free(form);
    return result;
}

static struct message taken(struct buf *form) {
    struct message message;
    struct payload_error error;
    bool stamped;
    int result = parse_reduced(form, &message, &stamped, &error);
    ck_assert_msg(result == 0, "%s: %s", error.field, error.reason);
    return message;
}

static struct message taken_with(const char *name, const char *value) {
    struct buf form = {0};
    field(&form, name, value);
    put_mail(&form);
    return taken(&form);
}

static void assert_refused(struct buf *form, const char *field_name) {
    struct message message;
    struct payload_error error;
    bool stamped;
    ck_assert_int_eq(parse_reduced(form, &message, &stamped, &error), -1);
    ck_assert_str_eq(error.field, field_name);
}

// ---- Tests

START_TEST(a_mail_is_a_message) {
    struct buf form = {0};
    put_mail(&form);
    struct message message = taken(&form);
    ck_assert_int_eq(message.type, MESSAGE_EMAIL);
    ck_assert_int_eq(message.direction, MESSAGE_INBOUND);
    ck_assert_str_eq(message.from, "jane@example.com");
    ck_assert_str_eq(message.sender, "jane@example.com");
    ck_assert_str_eq(message.to, "support@us.example");
    ck_assert_str_eq(message.recipient, "support@us.example");
    ck_assert_str_eq(message.subject, "hi");
    ck_assert_str_eq(message.body, "Hello");
    ck_assert_str_eq(message.provider_message_id, "CAF.1@mail.example.com");
    ck_assert_int_eq(message.occurred_ms, HEADERS_MS);
    ck_assert_uint_eq(message.attachment_count, 0);
    message_free(&message);
}
END_TEST

static const struct {
    const char *charsets, *text, *body;
} charsets[] = {
    {"{\"text\":\"Cp1252\"}", "\x93so\x94 \x80", "“so” €"},
    {"{\"text\":\"iso-2022-jp\"}", "\x1B$B$3$s\x1B(B", "こん"},
    {"{\"text\":\"gb18030\"}", "\xC4\xE3\xBA\xC3", "你好"},
    {"{\"text\":\"utf-7\"}", "+APw-", "ü"},
    {"{\"text\":\"x-unknown\"}", "caf\xC3\xA9", "café"},
    {"{\"text\":\"x-unknown\"}", "caf\xE9", "caf\uFFFD"},
    {"{\"text\":\"us-ascii\"}", "caf\xE9", "caf\uFFFD"},
    {"{\"text\":5,\"html\":null}", "caf\xC3\xA9", "café"},
    {"not json", "caf\xC3\xA9", "café"},
    {"[]", "caf\xC3\xA9", "café"},
    {"", "caf\xC3\xA9", "café"},
    {"{\"html\":\"Cp1252\"}", "caf\xC3\xA9", "café"},
};

START_TEST(a_text_is_read_in_the_charset_that_the_form_has_for_it) {
    struct buf form = {0};
    field(&form, "charsets", charsets[_i].charsets);
    field(&form, "text", charsets[_i].text);
    put_mail(&form);
    struct message message = taken(&form);
    ck_assert_str_eq(message.body, charsets[_i].body);
    message_free(&message);
}
END_TEST

START_TEST(each_field_has_its_own_charset) {
    struct buf form = {0};
    field(&form, "charsets", "{\"subject\":\"koi8-r\",\"text\":\"Cp1252\",\"from\":\"iso-8859-1\"}");
    field(&form, "subject", "\xF0\xD2\xC9");
    field(&form, "text", "\x80");
    field(&form, "from", "J\xFCrgen <j@example.com>, K\xFC <k@example.com>");
    put_mail(&form);
    struct message message = taken(&form);
    ck_assert_str_eq(message.subject, "При");
    ck_assert_str_eq(message.body, "€");
    ck_assert_str_eq(message.from, "Jürgen <j@example.com>, Kü <k@example.com>");
    ck_assert_str_eq(message.sender, "j@example.com");
    message_free(&message);
}
END_TEST

START_TEST(a_charset_that_the_part_itself_declares_counts_where_the_form_has_none) {
    struct buf form = {0};
    buf_puts(&form, "--xYzZY\r\nContent-Disposition: form-data; name=\"text\"\r\n"
                    "Content-Type: text/plain; charset=windows-1252\r\n\r\n\x80\r\n");
    field(&form, "charsets", "{}");
    put_mail(&form);
    struct message message = taken(&form);
    ck_assert_str_eq(message.body, "€");
    message_free(&message);
}
END_TEST

static const struct {
    const char *text, *html, *body; // NULL: there is no such field
} bodies[] = {
    {"text", "<p>html", "text"},
    {NULL, "<p>html", "<p>html"},
    {"", "<p>html", "<p>html"},
    {" \r\n", "<p>html", "<p>html"},
    {"text", NULL, "text"},
    {NULL, NULL, ""},
    {"", "", ""},
};

START_TEST(the_body_is_the_text_where_there_is_one_else_the_html) {
    struct buf form = {0};
    field(&form, "from", "j@example.com");
    field(&form, "to", "s@us.example");
    if (bodies[_i].text != NULL) {
        field(&form, "text", bodies[_i].text);
    }
    if (bodies[_i].html != NULL) {
        field(&form, "html", bodies[_i].html);
    }
    struct message message = taken(&form);
    ck_assert_str_eq(message.body, bodies[_i].body);
    ck_assert_ptr_null(message.subject);
    message_free(&message);
}
END_TEST

static const struct {
    const char *envelope, *to, *shown, *recipient;
    bool by_envelope;
} recipients[] = {
    {"{\"to\":[\"b@us.example\"]}", "a@us.example, b@us.example", "a@us.example, b@us.example", "b@us.example", true},
    {"{\"to\":[\"hidden@us.example\"]}", "a@us.example", "a@us.example", "hidden@us.example", true},
    {"{\"to\":[\"Hidden+tag@US.example\"]}", "a@us.example", "a@us.example", "hidden@us.example", true},
    {"{\"to\":\"b@us.example\"}", "a@us.example", "a@us.example", "b@us.example", true},
    {"{\"to\":[\"b@us.example\",\"c@us.example\"]}", "a@us.example", "a@us.example", "b@us.example", true},
    {"{\"to\":[\"b@us.example\"]}", "", "support@us.example", "b@us.example", true}, // by the header
    {"{\"to\":[]}", "a@us.example", "a@us.example", "a@us.example", false},
    {"{\"to\":[7]}", "a@us.example", "a@us.example", "a@us.example", false},
    {"{}", "a@us.example", "a@us.example", "a@us.example", false},
    {"", "a@us.example", "a@us.example", "a@us.example", false},
    {"nonsense", "a@us.example, b@us.example", "a@us.example, b@us.example", "a@us.example", false},
};

START_TEST(our_address_is_the_envelopes_and_to_is_shown_as_given) {
    struct buf form = {0};
    field(&form, "envelope", recipients[_i].envelope);
    field(&form, "to", recipients[_i].to);
    put_mail(&form);
    struct message message = taken(&form);
    ck_assert_str_eq(message.to, recipients[_i].shown);
    ck_assert_str_eq(message.recipient, recipients[_i].recipient);
    ck_assert_int_eq(message.by_envelope, recipients[_i].by_envelope);
    message_free(&message);
}
END_TEST

START_TEST(a_mail_that_names_nobody_is_its_envelopes) {
    struct buf form = {0};
    field(&form, "envelope", "{\"to\":[\"s@us.example\"],\"from\":\"j@example.com\"}");
    field(&form, "text", "hi");
    struct message message = taken(&form);
    ck_assert_str_eq(message.from, "j@example.com");
    ck_assert_str_eq(message.to, "s@us.example");
    message_free(&message);
}
END_TEST

START_TEST(a_mail_without_message_id_has_one_that_stays_the_same) {
    static const char *const without = "Date: Fri, 1 Nov 2024 14:00:00 +0100\n";
    struct message one = taken_with("headers", without), other = taken_with("headers", without),
                   third = taken_with("headers", "Date: Fri, 1 Nov 2024 14:00:01 +0100\n");
    ck_assert_int_eq(strncmp(one.provider_message_id, "sha256:", 7), 0);
    ck_assert_str_eq(one.provider_message_id, other.provider_message_id);
    ck_assert_str_ne(one.provider_message_id, third.provider_message_id);
    message_free(&one);
    message_free(&other);
    message_free(&third);
    struct buf long_id = {0};
    buf_puts(&long_id, "Message-ID: <");
    for (int i = 0; i < 3000; i++) {
        buf_putc(&long_id, 'x');
    }
    buf_puts(&long_id, "@x>\n");
    one = taken_with("headers", long_id.data);
    ck_assert_int_eq(strncmp(one.provider_message_id, "sha256:", 7), 0);
    message_free(&one);
    buf_free(&long_id);
}
END_TEST

START_TEST(a_date_that_is_none_makes_it_the_time_of_arrival) {
    static const char *const headers[] = {"Message-ID: <a@x>\n", "Date: soon\n",
                                          "Date: Fri, 1 Nov 2054 14:00:00 +0100\n"};
    struct message message = taken_with("headers", headers[_i]);
    ck_assert_int_eq(message.occurred_ms, NOW_MS);
    message_free(&message);
}
END_TEST

START_TEST(files_are_attachments_by_their_names_and_types) {
    static const char *const expected[] = {
        "report.pdf (application/pdf)", "ä.png (image/png)", "x.exe (application/octet-stream)",
        "attachment4 (text/x)",         "attachment5",       "other.bin (a/b)"};
    struct buf form = {0};
    field(&form, "attachment-info",
          "{\"attachment2\":{\"filename\":\"\xC3\xA4.png\",\"type\":\"image/png\",\"content-id\":\"ii_1\"}}");
    put_mail(&form);
    file(&form, "attachment1", "report.pdf", "application/pdf; name=report.pdf");
    file(&form, "attachment2", "=?broken?", "application/octet-stream");
    file(&form, "attachment3", "C:\\Users\\http://evil.example/x.exe", "application/octet-stream");
    file(&form, "attachment4", "", "text/x");
    field(&form, "attachment5", "without a file name");
    file(&form, "upload", "other.bin", "a/b");
    struct message message = taken(&form);
    ck_assert_uint_eq(message.attachment_count, sizeof expected / sizeof *expected);
    for (size_t i = 0; i < message.attachment_count; i++) {
        ck_assert_str_eq(message.attachments[i], expected[i]);
    }
    message_free(&message);
}
END_TEST

static struct message taken_text(const char *text) {
    struct buf form = {0};
    field(&form, "charsets", "{}");
    field(&form, "text", text);
    put_mail(&form);
    return taken(&form);
}

START_TEST(of_files_without_number_a_thousand_are_shown_and_the_rest_is_counted) {
    struct buf form = {0};
    enum { FILES = 5000 };
    unsigned more = 0;
    for (int i = 1; i <= FILES; i++) {
        char name[32];
        snprintf(name, sizeof name, "attachment%d", i);
        file(&form, name, "a.pdf", "application/pdf");
    }
    put_mail(&form);
    struct message message = taken(&form);
    size_t shown = message.attachment_count - 1;
    ck_assert_int_eq(sscanf(message.attachments[shown], "%u more parts of this mail", &more), 1);
    ck_assert_uint_eq(shown, 1000);
    ck_assert_uint_ge(more, FILES - shown);
    ck_assert_str_eq(message.body, "Hello");
    message_free(&message);
}
END_TEST

START_TEST(a_text_that_is_too_long_is_cut_and_says_so) {
    enum { LENGTH = 400000 };
    struct buf text = {0};
    for (int i = 0; i < LENGTH / 2; i++) {
        buf_puts(&text, "ü");
    }
    struct message message = taken_text(text.data);
    char *mark = strstr(message.body, "\n\n[");
    ck_assert_ptr_nonnull(mark);
    ck_assert_str_eq(mark, "\n\n[137856 more bytes of this text were left out.]");
    ck_assert_int_eq(mark - message.body, 256 * 1024);
    message_free(&message);
    buf_puts(&text, "x");
    char *odd = xasprintf("x%s", text.data); // cut within a character
    message = taken_text(odd);
    mark = strstr(message.body, "\n\n[");
    ck_assert_int_eq(mark - message.body, 256 * 1024 - 1);
    ck_assert_str_eq(mark, "\n\n[137858 more bytes of this text were left out.]");
    message_free(&message);
    free(odd);
    buf_free(&text);
}
END_TEST

START_TEST(recipients_that_are_too_many_are_cut_and_the_mail_is_taken) {
    struct buf to = {0};
    for (int i = 0; i < 2000; i++) {
        buf_printf(&to, "%sperson%d@example.com", i > 0 ? ", " : "", i);
    }
    struct message message = taken_with("to", to.data);
    ck_assert_str_eq(message.recipient, "support@us.example");
    ck_assert_int_eq(strncmp(message.to, "person0@example.com, person1@", 29), 0);
    ck_assert_uint_le(strlen(message.to), MESSAGE_ADDRESS_MAX);
    ck_assert_int_eq(message.to[strlen(message.to) - 1], 'm');
    message_free(&message);
    buf_free(&to);
}
END_TEST

// ---- Raw

#define RAW_HEAD                                                                                                       \
    "From: =?utf-8?Q?J=C3=BCrgen?= <j@example.com>\r\nTo: s@us.example\r\nSubject: =?utf-8?B?R3LDvMOfZQ==?=\r\n"       \
    "Date: Fri, 1 Nov 2024 14:00:00 +0100\r\nMessage-ID: <raw.1@x>\r\nMIME-Version: 1.0\r\n"

static const struct {
    const char *mail, *body, *attachment; // NULL: none
} mails[] = {
    {RAW_HEAD "\r\nHello\r\nthere", "Hello\nthere", NULL},
    {RAW_HEAD "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
              "Gr=C3=BC=C3=9Fe=\r\n!",
     "Grüße!", NULL},
    {RAW_HEAD "Content-Type: text/plain; charset=windows-1252\r\nContent-Transfer-Encoding: base64\r\n\r\ngA==\r\n",
     "€", NULL},
    {RAW_HEAD "Content-Type: text/html\r\n\r\n<p>Hello</p>", "<p>Hello</p>", NULL},
    {RAW_HEAD "Content-Type: multipart/alternative; boundary=A\r\n\r\nnot shown\r\n--A\r\n\r\nplain\r\n--A\r\n"
              "Content-Type: text/html\r\n\r\n<b>html</b>\r\n--A--\r\n",
     "plain", NULL},
    {RAW_HEAD "Content-Type: multipart/alternative; boundary=A\r\n\r\n--A\r\n\r\n \r\n--A\r\n"
              "Content-Type: text/html\r\n\r\n<b>html</b>\r\n--A--\r\n",
     "<b>html</b>", NULL},
    {RAW_HEAD
     "Content-Type: multipart/mixed; boundary=\"A\"\r\n\r\n--A\r\nContent-Type: multipart/alternative; boundary=AA\r\n"
     "\r\n--AA\r\nContent-Type: text/html\r\n\r\n<b>html</b>\r\n--AA\r\nContent-Type: text/plain\r\n\r\nplain\r\n"
     "--AA--\r\n--A\r\nContent-Type: application/pdf; name=\"a.pdf\"\r\n"
     "Content-Disposition: attachment; filename*=utf-8''%C3%A4.pdf\r\n\r\nxx\r\n--A--\r\n",
     "plain", "ä.pdf (application/pdf)"},
    {RAW_HEAD "Content-Type: multipart/mixed; boundary=A\r\n\r\n--A\r\nContent-Type: text/plain\r\n"
              "Content-Disposition: attachment; filename=notes.txt\r\n\r\nno body\r\n--A\r\n\r\nthe body\r\n--A--",
     "the body", "notes.txt (text/plain)"},
    {RAW_HEAD "Content-Type: multipart/mixed\r\n\r\nno boundary", "", "attachment (multipart/mixed)"},
    {RAW_HEAD "Content-Type: message/rfc822\r\n\r\nSubject: x", "", "attachment (message/rfc822)"},
    {RAW_HEAD "Content-Type:\r\n\r\nHello", "Hello", NULL},
    {RAW_HEAD, "", NULL},
};

START_TEST(a_raw_mail_is_a_message) {
    struct buf form = {0};
    field(&form, "email", mails[_i].mail);
    field(&form, "to", "s@us.example");
    field(&form, "envelope", "{\"to\":[\"s@us.example\"],\"from\":\"bounce@example.com\"}");
    struct message message = taken(&form);
    ck_assert_str_eq(message.from, "j@example.com");
    ck_assert_str_eq(message.subject, "Grüße");
    ck_assert_str_eq(message.provider_message_id, "raw.1@x");
    ck_assert_int_eq(message.occurred_ms, HEADERS_MS);
    ck_assert_str_eq(message.body, mails[_i].body);
    ck_assert_uint_eq(message.attachment_count, mails[_i].attachment != NULL);
    if (mails[_i].attachment != NULL) {
        ck_assert_str_eq(message.attachments[0], mails[_i].attachment);
    }
    message_free(&message);
}
END_TEST

START_TEST(a_raw_mail_that_is_too_long_is_cut_and_says_so) {
    struct buf mail = {0};
    buf_puts(&mail, RAW_HEAD "\r\n");
    for (int i = 0; i < 100000; i++) {
        buf_puts(&mail, "12345678\r\n");
    }
    struct message message = taken_with("email", mail.data);
    ck_assert_str_eq(message.provider_message_id, "raw.1@x");
    ck_assert_int_eq(strncmp(message.body, "12345678\n12345678\n", 18), 0);
    ck_assert_ptr_nonnull(strstr(message.body, " more bytes of this mail were left out.]"));
    message_free(&message);
    buf_free(&mail);
}
END_TEST

START_TEST(of_a_raw_mails_files_a_thousand_are_shown_and_the_rest_is_counted) {
    struct buf mail = {0};
    buf_puts(&mail, RAW_HEAD "Content-Type: multipart/mixed; boundary=b\r\n\r\n");
    for (int i = 0; i < 1234; i++) {
        buf_puts(&mail, "--b\r\nContent-Type: image/png\r\n\r\nx\r\n");
    }
    struct message message = taken_with("email", mail.data);
    ck_assert_uint_eq(message.attachment_count, 1001);
    ck_assert_str_eq(message.attachments[999], "attachment (image/png)");
    ck_assert_str_eq(message.attachments[1000], "234 more parts of this mail");
    message_free(&message);
    buf_free(&mail);
}
END_TEST

// A name that decoded would be two addresses stays as it was sent.
START_TEST(an_encoded_name_makes_no_further_addresses) {
    struct message message = taken_with("from", "=?utf-8?Q?Doe=2C_Jane?= <jane@example.com>");
    ck_assert_str_eq(message.sender, "jane@example.com");
    ck_assert_str_eq(message.from, "jane@example.com");
    message_free(&message);
}
END_TEST

// ---- What is no mail

START_TEST(what_says_not_from_whom_or_to_whom_it_is_is_refused) {
    struct buf form = {0};
    field(&form, "text", "hi");
    assert_refused(&form, "from");
    field(&form, "from", "j@example.com");
    field(&form, "text", "hi");
    assert_refused(&form, "to");
    buf_puts(&form, "no form");
    form.length = 0;
    assert_refused(&form, "");
    buf_puts(&form, "no form at all ");
    assert_refused(&form, "");
}
END_TEST

START_TEST(a_media_type_without_a_boundary_is_refused) {
    const struct payload_rules rules = {.now_ms = NOW_MS};
    const struct provider_post post = {.content_type = "multipart/form-data", .body = "x", .length = 1};
    struct message message;
    struct payload_error error;
    bool stamped;
    ck_assert_int_eq(payload_parse_post(way(), &post, &rules, &message, &stamped, &error), -1);
    ck_assert_ptr_nonnull(strstr(error.reason, "boundary"));
}
END_TEST

START_TEST(where_clients_have_little_room_less_is_kept) {
    struct buf form = {0};
    settings.max_client_bytes = 1 << 20;
    put_mail(&form);
    struct provider_body body = {.sums = NULL};
    struct provider_post post = {.content_type = TYPE};
    way()->take_body(&settings, &post, &body);
    ck_assert_uint_le(body.filter.most, (1 << 20) / 4);
    body.filter.free(body.filter.state);
    struct message message = taken(&form);
    ck_assert_str_eq(message.body, "Hello");
    message_free(&message);
    settings.max_client_bytes = 128 << 20;
}
END_TEST

#define COUNT(array) ((int)(sizeof array / sizeof *array))

Suite *suite_accept_inbound_parse(void) {
    Suite *suite = suite_create("accept_inbound_parse");
    TCase *tests = tcase_create("inbound_parse");
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_add_test(tests, a_mail_is_a_message);
    tcase_add_loop_test(tests, a_text_is_read_in_the_charset_that_the_form_has_for_it, 0, COUNT(charsets));
    tcase_add_test(tests, each_field_has_its_own_charset);
    tcase_add_test(tests, a_charset_that_the_part_itself_declares_counts_where_the_form_has_none);
    tcase_add_loop_test(tests, the_body_is_the_text_where_there_is_one_else_the_html, 0, COUNT(bodies));
    tcase_add_loop_test(tests, our_address_is_the_envelopes_and_to_is_shown_as_given, 0, COUNT(recipients));
    tcase_add_test(tests, a_mail_that_names_nobody_is_its_envelopes);
    tcase_add_test(tests, a_mail_without_message_id_has_one_that_stays_the_same);
    tcase_add_loop_test(tests, a_date_that_is_none_makes_it_the_time_of_arrival, 0, 3);
    tcase_add_test(tests, files_are_attachments_by_their_names_and_types);
    tcase_add_test(tests, of_files_without_number_a_thousand_are_shown_and_the_rest_is_counted);
    tcase_add_test(tests, a_text_that_is_too_long_is_cut_and_says_so);
    tcase_add_test(tests, recipients_that_are_too_many_are_cut_and_the_mail_is_taken);
    tcase_add_loop_test(tests, a_raw_mail_is_a_message, 0, COUNT(mails));
    tcase_add_test(tests, a_raw_mail_that_is_too_long_is_cut_and_says_so);
    tcase_add_test(tests, of_a_raw_mails_files_a_thousand_are_shown_and_the_rest_is_counted);
    tcase_add_test(tests, an_encoded_name_makes_no_further_addresses);
    tcase_add_test(tests, what_says_not_from_whom_or_to_whom_it_is_is_refused);
    tcase_add_test(tests, a_media_type_without_a_boundary_is_refused);
    tcase_add_test(tests, where_clients_have_little_room_less_is_kept);
    suite_add_tcase(suite, tests);
    return suite;
}
