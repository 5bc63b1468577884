// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_PROVIDER_PROVIDER_H
#define DISPATCHER_PROVIDER_PROVIDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dispatcher/provider/outcome.h"
#include "shared/base/buf.h"
#include "shared/message/message.h"
#include "shared/settings/settings.h"

// The seam between what the dispatcher does with any provider and how one provider wants to be talked to. An adapter
// knows its provider's wire format and nothing else; it neither calls nor decides what an answer leads to.

struct provider_adapter {
    enum provider provider;
    const char *content_type;       // of the request's body
    const char *idempotency_header; // that carries the message id, besides Idempotency-Key
    // Where messages are POSTed: the whole URL, owned by the caller.
    char *(*url)(const struct settings *settings);
    // The value of the Authorization header, owned by the caller; NULL: none is sent.
    char *(*authorization)(const struct settings *settings);
    // Appends the request's body.
    void (*write_body)(const struct settings *settings, const char *message_id, const struct message *message,
                       struct buf *out);
    // Takes from an answer what it says: outcome's provider_message_id or error. header_id: the answer's X-Message-Id,
    // or NULL. The body is anything that came.
    void (*read_answer)(const char *body, size_t length, const char *header_id, struct outcome *outcome);
};

extern const struct provider_adapter provider_sms_adapter;   // Twilio's Messages resource
extern const struct provider_adapter provider_email_adapter; // SendGrid's v3 Mail Send

const struct provider_adapter *provider_adapter(enum provider provider);

// Checks a PROVIDER_*_URL: http or https, with a host, without user, query or fragment. NULL, or a static sentence.
const char *provider_url_check(const char *url) MUST_CHECK;
// Whether a URL is the mock's: its port, on this machine or on the host of the mock's name in docker-compose.yml. Its
// calls are logged with mock=true.
bool provider_url_is_mock(const char *url, int64_t mock_port);

// For the adapters.
// base without the '/' at its end, and the path behind it; owned by the caller.
char *provider_url_join(const char *base, const char *path);
// An error for people from what a provider said: control characters become spaces, and it is cut at 200 bytes, between
// characters. NULL or empty: NULL. Owned by the caller.
char *provider_error(const char *code, const char *text);

#endif
