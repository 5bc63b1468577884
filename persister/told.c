// SPDX-License-Identifier: MIT
#include "persister/told.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"
#include "shared/provider/reasons.h"

#define LONGEST_US (30LL * 24 * 3600 * 1000 * 1000) // that a delivery is believed to have taken

// "": none.
static const char *told_code(const char *code) {
    if (strcmp(code, "-") == 0) {
        return "";
    }
    bool is_known = reason_of_twilio(code) != NULL || reason_of_sendgrid(code) != NULL || reason_is_mail_status(code);
    return is_known ? code : "other";
}

static void told_count_one(struct counters *counters, char *line) {
    enum provider provider;
    enum receipt_status status;
    const char *provider_text = strsep(&line, " "), *status_text = strsep(&line, " "), *after = strsep(&line, " ");
    if (line == NULL || provider_parse(provider_text, &provider) != 0 ||
        receipt_status_parse(status_text, &status) != 0) {
        return; // no such line is written
    }
    counters_add_receipt(counters, provider, status, told_code(line));
    int64_t us = strtoll(after, NULL, 10);
    if (status == RECEIPT_DELIVERED && strcmp(after, "-") != 0 && us <= LONGEST_US) {
        counters_observe(
            counters,
            provider == PROVIDER_EMAIL ? HISTOGRAM_SENT_TO_DELIVERED_EMAIL : HISTOGRAM_SENT_TO_DELIVERED_SMS_MMS, us);
    }
}

void told_count(struct counters *counters, const char *text) {
    char *copy = xstrdup(text), *rest = copy;
    for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
        told_count_one(counters, line);
    }
    free(copy);
}
