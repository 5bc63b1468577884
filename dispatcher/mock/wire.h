// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_MOCK_WIRE_H
#define DISPATCHER_MOCK_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/buf.h"
#include "shared/message/message.h"
#include "shared/settings/settings.h"

// The wire format of the provider that the mock stands for: what it takes and what it answers. It knows nothing of HTTP
// connections, outcomes or counting.

#define MOCK_ID_SIZE 33 // 32 hexadecimal digits

struct mock_request {
    const char *path;
    const char *authorization; // header, or NULL
    const char *content_type;  // header, or NULL
    const char *body;
    size_t length;
    char id[MOCK_ID_SIZE]; // what the provider's own id of the message is made of
};

// An answer; its strings are owned by it.
struct mock_answer {
    unsigned status;
    struct buf body;
    char *message_id;         // for X-Message-Id, or NULL
    int64_t retry_after_secs; // for Retry-After; -1: none
};

struct mock_wire {
    enum provider provider;
    const char *content_type; // of its answers
    const char *root;         // what is below it is answered as this provider does
    // Whether it is where messages are POSTed.
    bool (*is_path)(const char *path);
    // Whether the request may use what is there.
    bool (*is_authorized)(const struct settings *settings, const struct mock_request *request);
    // Checks the message. Returns true with the answer of success, or false with that of what is wrong.
    bool (*answer)(const struct settings *settings, const struct mock_request *request, struct mock_answer *out);
    // Who sends a message that has been checked; owned by the caller.
    char *(*sender)(const struct mock_request *request);
    // The body of a failure: 401, 403 (this sender), 405, 413, 429, 500 or 503.
    void (*write_failure)(unsigned status, struct buf *out);
    // And of a 404.
    void (*write_missing)(const char *path, struct buf *out);
};

extern const struct mock_wire mock_twilio;
extern const struct mock_wire mock_sendgrid;

void mock_answer_free(struct mock_answer *answer);

#endif
