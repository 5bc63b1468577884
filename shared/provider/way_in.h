// SPDX-License-Identifier: MIT
#ifndef SHARED_PROVIDER_WAY_IN_H
#define SHARED_PROVIDER_WAY_IN_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/mem.h"
#include "shared/http/filter.h"
#include "shared/message/message.h"
#include "shared/provider/receipt.h"
#include "shared/provider/signature.h"
#include "shared/settings/settings.h"

struct email_sums;

// How a provider posts to us: an adapter has a row for each form in which it does.

enum provider_route {
    PROVIDER_ROUTE_MESSAGES, // /api/webhooks/sms, /api/webhooks/email: what somebody wrote to us
    PROVIDER_ROUTE_RECEIPTS, // /api/webhooks/sms/status, /api/webhooks/email/events: what became of what we sent
};

// What was posted. All of it stays the caller's.
struct provider_post {
    // As the provider called it, scheme to query; NULL: WEBHOOK_PUBLIC_URL isn't set, so nobody knows.
    const char *url;
    const char *content_type; // with its parameters; NULL: none
    const char *body;         // what the way's filter has left of it
    size_t length;
    const struct email_sums *sums; // of the body as it came (email_signature.h); NULL: this is it
    // A header by its name in any case, or NULL; NULL: none is known, as of what is read again.
    const char *(*header)(const void *context, const char *name);
    // A parameter of its query, percent-decoded, or NULL; NULL: likewise.
    const char *(*parameter)(const void *context, const char *name);
    const void *context;
};

// What a body goes through as it comes.
struct provider_body {
    struct http_filter filter;
    const struct email_sums *sums; // the filter's, for the post once the body is complete; NULL: none
};

struct provider_way_in {
    enum provider provider;
    enum provider_route route;
    const char *media_type; // without parameters; it tells this way from the others of its route
    // Whether a secret or key is set, so that verify must say SIGNATURE_RIGHT.
    bool (*is_signed)(const struct settings *settings);
    // now_secs: since 1970. id is set where the signature is right.
    enum signature (*verify)(const struct settings *settings, const struct provider_post *post, int64_t now_secs,
                             uint8_t id[SIGNATURE_ID_SIZE]);
    // Messages' ways: an object with the fields of our own webhook, whose rules are held to elsewhere. Owned by the
    // caller (cJSON_Delete). NULL: it can't be read, with *error set to a static sentence.
    cJSON *(*read_message)(const struct provider_post *post, const char **error);
    // Whether read_message gives "our_address" as well: an address that counts as the recipient, whatever "to" names.
    bool names_our_address;
    // The most bytes that a body may have as it is sent; NULL: as many as any request's.
    int64_t (*max_body)(const struct settings *settings);
    // Where a body isn't kept as it comes: begins what it goes through. post has no body yet. NULL: it is kept so.
    void (*take_body)(const struct settings *settings, const struct provider_post *post, struct provider_body *out);
    // By which name the provider knows a field of our webhook; NULL: by the same.
    const char *(*field_name)(const char *ours);
    // Receipts' ways: fills *out, to be released by receipts_free. 0, or -1 with *out empty and *error set likewise:
    // the post as a whole can't be read.
    int (*read_receipts)(const struct provider_post *post, struct receipts *out, const char **error);
    // Of the answer when all is well; 0: 202, NULL: what our own route answers.
    unsigned status;
    const char *answer_type, *answer_body;
};

// A header of it, or NULL.
const char *provider_post_header(const struct provider_post *post, const char *name);
// A parameter of its query, or NULL.
const char *provider_post_parameter(const struct provider_post *post, const char *name);

#endif
