// SPDX-License-Identifier: MIT
#include "shared/redis/certificates.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/authorities.h"
#include "shared/loop/tls.h"

// Where bin/start.sh --ephemeral has its own Redis, whatever files .env names for another.
#define PRIVATE_HOST "127.0.0.1"

static char *refuse_file(const char *setting, const char *path, const char *why) {
    return xasprintf("%s: \"%s\": it %s", setting, path, why);
}

static char *check_certificates(const char *setting, const char *path) {
    char *why = authorities_check(path);
    char *error = why != NULL ? refuse_file(setting, path, why) : NULL;
    free(why);
    return error;
}

// A certificate without its key proves nothing; and files that nothing uses would let one believe in TLS where there is
// none.
static const char *refuse_combination(const struct settings *settings, const struct redis_url *url) {
    bool unused = !url->tls && strcmp(url->hosts[0].host, PRIVATE_HOST) != 0;
    bool ca = settings->redis_ca_file[0] != '\0', certificate = settings->redis_cert_file[0] != '\0';
    bool key = settings->redis_key_file[0] != '\0';
    if (certificate && !key) {
        return "REDIS_KEY_FILE: the key of REDIS_CERT_FILE's certificate is missing";
    }
    if (key && !certificate) {
        return "REDIS_CERT_FILE: the certificate of REDIS_KEY_FILE's key is missing";
    }
    if (unused && ca) {
        return "REDIS_CA_FILE: REDIS_URL asks for no TLS: write rediss:// there, or leave this empty";
    }
    if (unused && certificate) {
        return "REDIS_CERT_FILE: REDIS_URL asks for no TLS: write rediss:// there, or leave this empty";
    }
    return NULL;
}

// What OpenSSL says last; it is forgotten.
static char *refuse_unusable(const char *setting, const char *path) {
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    char *why = xasprintf("can't be used: %s", reason != NULL ? reason : "unknown error");
    char *error = refuse_file(setting, path, why);
    free(why);
    ERR_clear_error();
    return error;
}

// OpenSSL would ask on the terminal.
static int certificates_on_passphrase(char *out, int size, int writing, void *argument) {
    (void)out;
    (void)size;
    (void)writing;
    bool *asked = argument;
    *asked = true;
    return -1;
}

static char *load_key(SSL_CTX *context, const char *path) {
    bool asked = false;
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return xasprintf("REDIS_KEY_FILE: \"%s\": it can't be read: %s", path, strerror(errno));
    }
    fclose(file);
    SSL_CTX_set_default_passwd_cb(context, certificates_on_passphrase);
    SSL_CTX_set_default_passwd_cb_userdata(context, &asked);
    ERR_clear_error();
    int loaded = SSL_CTX_use_PrivateKey_file(context, path, SSL_FILETYPE_PEM);
    int reason = ERR_GET_REASON(ERR_peek_last_error());
    SSL_CTX_set_default_passwd_cb_userdata(context, NULL);
    ERR_clear_error();
    if (loaded == 1) {
        return NULL;
    }
    return refuse_file("REDIS_KEY_FILE", path,
                       asked                                  ? "is locked by a passphrase: write it without one"
                       : reason == X509_R_KEY_VALUES_MISMATCH ? "is not the key of REDIS_CERT_FILE's certificate"
                                                              : "holds no private key in PEM form that can be read");
}

static char *load_own(SSL_CTX *context, const struct settings *settings) {
    const char *path = settings->redis_cert_file;
    if (path[0] == '\0') {
        return NULL;
    }
    char *error = check_certificates("REDIS_CERT_FILE", path);
    if (error == NULL && SSL_CTX_use_certificate_chain_file(context, path) != 1) {
        error = refuse_unusable("REDIS_CERT_FILE", path);
    }
    return error != NULL ? error : load_key(context, settings->redis_key_file);
}

static char *load_authorities(SSL_CTX *context, const char *path) {
    if (SSL_CTX_set_default_verify_paths(context) != 1) {
        mem_exhausted(); // where there are none, that is no error
    }
    char *error = path[0] != '\0' ? check_certificates("REDIS_CA_FILE", path) : NULL;
    if (error == NULL && path[0] != '\0' && SSL_CTX_load_verify_locations(context, path, NULL) != 1) {
        error = refuse_unusable("REDIS_CA_FILE", path);
    }
    ERR_clear_error();
    return error;
}

SSL_CTX *redis_certificates_read(const struct settings *settings, const struct redis_url *url, char **error) {
    const char *refusal = refuse_combination(settings, url);
    *error = refusal != NULL ? xstrdup(refusal) : NULL;
    if (refusal != NULL || !url->tls) {
        return NULL;
    }
    SSL_CTX *context = tls_context_create();
    *error = load_authorities(context, settings->redis_ca_file);
    if (*error == NULL) {
        *error = load_own(context, settings);
    }
    if (*error != NULL) {
        SSL_CTX_free(context);
        return NULL;
    }
    return context;
}
