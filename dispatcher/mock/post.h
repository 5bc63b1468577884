// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_MOCK_POST_H
#define DISPATCHER_MOCK_POST_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "shared/settings/settings.h"

// The POSTs that the mock makes by itself, as the vendors call a customer's webhooks: no redirect is followed, no proxy
// asked.

struct mock_poster;

struct mock_post {
    const char *url;            // what stands behind a '#' isn't sent
    const char *const *headers; // "Name: value", NULL-terminated
    const char *body;
    size_t length;
};

// What came of one.
struct mock_posted {
    long status;              // 0: no answer
    bool connected;           // a connection was made, encrypted where it had to be
    const char *content_type; // of the answer; NULL: none
    const char *body;         // its first 64 KiB
    size_t length;
    const char *error; // why there is no answer, for people
};

// settings must outlive it. NULL: libcurl can't begin.
struct mock_poster *mock_poster_create(uv_loop_t *loop, const struct settings *settings, unsigned most);
// What post points to is used during this call only. done is called once, from the loop; its posted is valid meanwhile.
void mock_poster_send(struct mock_poster *poster, const struct mock_post *post,
                      void (*done)(void *argument, const struct mock_posted *posted), void *argument);
// Breaks off what is under way: each is done, without an answer.
void mock_poster_destroy(struct mock_poster *poster);

#endif
