// SPDX-License-Identifier: MIT
// The client's side of TLS against OpenSSL's own server, in memory: whatever pieces the bytes come in.
#include "shared/loop/tls.h"

#include <check.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/certificates.h"

Suite *suite_loop_tls(void);

enum { ALL_AT_ONCE = 1 << 20 };

static char folder[] = "/tmp/loop-tls-XXXXXX";

struct pair {
    SSL_CTX *client_context, *server_context;
    struct tls *client;
    SSL *server;
    size_t piece;   // of bytes, in which the client gets them
    struct buf got; // what it has read
};

static void make_certificates(void) {
    ck_assert_ptr_nonnull(mkdtemp(folder));
    certificates_make(folder);
}

static int loop_tls_remove_one(const char *path, const struct stat *status, int type, struct FTW *where) {
    (void)status, (void)type, (void)where;
    return remove(path);
}

static void remove_certificates(void) {
    nftw(folder, loop_tls_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static const char *in_folder(const char *name) {
    static char path[64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static SSL *server_create(SSL_CTX *context) {
    SSL *server = SSL_new(context);
    SSL_set_bio(server, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_accept_state(server);
    return server;
}

static struct pair pair_create(const char *host, int version, size_t piece) {
    struct pair pair = {.client_context = tls_context_create(), .server_context = SSL_CTX_new(TLS_server_method())};
    ck_assert_int_eq(SSL_CTX_load_verify_locations(pair.client_context, in_folder("authority.pem"), NULL), 1);
    ck_assert_int_eq(SSL_CTX_use_certificate_chain_file(pair.server_context, in_folder("good.pem")), 1);
    ck_assert_int_eq(SSL_CTX_use_PrivateKey_file(pair.server_context, in_folder("good.key"), SSL_FILETYPE_PEM), 1);
    ck_assert_int_eq(SSL_CTX_set_max_proto_version(pair.server_context, version), 1);
    pair.client = tls_create(pair.client_context, host, NULL);
    pair.server = server_create(pair.server_context);
    pair.piece = piece;
    return pair;
}

static void pair_free(struct pair *pair) {
    tls_destroy(pair->client);
    SSL_free(pair->server);
    SSL_CTX_free(pair->client_context);
    SSL_CTX_free(pair->server_context);
    buf_free(&pair->got);
}

static void carry_to_server(struct pair *pair) {
    struct buf *output = tls_output(pair->client);
    if (output->length > 0) {
        ck_assert_int_eq(BIO_write(SSL_get_rbio(pair->server), output->data, (int)output->length), (int)output->length);
        buf_clear(output);
    }
}

static ssize_t read_all(struct pair *pair) {
    const char *plain;
    ssize_t length;
    while ((length = tls_read(pair->client, &plain)) > 0) {
        buf_append(&pair->got, plain, (size_t)length);
    }
    return length;
}

// Gives the client what the server has written, piece by piece; it takes them with `step`. Returns the last result.
static int carry_to_client(struct pair *pair, int (*step)(struct pair *pair)) {
    static char bytes[ALL_AT_ONCE];
    int length, result = 0;
    while (result >= 0 && (length = BIO_read(SSL_get_wbio(pair->server), bytes, (int)pair->piece)) > 0) {
        tls_feed(pair->client, bytes, (size_t)length);
        result = step(pair);
    }
    return result;
}

static bool is_done;

static int step_of_handshake(struct pair *pair) {
    int result = is_done ? 1 : tls_shake(pair->client);
    is_done = result == 1;
    return is_done ? (int)read_all(pair) : result;
}

static int step_of_reading(struct pair *pair) {
    return (int)read_all(pair);
}

static int shake_hands(struct pair *pair) {
    int result = tls_shake(pair->client);
    is_done = false;
    for (int turns = 0; turns < 10 && result >= 0 && !(is_done && SSL_is_init_finished(pair->server)); turns++) {
        carry_to_server(pair);
        (void)SSL_do_handshake(pair->server);
        result = carry_to_client(pair, step_of_handshake);
    }
    return result;
}

static const struct {
    int version;
    size_t piece;
} ways[] = {{TLS1_2_VERSION, ALL_AT_ONCE}, {TLS1_3_VERSION, ALL_AT_ONCE}, {TLS1_2_VERSION, 1},
            {TLS1_3_VERSION, 1},           {TLS1_2_VERSION, 7},           {TLS1_3_VERSION, 1000}};

START_TEST(it_works_whatever_pieces_the_bytes_come_in) {
    enum { BYTES = 100 * 1000 };
    static char sent[BYTES], back[BYTES];
    struct pair pair = pair_create("127.0.0.1", ways[_i].version, ways[_i].piece);
    ck_assert_int_eq(shake_hands(&pair), 0);
    ck_assert(is_done && SSL_is_init_finished(pair.server));
    ck_assert_str_eq(tls_version(pair.client), ways[_i].version == TLS1_2_VERSION ? "TLSv1.2" : "TLSv1.3");
    memset(sent, 's', BYTES);
    ck_assert_int_eq(tls_write(pair.client, sent, BYTES), 0);
    carry_to_server(&pair);
    for (int got = 0, length; got < BYTES; got += length) {
        length = SSL_read(pair.server, back + got, BYTES - got);
        ck_assert_int_gt(length, 0);
    }
    ck_assert_mem_eq(sent, back, BYTES);
    ck_assert_int_eq(SSL_write(pair.server, back, BYTES), BYTES);
    ck_assert_int_eq(carry_to_client(&pair, step_of_reading), 0);
    ck_assert_uint_eq(pair.got.length, BYTES);
    ck_assert_mem_eq(pair.got.data, sent, BYTES);
    pair_free(&pair);
}
END_TEST

START_TEST(the_server_s_end_is_no_trouble) {
    struct pair pair = pair_create("127.0.0.1", ways[_i].version, ways[_i].piece);
    ck_assert_int_eq(shake_hands(&pair), 0);
    SSL_write(pair.server, "last", 4);
    SSL_shutdown(pair.server);
    ck_assert_int_eq(carry_to_client(&pair, step_of_reading), -1);
    ck_assert_int_eq(tls_trouble(pair.client), TLS_NO_TROUBLE);
    ck_assert_uint_eq(pair.got.length, 4);
    tls_end(pair.client);
    carry_to_server(&pair);
    ck_assert_int_eq(SSL_shutdown(pair.server), 1); // it was told of our end
    pair_free(&pair);
}
END_TEST

static int put_long_ticket(SSL *ssl, void *argument) {
    static const char data[3000];
    (void)argument;
    return SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), data, sizeof data);
}

static SSL_TICKET_RETURN take_long_ticket(SSL *ssl, SSL_SESSION *session, const unsigned char *name, size_t length,
                                          SSL_TICKET_STATUS status, void *argument) {
    (void)ssl, (void)session, (void)name, (void)length, (void)status, (void)argument;
    return SSL_TICKET_RETURN_IGNORE;
}

// A ticket that is longer than the server's records, as with a client's certificate in it.
START_TEST(what_is_written_while_half_a_ticket_is_there_waits_for_the_rest) {
    char bytes[700], got[8];
    struct pair pair = pair_create("127.0.0.1", TLS1_3_VERSION, ALL_AT_ONCE);
    SSL_set_max_send_fragment(pair.server, 512);
    SSL_CTX_set_session_ticket_cb(pair.server_context, put_long_ticket, take_long_ticket, NULL);
    is_done = false;
    ck_assert_int_eq(tls_shake(pair.client), 0);
    carry_to_server(&pair);
    ck_assert_int_eq(SSL_do_handshake(pair.server), -1);
    ck_assert_int_eq(carry_to_client(&pair, step_of_handshake), 0);
    ck_assert(is_done);
    carry_to_server(&pair);
    ck_assert_int_eq(SSL_do_handshake(pair.server), 1);
    ck_assert_int_eq(BIO_read(SSL_get_wbio(pair.server), bytes, sizeof bytes), sizeof bytes);
    tls_feed(pair.client, bytes, sizeof bytes);
    ck_assert_int_eq(read_all(&pair), 0);
    ck_assert_int_eq(tls_write(pair.client, "early", 5), 1);
    ck_assert_int_eq(tls_trouble(pair.client), TLS_NO_TROUBLE);
    ck_assert_int_eq(carry_to_client(&pair, step_of_reading), 0);
    ck_assert_int_eq(tls_write(pair.client, "later on", 8), 0);
    carry_to_server(&pair);
    ck_assert_int_eq(SSL_read(pair.server, got, sizeof got), 8);
    ck_assert_mem_eq(got, "later on", 8);
    pair_free(&pair);
}
END_TEST

static void connect_anew(struct pair *pair, struct tls_memory *memory) {
    tls_destroy(pair->client);
    SSL_free(pair->server);
    pair->client = tls_create(pair->client_context, "127.0.0.1", memory);
    pair->server = server_create(pair->server_context);
}

// It may be what the server, or what stands before it, hangs up on.
START_TEST(a_session_whose_handshake_has_not_ended_is_offered_no_more) {
    struct tls_memory memory = {0};
    struct pair pair = pair_create("127.0.0.1", ways[_i].version, ways[_i].piece);
    connect_anew(&pair, &memory);
    ck_assert_int_eq(shake_hands(&pair), 0);
    for (int time = 0; time < 2; time++) { // as often as it is taken
        connect_anew(&pair, &memory);
        ck_assert_int_eq(shake_hands(&pair), 0);
        ck_assert(tls_was_resumed(pair.client));
    }
    connect_anew(&pair, &memory); // never got through
    ck_assert_ptr_nonnull(memory.session);
    connect_anew(&pair, &memory);
    ck_assert_int_eq(tls_shake(pair.client), 0);
    connect_anew(&pair, &memory);
    ck_assert_int_eq(shake_hands(&pair), 0);
    ck_assert(!tls_was_resumed(pair.client));
    pair_free(&pair);
    tls_memory_clear(&memory);
}
END_TEST

START_TEST(a_record_that_was_changed_on_its_way_ends_it) {
    static char bytes[ALL_AT_ONCE];
    struct pair pair = pair_create("127.0.0.1", ways[_i].version, ways[_i].piece);
    ck_assert_int_eq(shake_hands(&pair), 0);
    SSL_write(pair.server, "untouched", 9);
    int length = BIO_read(SSL_get_wbio(pair.server), bytes, ALL_AT_ONCE);
    bytes[length - 1] ^= 1;
    tls_feed(pair.client, bytes, (size_t)length);
    ck_assert_int_eq(read_all(&pair), -1);
    ck_assert_uint_eq(pair.got.length, 0);
    ck_assert_int_eq(tls_trouble(pair.client), TLS_OTHER_TROUBLE);
    ck_assert_str_ne(tls_detail(pair.client), "");
    ck_assert_uint_gt(tls_output(pair.client)->length, 0); // the alert
    ck_assert_int_eq(tls_write(pair.client, "x", 1), -1);
    pair_free(&pair);
}
END_TEST

#define ALERT(number) "\x15\x03\x03\x00\x02\x02" number

static const struct {
    const char *bytes; // of which the handshake's end comes
    size_t length;
    enum tls_trouble trouble;
    const char *detail; // NULL: OpenSSL's
} answers[] = {
    {ALERT("\x28"), 7, TLS_NOTHING_IN_COMMON, "alert 40, handshake failure"},
    {ALERT("\x30"), 7, TLS_OTHER_TROUBLE, "alert 48, unknown CA"}, // there was nothing to refuse
    {ALERT("\x46"), 7, TLS_NOTHING_IN_COMMON, "alert 70, protocol version"},
    {ALERT("\x74"), 7, TLS_WANTS_CERTIFICATE, "alert 116, certificate required"},
    {ALERT("\xee"), 7, TLS_OTHER_TROUBLE, "alert 238, of no known kind"},
    {"+PONG\r\n", 7, TLS_NO_TLS, NULL},
    {"\x18\x03\x03\x00\x02\x02\x28", 7, TLS_NO_TLS, NULL}, // a record of no kind
    {"\x16\x02\x00\x00\x02\x02\x28", 7, TLS_NO_TLS, NULL}, // of no version
    {"\x16\x03\x03\x48\x01\x02\x28", 7, TLS_NO_TLS, NULL}, // longer than one may be
    {"\x17\x03\x03\x00\x02\x02\x28", 7, TLS_OTHER_TROUBLE, NULL},
};

START_TEST(what_the_server_answers_is_told_by_its_bytes) {
    struct pair pair = pair_create("127.0.0.1", TLS1_3_VERSION, ALL_AT_ONCE);
    ck_assert_int_eq(tls_shake(pair.client), 0);
    tls_feed(pair.client, answers[_i].bytes, answers[_i].length);
    ck_assert_int_eq(tls_shake(pair.client), -1);
    ck_assert_int_eq(tls_trouble(pair.client), answers[_i].trouble);
    if (answers[_i].detail != NULL) {
        ck_assert_str_eq(tls_detail(pair.client), answers[_i].detail);
    }
    pair_free(&pair);
}
END_TEST

START_TEST(a_server_that_speaks_an_older_version_only_has_nothing_in_common) {
    // A ServerHello of TLS 1.1: its random bytes, no session, a cipher, no compression
    static const char hello[] = "\x16\x03\x02\x00\x2a"
                                "\x02\x00\x00\x26"
                                "\x03\x02"
                                "0123456789abcdef0123456789abcdef"
                                "\x00"
                                "\xc0\x13"
                                "\x00";
    struct pair pair = pair_create("127.0.0.1", TLS1_3_VERSION, ALL_AT_ONCE);
    ck_assert_int_eq(tls_shake(pair.client), 0);
    tls_feed(pair.client, hello, sizeof hello - 1);
    ck_assert_int_eq(tls_shake(pair.client), -1);
    ck_assert_int_eq(tls_trouble(pair.client), TLS_NOTHING_IN_COMMON);
    pair_free(&pair);
}
END_TEST

static const struct {
    const char *host;
    enum tls_trouble trouble;
} hosts[] = {
    {"127.0.0.1", TLS_NO_TROUBLE},      {"::1", TLS_NO_TROUBLE},
    {"localhost", TLS_NO_TROUBLE},      {"127.0.0.2", TLS_OTHER_HOST},
    {"localhost.evil", TLS_OTHER_HOST}, {"good", TLS_OTHER_HOST}, // its common name
};

START_TEST(the_certificate_must_be_for_the_host) {
    struct pair pair = pair_create(hosts[_i].host, TLS1_3_VERSION, ALL_AT_ONCE);
    ck_assert_int_eq(shake_hands(&pair), hosts[_i].trouble == TLS_NO_TROUBLE ? 0 : -1);
    ck_assert_int_eq(tls_trouble(pair.client), hosts[_i].trouble);
    if (hosts[_i].trouble == TLS_OTHER_HOST) {
        ck_assert_str_eq(tls_detail(pair.client), "localhost, 127.0.0.1, ::1");
    }
    pair_free(&pair);
}
END_TEST

static const struct {
    const char *host;
    enum tls_trouble trouble;
    const char *detail;
} hosts_of_plain[] = {
    {"plain", TLS_NO_TROUBLE, ""},
    {"localhost", TLS_OTHER_HOST, "plain"},
    {"127.0.0.1", TLS_OTHER_HOST, "no host at all"}, // a common name is no address
};

START_TEST(a_certificate_without_alternative_names_is_for_its_common_name) {
    struct pair pair = pair_create(hosts_of_plain[_i].host, TLS1_3_VERSION, ALL_AT_ONCE);
    ck_assert_int_eq(SSL_use_certificate_file(pair.server, in_folder("plain.pem"), SSL_FILETYPE_PEM), 1);
    ck_assert_int_eq(SSL_use_PrivateKey_file(pair.server, in_folder("plain.key"), SSL_FILETYPE_PEM), 1);
    ck_assert_int_eq(shake_hands(&pair), hosts_of_plain[_i].trouble == TLS_NO_TROUBLE ? 0 : -1);
    ck_assert_int_eq(tls_trouble(pair.client), hosts_of_plain[_i].trouble);
    ck_assert_str_eq(tls_detail(pair.client), hosts_of_plain[_i].detail);
    pair_free(&pair);
}
END_TEST

// Only names are told: RFC 6066, 3.
START_TEST(a_name_is_told_to_the_server_and_an_address_is_not) {
    struct pair named = pair_create("localhost", TLS1_3_VERSION, ALL_AT_ONCE);
    struct pair numeric = pair_create("127.0.0.1", TLS1_3_VERSION, ALL_AT_ONCE);
    ck_assert_int_eq(shake_hands(&named), 0);
    ck_assert_int_eq(shake_hands(&numeric), 0);
    ck_assert_str_eq(SSL_get_servername(named.server, TLSEXT_NAMETYPE_host_name), "localhost");
    ck_assert_ptr_null(SSL_get_servername(numeric.server, TLSEXT_NAMETYPE_host_name));
    pair_free(&named);
    pair_free(&numeric);
}
END_TEST

Suite *suite_loop_tls(void) {
    enum { EACH_WAY = sizeof ways / sizeof *ways };
    Suite *suite = suite_create("loop_tls");
    TCase *tests = tcase_create("loop_tls");
    tcase_add_unchecked_fixture(tests, make_certificates, remove_certificates);
    tcase_add_loop_test(tests, it_works_whatever_pieces_the_bytes_come_in, 0, EACH_WAY);
    tcase_add_loop_test(tests, the_server_s_end_is_no_trouble, 0, EACH_WAY);
    tcase_add_test(tests, what_is_written_while_half_a_ticket_is_there_waits_for_the_rest);
    tcase_add_loop_test(tests, a_session_whose_handshake_has_not_ended_is_offered_no_more, 0, EACH_WAY);
    tcase_add_loop_test(tests, a_record_that_was_changed_on_its_way_ends_it, 0, EACH_WAY);
    tcase_add_loop_test(tests, what_the_server_answers_is_told_by_its_bytes, 0, sizeof answers / sizeof *answers);
    tcase_add_test(tests, a_server_that_speaks_an_older_version_only_has_nothing_in_common);
    tcase_add_loop_test(tests, the_certificate_must_be_for_the_host, 0, sizeof hosts / sizeof *hosts);
    tcase_add_loop_test(tests, a_certificate_without_alternative_names_is_for_its_common_name, 0,
                        sizeof hosts_of_plain / sizeof *hosts_of_plain);
    tcase_add_test(tests, a_name_is_told_to_the_server_and_an_address_is_not);
    suite_add_tcase(suite, tests);
    return suite;
}
