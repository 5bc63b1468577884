// SPDX-License-Identifier: MIT
#include "shared/base/authorities.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "shared/base/buf.h"

// How many certificates were read, up to the first that can't be.
static int count_certificates(FILE *file) {
    int count = 0;
    X509 *certificate;
    while ((certificate = PEM_read_X509(file, NULL, NULL, NULL)) != NULL) {
        X509_free(certificate);
        count++;
    }
    return count;
}

static char *authorities_check_file(FILE *file) {
    ERR_clear_error();
    int count = count_certificates(file);
    unsigned long error = ERR_peek_last_error();
    bool at_end = ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
    ERR_clear_error();
    if (ferror(file)) {
        return xasprintf("can't be read: %s", strerror(errno));
    }
    if (!at_end) {
        return xasprintf("holds a certificate, number %d, that can't be read", count + 1);
    }
    return count > 0 ? NULL : xstrdup("holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)");
}

char *authorities_check(const char *path) {
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return xasprintf("can't be read: %s", strerror(errno));
    }
    char *error = authorities_check_file(file);
    fclose(file);
    return error;
}

char *authorities_read(const char *path) {
    FILE *file = fopen(path, "re");
    struct buf text = {0};
    char piece[4096];
    size_t length;
    if (file == NULL) {
        return NULL;
    }
    while ((length = fread(piece, 1, sizeof piece, file)) > 0) {
        buf_append(&text, piece, length);
    }
    if (ferror(file)) {
        buf_free(&text);
    }
    fclose(file);
    return text.data;
}
