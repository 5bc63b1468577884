// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_MOCK_TWILIO_FORM_H
#define DISPATCHER_MOCK_TWILIO_FORM_H

#include "shared/base/buf.h"

// The forms that Twilio posts to its customers, and how it signs them.

// Appends a field, as application/x-www-form-urlencoded has it (WHATWG URL, 5.2): a space is '+'.
void mock_form_add(struct buf *form, const char *name, const char *value);
// X-Twilio-Signature: base64 of HMAC-SHA1(secret, url, then each field's name and value in the order of the names);
// https://www.twilio.com/docs/usage/security, "Validating requests". url is what is called, query and all; what
// mock_form_add wrote is the form. Owned by the caller.
char *mock_form_signature(const char *secret, const char *url, const struct buf *form);

#endif
