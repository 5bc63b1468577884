// SPDX-License-Identifier: MIT
#include "shared/provider/own.h"

#include "shared/base/json.h"
#include "shared/provider/x_signature.h"

bool own_has_secret(const struct settings *settings, enum provider provider) {
    for (size_t i = 0; i < WEBHOOK_SECRETS; i++) {
        if (settings->webhook_secrets[provider][i][0] != '\0') {
            return true;
        }
    }
    return false;
}

enum signature own_verify(const struct settings *settings, enum provider provider, const struct provider_post *post,
                          int64_t now_secs, uint8_t id[SIGNATURE_ID_SIZE]) {
    const char *header = provider_post_header(post, X_SIGNATURE_HEADER);
    if (header == NULL) {
        return SIGNATURE_MISSING;
    }
    return x_signature_check(header, post->body, post->length, settings->webhook_secrets[provider], now_secs,
                             settings->webhook_tolerance_secs, id);
}

cJSON *own_read_message(const struct provider_post *post, const char **error) {
    return json_parse_lenient(post->body, post->length, error);
}

static bool own_sms_is_signed(const struct settings *settings) {
    return own_has_secret(settings, PROVIDER_SMS_MMS);
}

static enum signature own_sms_verify(const struct settings *settings, const struct provider_post *post,
                                     int64_t now_secs, uint8_t id[SIGNATURE_ID_SIZE]) {
    return own_verify(settings, PROVIDER_SMS_MMS, post, now_secs, id);
}

const struct provider_way_in own_sms = {
    .provider = PROVIDER_SMS_MMS,
    .route = PROVIDER_ROUTE_MESSAGES,
    .media_type = "application/json",
    .is_signed = own_sms_is_signed,
    .verify = own_sms_verify,
    .read_message = own_read_message,
};
