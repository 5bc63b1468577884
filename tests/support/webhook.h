// SPDX-License-Identifier: MIT
#ifndef TESTS_SUPPORT_WEBHOOK_H
#define TESTS_SUPPORT_WEBHOOK_H

#include <stddef.h>
#include <uv.h>

// A customer's webhooks, in the test's own loop: they hear whatever is posted, and answer as told.

struct webhook;

// What was posted; its strings are owned by the webhook.
struct heard {
    char *path; // with the query
    char *head; // header lines
    char *body;
    size_t length;
};

// Answers 204.
struct webhook *webhook_start(uv_loop_t *loop);
// Ends it; its port is free then, and its URL nobody's.
void webhook_destroy(struct webhook *webhook);
// Where it is: "http://127.0.0.1:<port>" and the path behind it; owned by the caller.
char *webhook_url(const struct webhook *webhook, const char *path);
// From now on the answer is this status, with a body and a media type where they aren't NULL (static).
void webhook_answer(struct webhook *webhook, int status, const char *type, const char *body);
// How many were heard.
size_t webhook_count(const struct webhook *webhook);
// One of them, in their order.
const struct heard *webhook_heard(const struct webhook *webhook, size_t index);
// Forgets them.
void webhook_forget(struct webhook *webhook);
// A header's value, owned by the caller; NULL: there is none.
char *heard_header(const struct heard *heard, const char *name);
// A form's field, owned by the caller; NULL: there is none.
char *heard_field(const struct heard *heard, const char *name);

#endif
