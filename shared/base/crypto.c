// SPDX-License-Identifier: MIT
#include "shared/base/crypto.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"

// Looked up once: to find it by its name, as SHA256() does at each call, takes longer than to hash a few hundred bytes.
static EVP_MD *sha256;
static pthread_once_t sha256_once = PTHREAD_ONCE_INIT;

static void fetch_sha256(void) {
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
}

void crypto_sha256(const void *bytes, size_t length, uint8_t out[SHA256_SIZE]) {
    (void)pthread_once(&sha256_once, fetch_sha256);
    if (sha256 == NULL || EVP_Digest(bytes, length, out, NULL, sha256, NULL) != 1) {
        mem_exhausted();
    }
}

static void hmac(const EVP_MD *hash, const char *key, const void *bytes, size_t length, uint8_t *out) {
    unsigned size;
    if (HMAC(hash, key, (int)strlen(key), bytes, length, out, &size) == NULL) {
        mem_exhausted();
    }
}

void crypto_hmac_sha1(const char *key, const void *bytes, size_t length, uint8_t out[SHA1_SIZE]) {
    hmac(EVP_sha1(), key, bytes, length, out);
}

void crypto_hmac_sha256(const char *key, const void *bytes, size_t length, uint8_t out[SHA256_SIZE]) {
    hmac(EVP_sha256(), key, bytes, length, out);
}

// ---- In pieces

struct crypto_sum {
    EVP_MD_CTX *hash; // one of the two
    EVP_MAC_CTX *mac;
};

struct crypto_sum *crypto_sum_sha256(void) {
    struct crypto_sum *sum = xcalloc(1, sizeof *sum);
    (void)pthread_once(&sha256_once, fetch_sha256);
    sum->hash = EVP_MD_CTX_new();
    if (sha256 == NULL || sum->hash == NULL || EVP_DigestInit_ex(sum->hash, sha256, NULL) != 1) {
        mem_exhausted();
    }
    return sum;
}

struct crypto_sum *crypto_sum_hmac_sha256(const char *key) {
    struct crypto_sum *sum = xcalloc(1, sizeof *sum);
    char digest[] = "SHA256"; // written to by nobody
    const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                                     OSSL_PARAM_construct_end()};
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    sum->mac = mac != NULL ? EVP_MAC_CTX_new(mac) : NULL;
    EVP_MAC_free(mac);
    if (sum->mac == NULL || EVP_MAC_init(sum->mac, (const unsigned char *)key, strlen(key), parameters) != 1) {
        mem_exhausted();
    }
    return sum;
}

void crypto_sum_add(struct crypto_sum *sum, const void *bytes, size_t length) {
    int added =
        sum->hash != NULL ? EVP_DigestUpdate(sum->hash, bytes, length) : EVP_MAC_update(sum->mac, bytes, length);
    if (added != 1) {
        mem_exhausted();
    }
}

void crypto_sum_end(struct crypto_sum *sum, uint8_t out[SHA256_SIZE]) {
    size_t size;
    int ended =
        sum->hash != NULL ? EVP_DigestFinal_ex(sum->hash, out, NULL) : EVP_MAC_final(sum->mac, out, &size, SHA256_SIZE);
    if (ended != 1) {
        mem_exhausted();
    }
    EVP_MD_CTX_free(sum->hash);
    EVP_MAC_CTX_free(sum->mac);
    free(sum);
}

bool crypto_equal(const void *one, const void *other, size_t length) {
    return CRYPTO_memcmp(one, other, length) == 0;
}

// The kernel's generator, which seeds libcrypto's, doesn't fail once it has begun: what is left is memory.
void crypto_random(void *out, size_t length) {
    if (RAND_bytes(out, (int)length) != 1) {
        mem_exhausted();
    }
}
