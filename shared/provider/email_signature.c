// SPDX-License-Identifier: MIT
#include "shared/provider/email_signature.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/crypto.h"
#include "shared/provider/event_key.h"
#include "shared/provider/own.h"
#include "shared/provider/x_signature.h"

struct email_sums {
    struct crypto_sum *event_sum; // NULL: it has no such header
    struct x_signature_sum *own_sum;
    uint8_t event[SHA256_SIZE];
    struct x_signature_digests own;
    bool has_event, has_own;
};

static bool has_key(const struct settings *settings) {
    return settings->webhook_email_public_key[0] != '\0';
}

bool email_is_signed(const struct settings *settings) {
    return has_key(settings) || own_has_secret(settings, PROVIDER_EMAIL);
}

// ---- Sums

struct email_sums *email_sums_begin(const struct settings *settings, const struct provider_post *post) {
    struct email_sums *sums = xcalloc(1, sizeof *sums);
    const char *timestamp = provider_post_header(post, EVENT_KEY_TIMESTAMP_HEADER);
    const char *own = provider_post_header(post, X_SIGNATURE_HEADER);
    if (has_key(settings) && timestamp != NULL) {
        sums->event_sum = crypto_sum_sha256();
        crypto_sum_add(sums->event_sum, timestamp, strlen(timestamp));
    }
    if (own_has_secret(settings, PROVIDER_EMAIL) && own != NULL) {
        sums->own_sum = x_signature_sum_begin(own, settings->webhook_secrets[PROVIDER_EMAIL]);
    }
    return sums;
}

void email_sums_add(struct email_sums *sums, const char *bytes, size_t length) {
    if (sums->event_sum != NULL) {
        crypto_sum_add(sums->event_sum, bytes, length);
    }
    if (sums->own_sum != NULL) {
        x_signature_sum_add(sums->own_sum, bytes, length);
    }
}

static void email_sums_stop(struct email_sums *sums) {
    if (sums->event_sum != NULL) {
        crypto_sum_end(sums->event_sum, sums->event);
        sums->event_sum = NULL;
        sums->has_event = true;
    }
    if (sums->own_sum != NULL) {
        x_signature_sum_end(sums->own_sum, &sums->own);
        sums->own_sum = NULL;
        sums->has_own = true;
    }
}

void email_sums_end(struct email_sums *sums) {
    email_sums_stop(sums);
}

void email_sums_free(struct email_sums *sums) {
    email_sums_stop(sums);
    free(sums);
}

// ---- Verdicts

static enum signature email_verify_event(const struct settings *settings, const struct provider_post *post,
                                         int64_t now_secs, uint8_t id[SIGNATURE_ID_SIZE]) {
    const char *signature = provider_post_header(post, EVENT_KEY_SIGNATURE_HEADER);
    const char *timestamp = provider_post_header(post, EVENT_KEY_TIMESTAMP_HEADER);
    uint8_t digest[SHA256_SIZE] = {0};
    if (!has_key(settings)) {
        return SIGNATURE_MISSING;
    }
    if (post->sums != NULL) {
        memcpy(digest, post->sums->event, SHA256_SIZE);
    } else if (timestamp != NULL) {
        struct crypto_sum *sum = crypto_sum_sha256();
        crypto_sum_add(sum, timestamp, strlen(timestamp));
        crypto_sum_add(sum, post->body, post->length);
        crypto_sum_end(sum, digest);
    }
    return event_key_check(settings->webhook_email_public_key, signature, timestamp, digest, now_secs,
                           settings->webhook_tolerance_secs, settings->webhook_email_max_age_secs, id);
}

static enum signature email_verify_own(const struct settings *settings, const struct provider_post *post,
                                       int64_t now_secs, uint8_t id[SIGNATURE_ID_SIZE]) {
    const char *header = provider_post_header(post, X_SIGNATURE_HEADER);
    if (!own_has_secret(settings, PROVIDER_EMAIL)) {
        return SIGNATURE_MISSING;
    }
    if (post->sums == NULL || header == NULL) {
        return own_verify(settings, PROVIDER_EMAIL, post, now_secs, id);
    }
    if (!post->sums->has_own) {
        return SIGNATURE_MALFORMED;
    }
    return x_signature_check_digests(header, &post->sums->own, now_secs, settings->webhook_tolerance_secs, id);
}

enum signature email_verify(const struct settings *settings, const struct provider_post *post, int64_t now_secs,
                            uint8_t id[SIGNATURE_ID_SIZE]) {
    enum signature event = email_verify_event(settings, post, now_secs, id);
    if (event == SIGNATURE_RIGHT) {
        return event;
    }
    enum signature own = email_verify_own(settings, post, now_secs, id);
    return own == SIGNATURE_RIGHT || event == SIGNATURE_MISSING ? own : event;
}
