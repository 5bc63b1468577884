// SPDX-License-Identifier: MIT
#include <check.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/buf.h"
#include "shared/message/address.h"
#include "tests/support/each.h"

Suite *suite_message_address(void);

struct sample {
    const char *given;
    const char *shown;
    const char *normalized;
};

static void check_taken(enum channel channel, const struct sample *sample) {
    struct address address = {0};
    char reason[ADDRESS_REASON_SIZE];
    const char *error = address_parse(channel, ADDRESS_FROM, sample->given, NULL, &address, reason);
    ck_assert_msg(error == NULL, "'%s' was refused: %s", sample->given, error);
    ck_assert_str_eq(address.shown, sample->shown);
    ck_assert_str_eq(address.normalized, sample->normalized);
    address_free(&address);
}

static void check_refused(enum channel channel, const char *given, const char *part) {
    struct address address = {0};
    char reason[ADDRESS_REASON_SIZE];
    const char *error = address_parse(channel, ADDRESS_FROM, given, NULL, &address, reason);
    ck_assert_msg(error != NULL, "'%s' was taken as '%s'", given, address.shown);
    ck_assert_msg(strstr(error, part) != NULL, "'%s': %s", given, error);
    ck_assert_ptr_null(address.shown);
    ck_assert_ptr_null(address.normalized);
}

static const struct sample phones[] = {
    {"+12016661234", "+12016661234", "+12016661234"},
    {"12016661234", "12016661234", "12016661234"},
    {"+1 (201) 666-1234", "+1 (201) 666-1234", "+12016661234"},
    {"+1.201.666.1234", "+1.201.666.1234", "+12016661234"},
    {"  +12016661234\t\r\n", "+12016661234", "+12016661234"},
    {"123", "123", "123"},
    {"123456789012345", "123456789012345", "123456789012345"},
    {"+123456789012345", "+123456789012345", "+123456789012345"},
    {"(201)666-1234", "(201)666-1234", "2016661234"},
    {"+(1)23", "+(1)23", "+123"},
    {")1-(2.3", ")1-(2.3", "123"},
};

START_TEST(a_phone_is_its_digits_with_its_leading_plus) {
    check_taken(CHANNEL_SMS, &phones[_i]);
}
END_TEST

static const char *const bad_phones[] = {
    "12",
    "1234567890123456",
    "+",
    "()-. ()",
    "++12016661234",
    "1+2016661234",
    "(+1)2016661234",
    "2016661234+",
    "201-CALL-NOW",
    "+1201666123x",
    "+1201/6661234",
    "a@b.c",
    "[+12016661234](tel:+12016661234)",
    "[a@b.c](mailto:a@b.c)",
    "+\u0661\u0662\u0663\u0664", // digits, but not ASCII's
    "+44 20 7946 0958 (Mum)",
    "Mum <+442079460958>",
    "+1,2016661234",
    "1201666 1234 ext. 5",
};

START_TEST(what_is_no_phone_is_refused) {
    check_refused(CHANNEL_SMS, bad_phones[_i], "must be a phone number");
}
END_TEST

static const struct sample emails[] = {
    {"user@usehatchapp.com", "user@usehatchapp.com", "user@usehatchapp.com"},
    {"User@UseHatchApp.COM", "User@UseHatchApp.COM", "user@usehatchapp.com"},
    {"user+tag@example.com", "user+tag@example.com", "user@example.com"},
    {"user+a+b@example.com", "user+a+b@example.com", "user@example.com"},
    {"user+@example.com", "user+@example.com", "user@example.com"},
    {"+tag@example.com", "+tag@example.com", "+tag@example.com"},
    {"+tag+more@example.com", "+tag+more@example.com", "+tag+more@example.com"},
    {"user@exa+mple.com", "user@exa+mple.com", "user@exa+mple.com"},
    {"a@b", "a@b", "a@b"},
    {"\t a@b.c \n", "a@b.c", "a@b.c"},
    {"Name <a@b.c>", "a@b.c", "a@b.c"},
    {"Name<A+x@B.c>", "A+x@B.c", "a@b.c"},
    {"<a@b.c>", "a@b.c", "a@b.c"},
    {"\"Last, First <x@y>\" <a@b.c>", "a@b.c", "a@b.c"},
    {"a@b.c <d@e.f>", "d@e.f", "d@e.f"},
    {"N\xc3\xa4me <a@b.c>", "a@b.c", "a@b.c"},
    {"[user@usehatchapp.com](mailto:user@usehatchapp.com)", "user@usehatchapp.com", "user@usehatchapp.com"},
    {" [Contact+x@gmail.com](mailto:Contact+x@gmail.com) ", "Contact+x@gmail.com", "contact@gmail.com"},
    {"[a@b.c](MAILTO:a@b.c)", "a@b.c", "a@b.c"},
    {"[a@b.c](mailto:other@b.c)", "other@b.c", "other@b.c"},
    {"[write to us](mailto:a@b.c)", "a@b.c", "a@b.c"},
    {"[a@b.c](mailto:a@b.c?subject=Hi%20there)", "a@b.c", "a@b.c"},
    {"[a+t@b.c](mailto:a%2Bt@b.c)", "a+t@b.c", "a@b.c"},
    {"[a@b.c]( mailto:a@b.c )", "a@b.c", "a@b.c"},
    {"[50%@b.c](mailto:50%@b.c)", "50%@b.c", "50%@b.c"},
    // other scripts: capitals are folded there too
    {"\u00c4RGER@EX\u00c4MPLE.de", "\u00c4RGER@EX\u00c4MPLE.de", "\u00e4rger@xn--exmple-cua.de"},
    {"\u0418\u0412@\u0420\u0424", "\u0418\u0412@\u0420\u0424", "\u0438\u0432@xn--p1ai"},
    // as it is copied
    {"jane@example.com;", "jane@example.com", "jane@example.com"},
    {"jane@example.com,", "jane@example.com", "jane@example.com"},
    {"jane@example.com.", "jane@example.com", "jane@example.com"},
    {" jane@example.com.;, ", "jane@example.com", "jane@example.com"},
    {"mailto:jane@example.com", "jane@example.com", "jane@example.com"},
    {"MailTo:jane%2Bx@example.com?subject=Hi,%20there&body=cc=b@x.com", "jane+x@example.com", "jane@example.com"},
    {"<mailto:jane@example.com>", "jane@example.com", "jane@example.com"},
    {"<mailto:jane@example.com|jane@example.com>", "jane@example.com", "jane@example.com"},
    {"Jane <mailto:jane@example.com>", "jane@example.com", "jane@example.com"},
    {"mailto:?to=jane@example.com&cc=", "jane@example.com", "jane@example.com"},
    {"<mailto:%22a,b%22@c.d>", "\"a,b\"@c.d", "\"a,b\"@c.d"},
    {"jane@example.com (Jane)", "jane@example.com", "jane@example.com"},
    {"(work) jane@example.com", "jane@example.com", "jane@example.com"},
    {"jane(her (own) \\) one)@example.com(x)", "jane@example.com", "jane@example.com"},
    {"Jane (x) <jane@example.com> (y)", "jane@example.com", "jane@example.com"},
    {"\"Doe, Jane\" <jane@example.com>", "jane@example.com", "jane@example.com"},
    {"Doe, Jane <jane@example.com>", "jane@example.com", "jane@example.com"},
    {"\"Jane \\\"JD\\\" Doe; <x>\" <jane@example.com>,", "jane@example.com", "jane@example.com"},
    {"=?UTF-8?Q?J=C3=A4ne?= <jane@example.com>", "jane@example.com", "jane@example.com"},
    {"Smiley :( <jane@example.com>", "jane@example.com", "jane@example.com"},
    {"<@a.com,@b.com:jane@example.com>", "jane@example.com", "jane@example.com"},
    {"< jane@example.com >", "jane@example.com", "jane@example.com"},
    {"'jane@example.com'", "jane@example.com", "jane@example.com"},
    {"\"jane@example.com\"", "jane@example.com", "jane@example.com"},
    {"\"'jane@example.com.'\"", "jane@example.com", "jane@example.com"},
    {"\u201cjane@example.com\u201d", "jane@example.com", "jane@example.com"},
    {"`jane@example.com`", "jane@example.com", "jane@example.com"},
    {"'jane@example.com' <'jane@example.com'>", "jane@example.com", "jane@example.com"},
    {"o'brien@example.com", "o'brien@example.com", "o'brien@example.com"},
    {"a|b@example.com", "a|b@example.com", "a|b@example.com"},
    // marks that aren't seen, white space that doesn't look so
    {"\u200bja\u200dne@exam\u2060ple.com\ufeff", "jane@example.com", "jane@example.com"},
    {"\u202ajane@example.com\u202c", "jane@example.com", "jane@example.com"},
    {"\u2066jane@example.com\u2069", "jane@example.com", "jane@example.com"},
    {"\u00a0jane@example.com\u00a0\u3000", "jane@example.com", "jane@example.com"},
    {"Jane\u00a0<jane@example.com>", "jane@example.com", "jane@example.com"},
    // domains
    {"jane@b\u00fccher.example", "jane@b\u00fccher.example", "jane@xn--bcher-kva.example"},
    {"jane@B\u00dcCHER.example", "jane@B\u00dcCHER.example", "jane@xn--bcher-kva.example"},
    {"jane@bu\u0308cher.example", "jane@bu\u0308cher.example", "jane@xn--bcher-kva.example"},
    {"jane@XN--Bcher-KVA.example", "jane@XN--Bcher-KVA.example", "jane@xn--bcher-kva.example"},
    {"jane@\uff45\uff58\uff41\uff4d\uff50\uff4c\uff45.com", "jane@\uff45\uff58\uff41\uff4d\uff50\uff4c\uff45.com",
     "jane@example.com"},
    {"jane@\u4f8b\u3048\u3002\u30c6\u30b9\u30c8", "jane@\u4f8b\u3048\u3002\u30c6\u30b9\u30c8",
     "jane@xn--r8jz45g.xn--zckzah"},
    {"jane@\u4f8b\u3048.jp\u3002", "jane@\u4f8b\u3048.jp\u3002", "jane@xn--r8jz45g.jp"},
    {"jane@stra\u00dfe.example", "jane@stra\u00dfe.example", "jane@xn--strae-oqa.example"},
    {"jane@foo_bar.example", "jane@foo_bar.example", "jane@foo_bar.example"},
    {"jane@[127.0.0.1]", "jane@[127.0.0.1]", "jane@[127.0.0.1]"},
    {"jane@[IPv6:2001:DB8::1]", "jane@[IPv6:2001:DB8::1]", "jane@[ipv6:2001:db8::1]"},
    // local parts (RFC 6532): NFC, small letters, but never ASCII's out of another script's
    {"JOS\u00c9@example.com", "JOS\u00c9@example.com", "jos\u00e9@example.com"},
    {"JOSE\u0301@example.com", "JOSE\u0301@example.com", "jos\u00e9@example.com"},
    {"\u0130@example.com", "\u0130@example.com", "\u0130@example.com"},
    {"I\u0307@example.com", "I\u0307@example.com", "\u0130@example.com"},
    {"H\u0331@example.com", "H\u0331@example.com", "\u1e96@example.com"},
    {"\u2126@example.com", "\u2126@example.com", "\u03c9@example.com"},
    {"\u7528\u6237+x@example.com", "\u7528\u6237+x@example.com", "\u7528\u6237@example.com"},
    {"\uff4a@example.com", "\uff4a@example.com", "\uff4a@example.com"},
    // quotes
    {"\"Jane Doe\"@example.com", "\"Jane Doe\"@example.com", "\"jane doe\"@example.com"},
    {"\"jane\"@example.com", "\"jane\"@example.com", "jane@example.com"},
    {"\"ja\\ne\"@example.com", "\"ja\\ne\"@example.com", "jane@example.com"},
    {"\"a@b\"@example.com", "\"a@b\"@example.com", "\"a@b\"@example.com"},
    {"\"a, b; c\"@example.com", "\"a, b; c\"@example.com", "\"a, b; c\"@example.com"},
    {"\"a\\\"b\"@example.com", "\"a\\\"b\"@example.com", "\"a\\\"b\"@example.com"},
    {"\"jane+x\"@example.com", "\"jane+x\"@example.com", "jane@example.com"},
    {"\"a<->b\"@example.com", "\"a<->b\"@example.com", "\"a%3C-%3Eb\"@example.com"},
};

START_TEST(an_email_is_compared_in_lower_case_without_its_tag) {
    check_taken(CHANNEL_EMAIL, &emails[_i]);
}
END_TEST

static const char *const bad_emails[] = {
    "plain",
    "@b.c",
    "a@",
    "@",
    "a@@b",
    "a@b@c",
    "a b@c.d",
    "a@b .c",
    "a@b\xc2\xa0.c",
    "a@b\xe3\x80\x80.c",
    "Name <a@b.c> trailing",
    "Name <>",
    "<>",
    "Name <a@b@c>",
    "Name a@b.c",
    "+12016661234",
    "[a@b.c](mailto:a@b.c",
    "a@b.c](mailto:a@b.c)",
    "[a@b.c](https://b.c)",
    "[a@b.c](a@b.c)",
    "[a@b.c](mailto:)",
    "[a@b.c](mailto:?subject=x)",
    "[a@b.c](mailto:nobody)",
    "[a@b.c](mailto:a%20b@c.d)",
    "[a@b.c](mailto:a%FF@c.d)",
    "[a@b.c]()",
    "jane@example..com",
    "jane@.example.com",
    "jane@i\u2764.example",       // an emoji, which IDNA refuses
    "jane@a\uff0cb.example",      // a full-width comma
    "jane@\u00df1\u05d0.example", // a label of both directions
    "a<b@example.com",
    "a>b@example.com",
    "a:b@example.com",
    "a\"b@example.com",
    "a\\b@example.com",
    "c<->d@e",
    "Bob, jane@example.com",
    "jane@example.com, Bob",
    "To: jane@example.com",
    "Team: jane@example.com;",
    "undisclosed-recipients:;",
    "MAILER-DAEMON",
};

START_TEST(what_is_no_email_is_refused) {
    check_refused(CHANNEL_EMAIL, bad_emails[_i], "must be an email address");
}
END_TEST

// What is refused is named.
static const struct sample named[] = {
    {"jane\u212a@example.com", "U+212A", NULL},    {"\"jane\u212a\"@example.com", "U+212A", NULL},
    {"jane@\u212aexample.com", "U+212A", NULL},    {"a\u037eb@example.com", "U+037E", NULL},
    {"a b@example.com", "U+0020", NULL},           {"a\u2003b@example.com", "U+2003", NULL},
    {"a<b@example.com", "U+003C", NULL},           {"a]b@example.com", "U+005D", NULL},
    {"jane@exa mple.com", "U+0020", NULL},         {"a\nb@example.com", "U+000A", NULL},
    {"jane@example.com\xc2\x85x", "U+0085", NULL},
};

START_TEST(a_character_that_is_refused_is_named) {
    check_refused(CHANNEL_EMAIL, named[_i].given, named[_i].shown);
}
END_TEST

static const char *const several_emails[] = {
    "a@b.c, d@e.f",
    "[a@b.c](mailto:a@b.c,d@e.f)",
    "mailto:a@b.c,d@e.f",
    "mailto:a@b.c?to=d@e.f",
    "mailto:a@b.c?subject=x&CC=d%40e.f",
    "[a@b.c](mailto:a@b.c?bcc=d@e.f)",
    "<mailto:a@b.c,d@e.f>",
    "Jane <mailto:a@b.c?subject=x|y&cc=d@e.f|a@b.c>",
    "Jane <jane@example.com>, Bob <bob@example.com>",
    "<a@example.com>;<b@example.com>",
    "<a@example.com> <b@example.com>",
    "<a@example.com><b@example.com>",
    "a@x.com b@x.com",
    "a@x.com\u00a0b@x.com",
    "\"a b\"@x.com c@x.com",
    "Team: a@x.com, b@x.com;",
    "a@x.com;b@x.com;",
    "[a@x.com](mailto:a@x.com), [b@x.com](mailto:b@x.com)",
    "\"Doe, Jane\" <jane@example.com>, bob@example.com",
    "a@x.com (A), b@x.com (B)",
};

START_TEST(several_emails_are_refused) {
    check_refused(CHANNEL_EMAIL, several_emails[_i], "must be one address");
}
END_TEST

static const char *const several_phones[] = {
    "+12016661234, +18045551234",
    "+12016661234;+18045551234",
    "+12016661234 +18045551234",
    "tel:+12016661234,tel:+18045551234",
    "tel:+12016661234;tel:+1804",
    "tel:+12016661234;+18045551234",
    "2016661234, 8045551234",
    "12345;67890",
    "+1 (201) 666-1234, +1 (804) 555-1234;",
};

START_TEST(several_phones_are_refused) {
    check_refused(CHANNEL_SMS, several_phones[_i], "must be one address");
}
END_TEST

static const struct sample sender_ids[] = {
    {"MyBrand", "MyBrand", "mybrand"},
    {"VM-HDFCBK", "VM-HDFCBK", "vm-hdfcbk"},
    {"AT&T", "AT&T", "at&t"},
    {" My Brand ", "My Brand", "my brand"},
    {"A", "A", "a"},
    {"1ab2", "1ab2", "1ab2"},
    {"A.B_c&d-e f", "A.B_c&d-e f", "a.b_c&d-e f"},
    {"My\u200bBrand", "MyBrand", "mybrand"},
};

START_TEST(a_sender_id_may_send) {
    struct address address;
    char reason[ADDRESS_REASON_SIZE];
    check_taken(CHANNEL_SMS, &sender_ids[_i]);
    ck_assert_ptr_nonnull(address_parse(CHANNEL_SMS, ADDRESS_TO, sender_ids[_i].given, NULL, &address, reason));
}
END_TEST

static const struct sample bad_sender_ids[] = {
    {"TwelveLetter", "sender id", NULL},     {"My*Brand", "U+002A", NULL},           {"M\u00fcller", "U+00FC", NULL},
    {"12a", "must be a phone number", NULL}, {"--", "must be a phone number", NULL}, {"a\u00a0b", "U+00A0", NULL},
};

START_TEST(what_is_no_sender_id_is_refused) {
    check_refused(CHANNEL_SMS, bad_sender_ids[_i].given, bad_sender_ids[_i].shown);
}
END_TEST

// An address of `length` bytes: "aaa…@b.c"
static char *long_email(size_t length) {
    char *text = malloc(length + 1);
    memset(text, 'a', length);
    memcpy(text + length - 4, "@b.c", 5);
    return text;
}

// What a webhook brings.
struct kept {
    enum channel channel;
    const char *given;
    const char *shown;         // NULL: as given
    const char *normalized[3]; // up to a NULL
};

static const struct kept kept[] = {
    {CHANNEL_EMAIL, "jane@example.com", NULL, {"jane@example.com"}},
    {CHANNEL_EMAIL, "[jane@example.com](mailto:jane@example.com)", "jane@example.com", {"jane@example.com"}},
    {CHANNEL_EMAIL, "Jane <Jane+x@example.com>", "Jane+x@example.com", {"jane@example.com"}},
    {CHANNEL_EMAIL, "jane@example.com.;", "jane@example.com", {"jane@example.com"}},
    {CHANNEL_EMAIL, "Jane <a@x.com>, Bob <b@x.com>", NULL, {"a@x.com", "b@x.com"}},
    {CHANNEL_EMAIL, "<a@x.com>;<b@x.com>", NULL, {"a@x.com", "b@x.com"}},
    {CHANNEL_EMAIL, "a@x.com b@x.com", NULL, {"a@x.com", "b@x.com"}},
    {CHANNEL_EMAIL, "a@x.com,\r\n\tb@x.com", NULL, {"a@x.com", "b@x.com"}},
    {CHANNEL_EMAIL, "Team: a@x.com, b@x.com;", NULL, {"a@x.com", "b@x.com"}},
    {CHANNEL_EMAIL, "Team: a@x.com;", "a@x.com", {"a@x.com"}},
    {CHANNEL_EMAIL, "Doe, Jane <a@x.com>", NULL, {"a@x.com"}},
    {CHANNEL_EMAIL, "a@x.com, MAILER-DAEMON", NULL, {"a@x.com"}},
    {CHANNEL_EMAIL, "a@@b, b@x.com", NULL, {"b@x.com"}},
    {CHANNEL_EMAIL, "[a@x.com](mailto:a@x.com), [b@x.com](mailto:b@x.com)", NULL, {"a@x.com", "b@x.com"}},
    {CHANNEL_EMAIL, "<mailto:a@x.com?cc=b@x.com>", NULL, {"a@x.com", "b@x.com"}},
    {CHANNEL_EMAIL, "mailto:a@x.com?subject=x&to=b@x.com", NULL, {"a@x.com", "b@x.com"}},
    {CHANNEL_EMAIL, "[a@x.com](https://x.com)", "a@x.com", {"a@x.com"}},
    {CHANNEL_EMAIL, "MAILER-DAEMON", NULL, {"mailer-daemon"}},
    {CHANNEL_EMAIL, "<>", NULL, {"%3C%3E"}},
    {CHANNEL_EMAIL, "%3C%3E", NULL, {"%3C%3E"}},
    {CHANNEL_EMAIL, "undisclosed-recipients:;", NULL, {"undisclosed-recipients:;"}},
    {CHANNEL_EMAIL, "+12016661234", NULL, {"+12016661234"}},
    {CHANNEL_EMAIL, "Jane\t  Doe", NULL, {"jane doe"}},
    {CHANNEL_EMAIL,
     "a\x01"
     "b",
     NULL,
     {"a\uFFFD"
      "b"}},
    {CHANNEL_EMAIL, "jane\u212a@example.com", NULL, {"jane\u212a@example.com"}},
    {CHANNEL_EMAIL, "a@i\u2764.example", NULL, {"a@i\u2764.example"}},
    {CHANNEL_EMAIL,
     "c<->d@e",
     NULL,
     {"c%3C-%3Ed\uff20"
      "e"}}, // c%3C-%3Ed@e could be somebody
    {CHANNEL_SMS, "+12016661234", NULL, {"+12016661234"}},
    {CHANNEL_SMS, "+12016661234, +18045551234", NULL, {"+12016661234", "+18045551234"}},
    {CHANNEL_SMS, "+12016661234;+18045551234;", NULL, {"+12016661234", "+18045551234"}},
    {CHANNEL_SMS, "+12016661234 +18045551234", NULL, {"+12016661234", "+18045551234"}},
    {CHANNEL_SMS, "tel:+12016661234;ext=5", NULL, {"+12016661234"}},
    {CHANNEL_SMS, "tel:+12016661234;tel:+18045551234", NULL, {"+12016661234", "+18045551234"}},
    {CHANNEL_SMS, "+12016661234,", NULL, {"+12016661234"}},
    {CHANNEL_SMS, "+1201\u20036661234", NULL, {"+12016661234"}},
    {CHANNEL_SMS, "+44 20 7946 0958 (Mum)", NULL, {"+442079460958"}},
    {CHANNEL_SMS, "(Mum, home (old)) +44 (0)20 7946 0958", NULL, {"+442079460958"}},
    {CHANNEL_SMS, "+44 20 7946 0958 (\u6bcd)", NULL, {"+442079460958"}},
    {CHANNEL_SMS, "+44 (UK) 020 7946 0958 (home)", NULL, {"+442079460958"}},
    {CHANNEL_SMS, "Mum <+442079460958>", NULL, {"+442079460958"}},
    {CHANNEL_SMS, "<+442079460958>", NULL, {"+442079460958"}},
    {CHANNEL_SMS, "\"Smith, Jane\" < tel:+44-20-7946-0958 >", NULL, {"+442079460958"}},
    {CHANNEL_SMS, "Mum (home) <+44 020 7946 0958> (old)", NULL, {"+442079460958"}},
    {CHANNEL_SMS, "Mum <+442079460958>, +12016661234 (Dad, office)", NULL, {"+442079460958", "+12016661234"}},
    {CHANNEL_SMS, "+12016661234 (Dad", NULL, {"+12016661234 (dad"}},
    {CHANNEL_SMS, "+12016661234 (#1)", NULL, {"+12016661234 (#1)"}},
    {CHANNEL_SMS, "MyBrand (Ltd)", NULL, {"mybrand (ltd)"}},
    {CHANNEL_SMS, "Mum <home>", NULL, {"mum %3Chome%3E"}},
    {CHANNEL_SMS, "<", NULL, {"%3C"}},
    {CHANNEL_SMS, "(Mum)", NULL, {"(mum)"}},
    {CHANNEL_SMS, "12", NULL, {"12"}},
    {CHANNEL_SMS, "VM-HDFCBK", NULL, {"vm-hdfcbk"}},
    {CHANNEL_SMS, "Smith, Jane", NULL, {"smith, jane"}},
    {CHANNEL_SMS, "MyVeryLongBrand", NULL, {"myverylongbrand"}},
    {CHANNEL_SMS, "whatsapp:+12016661234", NULL, {"whatsapp:+12016661234"}},
    {CHANNEL_SMS, "jane@example.com", NULL, {"jane@example.com"}},
};

static void check_kept(enum channel channel, const char *given, const char *shown, const char *const *normalized) {
    struct address_list list;
    size_t count = 0;
    ck_assert_ptr_null(address_keep(channel, given, NULL, &list));
    ck_assert_str_eq(list.shown, shown);
    for (; count < 3 && normalized[count] != NULL; count++) {
        ck_assert_uint_gt(list.count, count);
        ck_assert_str_eq(list.addresses[count].normalized, normalized[count]);
    }
    ck_assert_uint_eq(list.count, count);
    address_list_free(&list);
}

START_TEST(a_webhooks_address_is_kept) {
    const struct kept *sample = &kept[_i];
    check_kept(sample->channel, sample->given, sample->shown != NULL ? sample->shown : sample->given,
               sample->normalized);
}
END_TEST

START_TEST(an_identity_is_its_own) {
    for (size_t i = 0; kept[_i].normalized[i] != NULL; i++) {
        const char *identity[] = {kept[_i].normalized[i], NULL};
        check_kept(kept[_i].channel, *identity, *identity, identity);
    }
}
END_TEST

START_TEST(what_is_blank_is_not_kept) {
    static const char *const blank[] = {"", " \t\r\n", "\u00a0", "\u200b\ufeff \u3000"};
    struct address_list list;
    for (size_t i = 0; i < sizeof blank / sizeof *blank; i++) {
        ck_assert_str_eq(address_keep(CHANNEL_SMS, blank[i], NULL, &list), "must not be empty");
        ck_assert_str_eq(address_keep(CHANNEL_EMAIL, blank[i], NULL, &list), "must not be empty");
    }
}
END_TEST

// Two long ones that begin alike have identities of a bounded length, and two of them.
START_TEST(a_long_name_is_kept_by_its_hash) {
    char one[5001], other[5001];
    struct address_list first, second;
    memset(one, 'x', sizeof one);
    one[5000] = '\0';
    memcpy(other, one, sizeof other);
    other[4999] = 'y';
    ck_assert_ptr_null(address_keep(CHANNEL_EMAIL, one, NULL, &first));
    ck_assert_ptr_null(address_keep(CHANNEL_EMAIL, other, NULL, &second));
    ck_assert_str_eq(first.shown, one);
    ck_assert_uint_eq(strlen(first.addresses->normalized), 200 + 1 + 64);
    ck_assert_str_ne(first.addresses->normalized, second.addresses->normalized);
    address_list_free(&first);
    address_list_free(&second);
}
END_TEST

START_TEST(a_webhook_may_bring_16384_bytes) {
    char *text = long_email(16384);
    struct address_list list;
    ck_assert_ptr_null(address_keep(CHANNEL_EMAIL, text, NULL, &list));
    address_list_free(&list);
    free(text);
    text = long_email(16385);
    ck_assert_str_eq(address_keep(CHANNEL_EMAIL, text, NULL, &list), "must be at most 16384 bytes long");
    free(text);
}
END_TEST

START_TEST(a_long_name_before_an_address_is_fine_in_a_webhook) {
    struct buf text = {0};
    buf_printf(&text, "\"%0400d\" <jane@example.com>", 1);
    static const char *const identity[] = {"jane@example.com", NULL};
    check_kept(CHANNEL_EMAIL, text.data, "jane@example.com", identity);
    check_refused(CHANNEL_EMAIL, text.data, "320 bytes");
    buf_free(&text);
}
END_TEST

// So many brackets that are never closed, and then an address with a comment.
static bool is_found_behind(int brackets) {
    struct buf text = {0};
    struct address_list list;
    for (int i = 0; i < brackets; i++) {
        buf_putc(&text, '(');
    }
    buf_printf(&text, "%01100d, (work) jane@example.com", 0);
    ck_assert_ptr_null(address_keep(CHANNEL_EMAIL, text.data, NULL, &list));
    bool found = list.count == 1 && strcmp(list.addresses->normalized, "jane@example.com") == 0;
    address_list_free(&list);
    buf_free(&text);
    return found;
}

START_TEST(an_end_is_looked_for_in_vain_64_times_at_most) {
    ck_assert(is_found_behind(63));
    ck_assert(!is_found_behind(64));
}
END_TEST

// Beginnings without an end, each of which could be looked for to the text's end: within the time that a test may take.
START_TEST(a_text_of_beginnings_alone_is_read) {
    static const char *const beginnings[] = {"\"\\", "(", "<", "[", "@[", "<\"", "(\\", "@ "};
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++) {
        struct buf text = {0};
        struct address_list list;
        while (text.length + 4 < ADDRESS_KEPT_MAX_BYTES) {
            buf_puts(&text, beginnings[i]);
        }
        ck_assert_ptr_null(address_keep(CHANNEL_EMAIL, text.data, NULL, &list));
        address_list_free(&list);
        ck_assert_ptr_null(address_keep(CHANNEL_SMS, text.data, NULL, &list));
        address_list_free(&list);
        buf_free(&text);
    }
}
END_TEST

START_TEST(an_empty_address_is_refused_as_empty) {
    check_refused(CHANNEL_SMS, "", "must not be empty");
    check_refused(CHANNEL_SMS, " \t\r\n", "must not be empty");
    check_refused(CHANNEL_EMAIL, "", "must not be empty");
    check_refused(CHANNEL_EMAIL, "  ", "must not be empty");
}
END_TEST

START_TEST(a_control_character_within_is_refused) {
    check_refused(CHANNEL_SMS, "+1201\t6661234", "control characters");
    check_refused(CHANNEL_SMS,
                  "+1201\x7f"
                  "6661234",
                  "control characters");
    check_refused(CHANNEL_EMAIL, "a\nb@c.d", "control characters");
    check_refused(CHANNEL_EMAIL, "a@b\xc2\x85.c", "control characters");
    check_refused(CHANNEL_EMAIL, "Na\x01me <a@b.c>", "control characters");
    check_refused(CHANNEL_EMAIL, "[a@b.c](mailto:a%0A@b.c)", "control characters");
}
END_TEST

START_TEST(at_most_320_bytes_are_taken) {
    char *text = long_email(320);
    struct sample sample = {text, text, text};
    check_taken(CHANNEL_EMAIL, &sample);
    free(text);
    text = long_email(321);
    check_refused(CHANNEL_EMAIL, text, "320 bytes");
    free(text);
    struct buf phone = {0};
    buf_printf(&phone, "12%320d", 3);
    check_refused(CHANNEL_SMS, phone.data, "320 bytes");
    buf_free(&phone);
}
END_TEST

START_TEST(a_link_counts_as_the_plain_address_does) {
    char *text = long_email(320);
    struct buf link = {0};
    buf_printf(&link, "[%s](mailto:%s)", text, text);
    struct sample sample = {link.data, text, text};
    check_taken(CHANNEL_EMAIL, &sample);
    buf_free(&link);
    free(text);
    text = long_email(321);
    buf_printf(&link, "[%s](mailto:%s)", text, text);
    check_refused(CHANNEL_EMAIL, link.data, "320 bytes");
    buf_free(&link);
    free(text);
}
END_TEST

// Which a person can't tell apart at a glance, but which two people may own.
static const struct sample angles[] = {
    {"\"c<->d\"@e", "\"c<->d\"@e", "\"c%3C-%3Ed\"@e"},
    {"C%3C-%3ED@E", "C%3C-%3ED@E", "c%3c-%3ed@e"},
    {"\"c<-%3ed\"@e", "\"c<-%3ed\"@e", "\"c%3C-%3ed\"@e"},
    {"\"c%<->d\"@e", "\"c%<->d\"@e", "\"c%%3C-%3Ed\"@e"},
    {"c%253C-d@e", "c%253C-d@e", "c%253c-d@e"},
};

START_TEST(no_two_addresses_share_an_identity_for_their_angles) {
    for (size_t i = 0; i < sizeof angles / sizeof *angles; i++) {
        check_taken(CHANNEL_EMAIL, &angles[i]);
        for (size_t k = 0; k < i; k++) {
            ck_assert_str_ne(angles[i].normalized, angles[k].normalized);
        }
    }
}
END_TEST

START_TEST(normalizing_twice_changes_nothing) {
    for (size_t i = 0; i < sizeof emails / sizeof *emails; i++) {
        struct sample again = {emails[i].normalized, emails[i].normalized, emails[i].normalized};
        check_taken(CHANNEL_EMAIL, &again);
    }
    for (size_t i = 0; i < sizeof phones / sizeof *phones; i++) {
        struct sample again = {phones[i].normalized, phones[i].normalized, phones[i].normalized};
        check_taken(CHANNEL_SMS, &again);
    }
}
END_TEST

START_TEST(random_text_is_taken_or_refused_but_never_half) {
    static const char alphabet[] = "ab@+<>[]()mailto:%2B. \t\xc3\xa9\xff?1-";
    srandom(3);
    for (int i = 0; i < 50000; i++) {
        size_t length = (size_t)random() % 24;
        char *text = malloc(length + 1);
        for (size_t k = 0; k < length; k++) {
            text[k] = alphabet[(size_t)random() % (sizeof alphabet - 1)];
        }
        text[length] = '\0';
        struct address address = {0};
        char reason[ADDRESS_REASON_SIZE];
        const char *error =
            address_parse(i % 2 ? CHANNEL_SMS : CHANNEL_EMAIL, ADDRESS_FROM, text, NULL, &address, reason);
        ASSERT_EACH((error == NULL) == (address.shown != NULL && address.normalized != NULL));
        address_free(&address);
        free(text);
    }
}
END_TEST

static void check_key(enum channel channel, const char *one, const char *other, const char *expected) {
    char *key = conversation_key(channel, one, other);
    ck_assert_str_eq(key, expected);
    free(key);
}

START_TEST(both_directions_meet_in_one_conversation) {
    check_key(CHANNEL_SMS, "+12016661234", "+18045551234", "sms:+12016661234<->+18045551234");
    check_key(CHANNEL_SMS, "+18045551234", "+12016661234", "sms:+12016661234<->+18045551234");
    check_key(CHANNEL_EMAIL, "user@x.com", "contact@gmail.com", "email:contact@gmail.com<->user@x.com");
}
END_TEST

START_TEST(participants_are_ordered_by_bytes) {
    check_key(CHANNEL_SMS, "9", "+1", "sms:+1<->9");
    check_key(CHANNEL_EMAIL, "\xc3\xa4@x", "z@x", "email:z@x<->\xc3\xa4@x"); // not by a locale, nor by signed char
    check_key(CHANNEL_EMAIL, "a@x", "a@x", "email:a@x<->a@x");
    check_key(CHANNEL_EMAIL, "ab@x", "a@x", "email:a@x<->ab@x");
}
END_TEST

static char *key_of(const char *from, const char *to) {
    struct address sender, recipient;
    char reason[ADDRESS_REASON_SIZE];
    ck_assert_ptr_null(address_parse(CHANNEL_EMAIL, ADDRESS_FROM, from, NULL, &sender, reason));
    ck_assert_ptr_null(address_parse(CHANNEL_EMAIL, ADDRESS_TO, to, NULL, &recipient, reason));
    char *key = conversation_key(CHANNEL_EMAIL, sender.normalized, recipient.normalized);
    address_free(&sender);
    address_free(&recipient);
    return key;
}

START_TEST(addresses_that_look_like_a_key_have_conversations_of_their_own) {
    char *one = key_of("a@b", "\"c<->d\"@e"), *other = key_of("\"a@b<->c\"@b", "d@e");
    ck_assert_str_eq(one, "email:\"c%3C-%3Ed\"@e<->a@b");
    ck_assert_str_eq(other, "email:\"a@b%3C-%3Ec\"@b<->d@e");
    free(one);
    free(other);
}
END_TEST

START_TEST(channels_are_called_sms_and_email) {
    ck_assert_str_eq(channel_name(CHANNEL_SMS), "sms");
    ck_assert_str_eq(channel_name(CHANNEL_EMAIL), "email");
}
END_TEST

Suite *suite_message_address(void) {
    Suite *suite = suite_create("message_address");
    TCase *tests = tcase_create("address");
    tcase_add_loop_test(tests, a_phone_is_its_digits_with_its_leading_plus, 0, sizeof phones / sizeof *phones);
    tcase_add_loop_test(tests, what_is_no_phone_is_refused, 0, sizeof bad_phones / sizeof *bad_phones);
    tcase_add_loop_test(tests, an_email_is_compared_in_lower_case_without_its_tag, 0, sizeof emails / sizeof *emails);
    tcase_add_loop_test(tests, what_is_no_email_is_refused, 0, sizeof bad_emails / sizeof *bad_emails);
    tcase_add_loop_test(tests, a_character_that_is_refused_is_named, 0, sizeof named / sizeof *named);
    tcase_add_loop_test(tests, several_emails_are_refused, 0, sizeof several_emails / sizeof *several_emails);
    tcase_add_loop_test(tests, several_phones_are_refused, 0, sizeof several_phones / sizeof *several_phones);
    tcase_add_loop_test(tests, a_sender_id_may_send, 0, sizeof sender_ids / sizeof *sender_ids);
    tcase_add_loop_test(tests, what_is_no_sender_id_is_refused, 0, sizeof bad_sender_ids / sizeof *bad_sender_ids);
    tcase_add_loop_test(tests, a_webhooks_address_is_kept, 0, sizeof kept / sizeof *kept);
    tcase_add_loop_test(tests, an_identity_is_its_own, 0, sizeof kept / sizeof *kept);
    tcase_add_test(tests, what_is_blank_is_not_kept);
    tcase_add_test(tests, a_long_name_is_kept_by_its_hash);
    tcase_add_test(tests, a_webhook_may_bring_16384_bytes);
    tcase_add_test(tests, a_long_name_before_an_address_is_fine_in_a_webhook);
    tcase_add_test(tests, an_end_is_looked_for_in_vain_64_times_at_most);
    tcase_add_test(tests, a_text_of_beginnings_alone_is_read);
    tcase_add_test(tests, an_empty_address_is_refused_as_empty);
    tcase_add_test(tests, a_control_character_within_is_refused);
    tcase_add_test(tests, at_most_320_bytes_are_taken);
    tcase_add_test(tests, a_link_counts_as_the_plain_address_does);
    tcase_add_test(tests, normalizing_twice_changes_nothing);
    tcase_add_test(tests, random_text_is_taken_or_refused_but_never_half);
    tcase_add_test(tests, both_directions_meet_in_one_conversation);
    tcase_add_test(tests, participants_are_ordered_by_bytes);
    tcase_add_test(tests, no_two_addresses_share_an_identity_for_their_angles);
    tcase_add_test(tests, addresses_that_look_like_a_key_have_conversations_of_their_own);
    tcase_add_test(tests, channels_are_called_sms_and_email);
    suite_add_tcase(suite, tests);
    return suite;
}
