// SPDX-License-Identifier: MIT
//
// libssl, with a BIO of our own in place of a socket: it reads where the bytes arrived and writes into the buffer that
// is written from. Rejected: OpenSSL's memory BIOs, which copy everything once more each way.
//
// What went wrong is told from what the protocol fixes: the header of the server's first record, the numbers of alerts.
// OpenSSL's reasons and its words for them are other ones in each of its releases.
#include "shared/loop/tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum {
    RECORD_BYTES = 16 * 1024,           // the most that one record holds
    SEALED_BYTES = RECORD_BYTES + 2048, // the most that it takes (RFC 5246, 6.2.3)
    HEADER_BYTES = 5,
    MOST_DETAIL = 200,
};

struct tls {
    SSL *ssl;
    SSL_CTX *context;
    char *host;
    struct tls_memory *memory;
    SSL_SESSION *offered; // what was remembered, from the handshake's begin on; NULL: none
    const char *input;    // what was fed and isn't read yet
    size_t input_length;
    unsigned char header[HEADER_BYTES]; // what the server sent first
    size_t header_length;
    struct buf output;
    bool asked;     // for a certificate, and we have none
    int alert_sent; // its number; 0: none
    enum tls_trouble trouble;
    struct buf detail;
    char plain[RECORD_BYTES];
};

// ---- The BIO

static int tls_bio_read(BIO *bio, char *out, size_t room, size_t *length) {
    struct tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    *length = tls->input_length < room ? tls->input_length : room;
    if (*length == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    memcpy(out, tls->input, *length);
    tls->input += *length;
    tls->input_length -= *length;
    return 1;
}

static int tls_bio_write(BIO *bio, const char *data, size_t length, size_t *written) {
    struct tls *tls = BIO_get_data(bio);
    buf_append(&tls->output, data, length);
    *written = length;
    return 1;
}

static long tls_bio_control(BIO *bio, int command, long number, void *pointer) {
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *bio_method;

static void tls_make_bio_method(void) {
    bio_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "a loop's");
    if (bio_method == NULL || BIO_meth_set_read_ex(bio_method, tls_bio_read) != 1 ||
        BIO_meth_set_write_ex(bio_method, tls_bio_write) != 1 || BIO_meth_set_ctrl(bio_method, tls_bio_control) != 1) {
        mem_exhausted();
    }
}

static BIO *tls_bio_create(struct tls *tls) {
    static uv_once_t once = UV_ONCE_INIT;
    uv_once(&once, tls_make_bio_method);
    BIO *bio = BIO_new(bio_method);
    if (bio == NULL) {
        mem_exhausted();
    }
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    return bio;
}

// ---- What went wrong

static void tls_fail(struct tls *tls, enum tls_trouble trouble) {
    if (tls->trouble == TLS_NO_TROUBLE) {
        tls->trouble = trouble;
    }
}

// The server may have written it.
static void tls_put_detail(struct tls *tls, const char *text, size_t length) {
    for (size_t i = 0; i < length && tls->detail.length < MOST_DETAIL; i++) {
        buf_putc(&tls->detail, text[i] >= ' ' && text[i] <= '~' ? text[i] : '?');
    }
}

static void tls_put_name(struct tls *tls, const char *name, size_t length) {
    if (tls->detail.length > 0) {
        tls_put_detail(tls, ", ", 2);
    }
    tls_put_detail(tls, name, length);
}

static void tls_put_alternative(struct tls *tls, const GENERAL_NAME *alternative) {
    int type;
    const ASN1_STRING *value = GENERAL_NAME_get0_value(alternative, &type);
    char address[INET6_ADDRSTRLEN];
    if (type == GEN_DNS) {
        tls_put_name(tls, (const char *)ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value));
    } else if (type == GEN_IPADD) {
        int family = ASN1_STRING_length(value) == 4 ? AF_INET : AF_INET6;
        bool whole = ASN1_STRING_length(value) == 4 || ASN1_STRING_length(value) == 16;
        if (whole && inet_ntop(family, ASN1_STRING_get0_data(value), address, sizeof address) != NULL) {
            tls_put_name(tls, address, strlen(address));
        }
    }
}

// What counts as a name where there is no other (RFC 6125, 6.4.4).
static void tls_put_common_names(struct tls *tls, X509 *certificate) {
    const X509_NAME *subject = X509_get_subject_name(certificate);
    for (int i = -1; (i = X509_NAME_get_index_by_NID(subject, NID_commonName, i)) >= 0;) {
        const ASN1_STRING *value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, i));
        tls_put_name(tls, (const char *)ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value));
    }
}

static void tls_describe_hosts(struct tls *tls, X509 *certificate, bool is_name) {
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        tls_put_alternative(tls, sk_GENERAL_NAME_value(names, i));
    }
    GENERAL_NAMES_free(names);
    if (tls->detail.length == 0 && is_name) {
        tls_put_common_names(tls, certificate);
    }
    if (tls->detail.length == 0) {
        tls_put_detail(tls, "no host at all", 14);
    }
}

static void tls_describe_issuer(struct tls *tls, X509 *certificate) {
    char *name = X509_NAME_oneline(X509_get_issuer_name(certificate), NULL, 0);
    if (name != NULL) {
        tls_put_detail(tls, name, strlen(name));
    }
    OPENSSL_free(name);
}

static void tls_describe_time(struct tls *tls, const ASN1_TIME *time) {
    struct tm parts;
    char text[32];
    if (ASN1_TIME_to_tm(time, &parts) == 1) {
        tls_put_detail(tls, text, strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts));
    }
}

static void tls_describe_certificate(struct tls *tls, int error, X509 *certificate) {
    switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        tls_fail(tls, TLS_EXPIRED);
        tls_describe_time(tls, X509_get0_notAfter(certificate));
        break;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        tls_fail(tls, TLS_EARLY);
        tls_describe_time(tls, X509_get0_notBefore(certificate));
        break;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        tls_fail(tls, TLS_OTHER_HOST);
        tls_describe_hosts(tls, certificate, error == X509_V_ERR_HOSTNAME_MISMATCH);
        break;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        tls_fail(tls, TLS_UNKNOWN_AUTHORITY);
        tls_describe_issuer(tls, certificate);
        break;
    default: {
        const char *why = X509_verify_cert_error_string(error);
        tls_fail(tls, TLS_BAD_CERTIFICATE);
        tls_put_detail(tls, why, strlen(why));
    }
    }
}

static int tls_on_verified(int good, X509_STORE_CTX *store) {
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls *tls = SSL_get_app_data(ssl);
    X509 *certificate = X509_STORE_CTX_get_current_cert(store);
    if (!good && tls->trouble == TLS_NO_TROUBLE && certificate != NULL) {
        tls_describe_certificate(tls, X509_STORE_CTX_get_error(store), certificate);
    }
    return good;
}

static int tls_on_certificate_asked(SSL *ssl, X509 **certificate, EVP_PKEY **key) {
    (void)certificate, (void)key;
    struct tls *tls = SSL_get_app_data(ssl);
    tls->asked = true;
    return 0; // none
}

static void tls_on_information(const SSL *ssl, int where, int number) {
    struct tls *tls = SSL_get_app_data(ssl);
    if (where == SSL_CB_WRITE_ALERT) {
        tls->alert_sent = number & 0xff; // above it is the level
    }
}

// What OpenSSL makes of other bytes depends on its release.
static bool tls_began_with_a_record(const struct tls *tls) {
    const unsigned char *header = tls->header;
    return tls->header_length < HEADER_BYTES ||
           (header[0] >= SSL3_RT_CHANGE_CIPHER_SPEC && header[0] <= SSL3_RT_APPLICATION_DATA &&
            header[1] == SSL3_VERSION_MAJOR && (header[3] << 8 | header[4]) <= SEALED_BYTES);
}

static bool tls_has_certificate(const struct tls *tls) {
    return SSL_get_certificate(tls->ssl) != NULL;
}

static enum tls_trouble trouble_of_alert(const struct tls *tls, int alert) {
    switch (alert) {
    case TLS13_AD_CERTIFICATE_REQUIRED:
        return TLS_WANTS_CERTIFICATE;
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_HANDSHAKE_FAILURE: // how TLS 1.2 says it, and that there is no cipher in common
        return tls->asked                                                    ? TLS_WANTS_CERTIFICATE
               : alert == SSL_AD_BAD_CERTIFICATE && tls_has_certificate(tls) ? TLS_REFUSES_CERTIFICATE
                                                                             : TLS_NOTHING_IN_COMMON;
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_CERTIFICATE_REVOKED:
    case SSL_AD_CERTIFICATE_EXPIRED:
    case SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_UNKNOWN_CA:
    case SSL_AD_ACCESS_DENIED:
    case SSL_AD_DECRYPT_ERROR:
        return tls_has_certificate(tls) ? TLS_REFUSES_CERTIFICATE : TLS_OTHER_TROUBLE;
    case SSL_AD_PROTOCOL_VERSION:
    case SSL_AD_INSUFFICIENT_SECURITY:
        return TLS_NOTHING_IN_COMMON;
    default:
        return TLS_OTHER_TROUBLE;
    }
}

// RFC 8446, 6, and RFC 5246, 7.2
static const struct {
    int number;
    const char *words;
} alerts[] = {
    {SSL_AD_UNEXPECTED_MESSAGE, "unexpected message"},
    {SSL_AD_BAD_RECORD_MAC, "bad record MAC"},
    {SSL_AD_RECORD_OVERFLOW, "record overflow"},
    {SSL_AD_HANDSHAKE_FAILURE, "handshake failure"},
    {SSL_AD_BAD_CERTIFICATE, "bad certificate"},
    {SSL_AD_UNSUPPORTED_CERTIFICATE, "unsupported certificate"},
    {SSL_AD_CERTIFICATE_REVOKED, "certificate revoked"},
    {SSL_AD_CERTIFICATE_EXPIRED, "certificate expired"},
    {SSL_AD_CERTIFICATE_UNKNOWN, "certificate unknown"},
    {SSL_AD_ILLEGAL_PARAMETER, "illegal parameter"},
    {SSL_AD_UNKNOWN_CA, "unknown CA"},
    {SSL_AD_ACCESS_DENIED, "access denied"},
    {SSL_AD_DECODE_ERROR, "decode error"},
    {SSL_AD_DECRYPT_ERROR, "decrypt error"},
    {SSL_AD_PROTOCOL_VERSION, "protocol version"},
    {SSL_AD_INSUFFICIENT_SECURITY, "insufficient security"},
    {SSL_AD_INTERNAL_ERROR, "internal error"},
    {TLS13_AD_MISSING_EXTENSION, "missing extension"},
    {SSL_AD_UNSUPPORTED_EXTENSION, "unsupported extension"},
    {SSL_AD_UNRECOGNIZED_NAME, "unrecognized name"},
    {TLS13_AD_CERTIFICATE_REQUIRED, "certificate required"},
};

static void tls_describe_alert(struct tls *tls, int alert) {
    char text[64];
    const char *words = "of no known kind";
    for (size_t i = 0; i < sizeof alerts / sizeof *alerts; i++) {
        if (alerts[i].number == alert) {
            words = alerts[i].words;
        }
    }
    tls_put_detail(tls, text, (size_t)snprintf(text, sizeof text, "alert %d, %s", alert, words));
}

// What was found here and not by the server.
static enum tls_trouble trouble_of_its_own(const struct tls *tls) {
    return !tls_began_with_a_record(tls)                ? TLS_NO_TLS
           : tls->alert_sent == SSL_AD_PROTOCOL_VERSION ? TLS_NOTHING_IN_COMMON
                                                        : TLS_OTHER_TROUBLE;
}

// OpenSSL's first error; all are forgotten.
static void tls_take_error(struct tls *tls) {
    unsigned long error = ERR_peek_error();
    int alert = ERR_GET_REASON(error) - SSL_AD_REASON_OFFSET; // one that came
    ERR_clear_error();
    if (tls->trouble != TLS_NO_TROUBLE) {
        return; // the certificate's
    }
    if (ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE) {
        mem_exhausted();
    }
    if (ERR_GET_LIB(error) == ERR_LIB_SSL && alert > 0) {
        tls_fail(tls, trouble_of_alert(tls, alert));
        tls_describe_alert(tls, alert);
        return;
    }
    const char *why = ERR_reason_error_string(error);
    why = why != NULL ? why : "it broke off";
    tls_fail(tls, trouble_of_its_own(tls));
    tls_put_detail(tls, why, strlen(why));
}

// ---- Sessions

void tls_memory_clear(struct tls_memory *memory) {
    SSL_SESSION_free(memory->session);
    SSL_CTX_free(memory->context);
    free(memory->host);
    *memory = (struct tls_memory){0};
}

// Takes ownership of session.
static void tls_remember(struct tls *tls, SSL_SESSION *session) {
    tls_memory_clear(tls->memory);
    SSL_CTX_up_ref(tls->context);
    *tls->memory = (struct tls_memory){.session = session, .context = tls->context, .host = xstrdup(tls->host)};
}

// Of TLS 1.3 there are several, after the handshake.
static int tls_on_session(SSL *ssl, SSL_SESSION *session) {
    struct tls *tls = SSL_get_app_data(ssl);
    if (tls->memory == NULL) {
        return 0;
    }
    tls_remember(tls, session);
    return 1; // it is ours now
}

// A server that resumes a session shows no certificate; so it must have shown it for this host.
static void tls_offer_session(struct tls *tls) {
    struct tls_memory *memory = tls->memory;
    if (memory != NULL && memory->session != NULL && memory->context == tls->context &&
        strcmp(memory->host, tls->host) == 0) {
        SSL_set_session(tls->ssl, memory->session);
        tls->offered = memory->session;
        memory->session = NULL;
    }
}

// The server goes on with it, and has given no newer one yet.
static void tls_remember_offered(struct tls *tls) {
    if (tls->offered != NULL && tls->memory->session == NULL && tls_was_resumed(tls)) {
        tls_remember(tls, tls->offered);
        tls->offered = NULL;
    }
}

// ---- Life

SSL_CTX *tls_context_create(void) {
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (context == NULL || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1) {
        mem_exhausted();
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, tls_on_verified);
    SSL_CTX_set_client_cert_cb(context, tls_on_certificate_asked);
    SSL_CTX_set_info_callback(context, tls_on_information);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, tls_on_session);
    SSL_CTX_set_read_ahead(context, 1); // takes what was fed in one piece
    return context;
}

static int tls_expect_host(struct tls *tls) {
    X509_VERIFY_PARAM *parameters = SSL_get0_param(tls->ssl);
    if (X509_VERIFY_PARAM_set1_ip_asc(parameters, tls->host) == 1) {
        return 1;
    }
    X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return X509_VERIFY_PARAM_set1_host(parameters, tls->host, 0) == 1
               ? (int)SSL_set_tlsext_host_name(tls->ssl, tls->host)
               : 0;
}

struct tls *tls_create(SSL_CTX *context, const char *host, struct tls_memory *memory) {
    struct tls *tls = xcalloc(1, sizeof *tls);
    SSL_CTX_up_ref(context);
    tls->context = context;
    tls->host = xstrdup(host);
    tls->memory = memory;
    tls->ssl = SSL_new(context);
    if (tls->ssl == NULL || tls_expect_host(tls) != 1) {
        mem_exhausted();
    }
    BIO *bio = tls_bio_create(tls);
    SSL_set_bio(tls->ssl, bio, bio);
    SSL_set_app_data(tls->ssl, tls);
    SSL_set_connect_state(tls->ssl);
    ERR_clear_error();
    return tls;
}

// OpenSSL takes the session of a connection that wasn't ended by both sides for one that may not be resumed.
void tls_destroy(struct tls *tls) {
    if (tls->trouble == TLS_NO_TROUBLE) {
        SSL_set_shutdown(tls->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    }
    SSL_free(tls->ssl);
    SSL_SESSION_free(tls->offered);
    SSL_CTX_free(tls->context);
    buf_free(&tls->output);
    buf_free(&tls->detail);
    free(tls->host);
    free(tls);
}

void tls_feed(struct tls *tls, const char *data, size_t length) {
    for (size_t i = 0; i < length && tls->header_length < HEADER_BYTES; i++) {
        tls->header[tls->header_length++] = (unsigned char)data[i];
    }
    tls->input = data;
    tls->input_length = length;
}

// What a call that didn't succeed came to: 0 where more must arrive.
static int tls_judge(struct tls *tls, int result) {
    int error = SSL_get_error(tls->ssl, result);
    if (error == SSL_ERROR_WANT_READ) {
        return 0;
    }
    if (error != SSL_ERROR_ZERO_RETURN) {
        tls_take_error(tls);
    }
    return -1;
}

int tls_shake(struct tls *tls) {
    ERR_clear_error();
    if (SSL_in_before(tls->ssl)) {
        tls_offer_session(tls);
    }
    int result = SSL_do_handshake(tls->ssl);
    if (result != 1) {
        return tls_judge(tls, result);
    }
    tls_remember_offered(tls);
    return 1;
}

ssize_t tls_read(struct tls *tls, const char **out) {
    size_t length;
    if (tls->input_length == 0 && SSL_has_pending(tls->ssl) == 0) {
        return 0; // which OpenSSL would find out at the cost of a record
    }
    ERR_clear_error();
    int result = SSL_read_ex(tls->ssl, tls->plain, sizeof tls->plain, &length);
    *out = tls->plain;
    return result == 1 ? (ssize_t)length : tls_judge(tls, result);
}

// A message that came only in part, e.g. a ticket longer than a record, is waited for before anything is sealed.
int tls_write(struct tls *tls, const char *data, size_t length) {
    size_t written;
    ERR_clear_error();
    if (SSL_write_ex(tls->ssl, data, length, &written) == 1) {
        return 0;
    }
    return tls_judge(tls, 0) == 0 ? 1 : -1;
}

void tls_end(struct tls *tls) {
    ERR_clear_error();
    (void)SSL_shutdown(tls->ssl); // what the server says to it nobody waits for
    ERR_clear_error();
}

struct buf *tls_output(struct tls *tls) {
    return &tls->output;
}

enum tls_trouble tls_trouble(const struct tls *tls) {
    return tls->trouble;
}

const char *tls_detail(const struct tls *tls) {
    return tls->detail.data != NULL ? tls->detail.data : "";
}

const char *tls_version(const struct tls *tls) {
    return SSL_get_version(tls->ssl);
}

bool tls_was_resumed(const struct tls *tls) {
    return SSL_session_reused(tls->ssl) == 1;
}
