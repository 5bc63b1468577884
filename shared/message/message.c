// SPDX-License-Identifier: MIT
#include "shared/message/message.h"

#include <string.h>

static const char *const type_names[] = {
    [MESSAGE_SMS] = "sms",
    [MESSAGE_MMS] = "mms",
    [MESSAGE_EMAIL] = "email",
};

static const char *const provider_names[PROVIDER_COUNT] = {
    [PROVIDER_SMS_MMS] = "sms-mms",
    [PROVIDER_EMAIL] = "email",
};

const char *message_type_name(enum message_type type) {
    return type_names[type];
}

int message_type_parse(const char *text, enum message_type *out) {
    for (int i = MESSAGE_SMS; i <= MESSAGE_EMAIL; i++) {
        if (strcmp(text, type_names[i]) == 0) {
            *out = (enum message_type)i;
            return 0;
        }
    }
    return -1;
}

const char *message_direction_name(enum message_direction direction) {
    return direction == MESSAGE_OUTBOUND ? "outbound" : "inbound";
}

enum channel message_channel(enum message_type type) {
    return type == MESSAGE_EMAIL ? CHANNEL_EMAIL : CHANNEL_SMS;
}

enum provider message_provider(enum message_type type) {
    return type == MESSAGE_EMAIL ? PROVIDER_EMAIL : PROVIDER_SMS_MMS;
}

const char *provider_name(enum provider provider) {
    return provider_names[provider];
}

int provider_parse(const char *text, enum provider *out) {
    for (int i = 0; i < PROVIDER_COUNT; i++) {
        if (strcmp(text, provider_names[i]) == 0) {
            *out = (enum provider)i;
            return 0;
        }
    }
    return -1;
}

static const char *const attempt_verdict_names[] = {
    [VERDICT_SENT] = "sent",           [VERDICT_FAILED] = "failed",   [VERDICT_RETRY] = "retry",
    [VERDICT_CANCELLED] = "cancelled", [VERDICT_REFUSED] = "refused",
};

const char *attempt_verdict_name(enum attempt_verdict verdict) {
    return attempt_verdict_names[verdict];
}

int attempt_verdict_parse(const char *text, enum attempt_verdict *out) {
    for (int i = VERDICT_SENT; i <= VERDICT_CANCELLED; i++) {
        if (strcmp(text, attempt_verdict_names[i]) == 0) {
            *out = (enum attempt_verdict)i;
            return 0;
        }
    }
    return -1;
}
