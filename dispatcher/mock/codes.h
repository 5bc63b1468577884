// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_MOCK_CODES_H
#define DISPATCHER_MOCK_CODES_H

#include <stddef.h>

#include "shared/base/mem.h"
#include "shared/settings/settings.h"

// Why messages that the mock has accepted don't arrive: from MOCK_UNDELIVERED_CODES Twilio's codes
// (https://www.twilio.com/docs/api/errors), from MOCK_BOUNCE_CODES enhanced status codes (RFC 3463), with which a mail
// bounces, and MOCK_DROPPED for one that SendGrid doesn't even send.

#define MOCK_DROPPED "dropped"

struct mock_codes {
    int *sms;
    size_t sms_count; // at least 1
    char **email;
    size_t email_count; // at least 1
};

// Returns NULL with *out to be freed, or what is wrong with which setting, owned by the caller.
char *mock_codes_read(const struct settings *settings, struct mock_codes *out) MUST_CHECK;
void mock_codes_free(struct mock_codes *codes);
// What Twilio says of a code; NULL where the mock doesn't know it.
const char *mock_code_message(int code);

#endif
