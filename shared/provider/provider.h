// SPDX-License-Identifier: MIT
#ifndef SHARED_PROVIDER_PROVIDER_H
#define SHARED_PROVIDER_PROVIDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/buf.h"
#include "shared/message/message.h"
#include "shared/provider/outcome.h"
#include "shared/provider/way_in.h"
#include "shared/settings/settings.h"

// The seam between what is done with any provider and how one provider talks: what it is sent, how what it posts is
// verified, what is read in that. An adapter knows its provider's wire format and nothing else; it neither calls nor
// decides what an answer or a post leads to.

enum { PROVIDER_WAYS_IN = 4 };

// A message that goes out.
struct provider_send {
    const struct settings *settings;
    const char *message_id; // ours
    unsigned partition;     // of the provider, in which it waits
    const struct message *message;
};

struct provider_adapter {
    enum provider provider;
    const char *content_type;       // of the request's body
    const char *idempotency_header; // that carries the message id, besides Idempotency-Key; NULL: none
    // Where messages are POSTed: the whole URL, owned by the caller.
    char *(*url)(const struct settings *settings);
    // The value of the Authorization header, owned by the caller; NULL: none is sent.
    char *(*authorization)(const struct settings *settings);
    // Appends the request's body.
    void (*write_body)(const struct provider_send *send, struct buf *out);
    // Appends the value of an X-Signature header for a body; false: it isn't signed. now_secs: since 1970. NULL: never.
    bool (*sign)(const struct settings *settings, const struct buf *body, int64_t now_secs, struct buf *out);
    // Takes from an answer what it says: outcome's provider_message_id or error. header_id: the answer's X-Message-Id,
    // or NULL. The body is anything that came.
    void (*read_answer)(const char *body, size_t length, const char *header_id, struct outcome *outcome);
    const struct provider_way_in *ways_in[PROVIDER_WAYS_IN + 1]; // the last is NULL
};

extern const struct provider_adapter provider_twilio;   // its Messages resource, its webhooks
extern const struct provider_adapter provider_generic;  // a gateway that does as docs/gateways.md says
extern const struct provider_adapter provider_sendgrid; // its v3 Mail Send, its webhooks

// The adapter that the settings choose for a provider.
const struct provider_adapter *provider_adapter(const struct settings *settings, enum provider provider);

// Its way in for a route and a Content-Type (NULL: the header is absent); NULL: nothing of that type comes there.
const struct provider_way_in *provider_way_in(const struct settings *settings, enum provider provider,
                                              enum provider_route route, const char *content_type);
// Its ways in for a route, from 0 on; NULL: there are no more.
const struct provider_way_in *provider_way_in_at(const struct settings *settings, enum provider provider,
                                                 enum provider_route route, size_t index);
// The same as provider_way_in among those of all adapters, for what came while another one was chosen.
const struct provider_way_in *provider_way_in_of_any(enum provider provider, enum provider_route route,
                                                     const char *content_type);
// Whether what a provider posts must be signed.
bool provider_is_signed(const struct settings *settings, enum provider provider);

// For the adapters.
// base without the '/' at its end, and the path behind it; owned by the caller.
char *provider_url_join(const char *base, const char *path);
// Whom an SMS or MMS is from, as its provider is told: a phone's normalized number, for E.164 is what they take; a
// sender id as it was written, for a phone shows it. The message's.
const char *provider_sms_from(const struct message *message);
// Cuts a text of UTF-8 after `most` bytes (at least 3), not within a character.
void provider_cut(char *text, size_t most);
// An error for people from what a provider said: control characters become spaces, and it is cut at 200 bytes, between
// characters. NULL or empty: NULL. Owned by the caller.
char *provider_error(const char *code, const char *text);

#endif
