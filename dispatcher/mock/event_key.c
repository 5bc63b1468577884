// SPDX-License-Identifier: MIT
#include "dispatcher/mock/event_key.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/base64.h"
#include "shared/base/buf.h"

struct mock_event_key {
    EVP_PKEY *key;
};

// No terminal is asked for the password of a key that has one.
static int mock_event_key_on_password(char *out, int size, int writing, void *argument) {
    (void)out, (void)size, (void)writing, (void)argument;
    return -1;
}

static bool is_p256(const EVP_PKEY *key) {
    char name[32];
    size_t length;
    return EVP_PKEY_get_base_id(key) == EVP_PKEY_EC && EVP_PKEY_get_group_name(key, name, sizeof name, &length) == 1 &&
           strcmp(name, "prime256v1") == 0;
}

struct mock_event_key *mock_event_key_read(const char *path, char **error) {
    *error = NULL;
    if (*path == '\0') {
        return NULL;
    }
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        *error = xasprintf("can't be read: %s", strerror(errno));
        return NULL;
    }
    EVP_PKEY *read = PEM_read_PrivateKey(file, NULL, mock_event_key_on_password, NULL);
    fclose(file);
    ERR_clear_error();
    if (read == NULL || !is_p256(read)) {
        *error = xstrdup(read == NULL ? "holds no private key in PEM form without a password"
                                      : "holds a key of another kind than the curve P-256 (prime256v1)");
        EVP_PKEY_free(read);
        return NULL;
    }
    struct mock_event_key *key = xmalloc(sizeof *key);
    key->key = read;
    return key;
}

void mock_event_key_free(struct mock_event_key *key) {
    if (key != NULL) {
        EVP_PKEY_free(key->key);
        free(key);
    }
}

char *mock_event_key_sign(const struct mock_event_key *key, const char *timestamp, const char *body, size_t length) {
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    unsigned char signature[128]; // a P-256 signature takes 72 bytes at most
    size_t size = sizeof signature;
    struct buf text = {0};
    if (context == NULL || EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key->key) != 1 ||
        EVP_DigestSignUpdate(context, timestamp, strlen(timestamp)) != 1 ||
        EVP_DigestSignUpdate(context, body, length) != 1 || EVP_DigestSignFinal(context, signature, &size) != 1) {
        mem_exhausted();
    }
    EVP_MD_CTX_free(context);
    base64_encode(signature, size, &text);
    return text.data;
}
