// SPDX-License-Identifier: MIT
#ifndef SHARED_PROVIDER_REASONS_H
#define SHARED_PROVIDER_REASONS_H

#include <stdbool.h>
#include <stddef.h>

// Why a message wasn't delivered, for people: what vendors' codes mean, and what vendors say themselves.

#define REASON_MAX 500 // bytes

// What a code of Twilio's means (https://www.twilio.com/docs/api/errors), a sentence without a full stop; NULL: a code
// that isn't known here, or NULL.
const char *reason_of_twilio(const char *code);
// The same of SendGrid's ways to say that a message wasn't delivered, or wasn't wanted: "bounce", "blocked", "dropped",
// "spamreport" (https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event).
const char *reason_of_sendgrid(const char *word);

// The codes of Twilio's that are known here, by their place from 0; NULL: there are no more.
const char *reason_twilio_code(size_t place);

// Whether it is one of those status codes of mail servers for what failed that are registered, some 160
// (https://www.iana.org/assignments/smtp-enhanced-status-codes; RFC 3463): "5.1.1". SendGrid has them in its events.
bool reason_is_mail_status(const char *code);

// A sentence (NULL: none) and behind it, after a colon, what a vendor says (NULL: nothing), in one line: white space
// and control characters become a space each run, invisible marks go, and the whole is cut at REASON_MAX bytes, between
// characters. NULL where nothing is left. Owned by the caller.
char *reason_make(const char *sentence, const char *text);

#endif
