// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_MOCK_ARRIVAL_H
#define DISPATCHER_MOCK_ARRIVAL_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "shared/base/buf.h"
#include "shared/base/mem.h"

// A customer's message as a vendor posts it to the webhook of whom it is for.

struct mock_arrival {
    bool is_email;
    const char *from, *to;
    const char *body;    // "" where there is none
    const char *subject; // of an email; NULL: none
    const cJSON *media;  // an array of URLs; NULL: none
};

// Reads {"channel":"sms"|"mms"|"email","from","to","body","subject"?,"media"?}. *out points into document. Returns
// NULL, or what is wrong, static.
const char *mock_arrival_read(const cJSON *document, struct mock_arrival *out) MUST_CHECK;

// Twilio's form: https://www.twilio.com/docs/messaging/guides/webhook-request. account: its SID.
void mock_arrival_write_form(const struct mock_arrival *arrival, const char *account, struct buf *out);
// SendGrid's Inbound Parse: multipart/form-data with that boundary;
// https://www.twilio.com/docs/sendgrid/for-developers/parsing-email/setting-up-the-inbound-parse-webhook. A medium is
// attached as a file of its URL's last name.
void mock_arrival_write_mail(const struct mock_arrival *arrival, const char *boundary, struct buf *out);

#endif
