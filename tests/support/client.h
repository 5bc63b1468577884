// SPDX-License-Identifier: MIT
#ifndef TESTS_SUPPORT_CLIENT_H
#define TESTS_SUPPORT_CLIENT_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A small HTTP client on libcurl, one connection a call. Safe to use from several threads.

struct answer {
    long status;    // 0: there was no answer
    bool reached;   // false: not even a connection was made
    char *body;     // NUL-terminated, "" when there was none
    char *headers;  // the last answer's header lines
    cJSON *json;    // the body as JSON, or NULL
    int64_t millis; // from the call to the whole answer
};

// Calls and waits at most timeout_ms. body may be NULL; it is sent as application/json unless headers ("Name: value",
// NULL-terminated, may be NULL) say otherwise. Never NULL; release with answer_free.
struct answer *client_call(const char *method, const char *url, const char *body, const char *const *headers,
                           int timeout_ms);
// A client that keeps its connections; for one thread.
struct client;
struct client *client_create(void);
void client_destroy(struct client *client);
// As client_call. fresh: over a connection of its own, as libcurl repeats a request by itself when a connection that it
// kept turns out to be broken.
struct answer *client_ask(struct client *client, bool fresh, const char *method, const char *url, const char *body,
                          const char *const *headers, int timeout_ms);
void answer_free(struct answer *answer);
// A header's value, owned by the caller, or NULL when it is missing.
char *answer_header(const struct answer *answer, const char *name);
// The number in a header, or -1.
long answer_header_number(const struct answer *answer, const char *name);
// The text at a path of the JSON body such as "details.field" or "items.0.id"; "" when there is none.
const char *answer_text(const struct answer *answer, const char *path);
// The number at such a path; -1 when there is none.
double answer_number(const struct answer *answer, const char *path);
// The value at such a path, or NULL.
const cJSON *answer_at(const struct answer *answer, const char *path);

// Connects to a port of this machine. Returns the socket, or -1 when nobody listens.
int client_connect(uint16_t port);
// Sends bytes as they are, closes the socket in the end, and returns what came back until the other side closed, or
// nothing came for timeout_ms; owned by the caller.
char *client_finish(int fd, const char *bytes, size_t length, int timeout_ms);
// Both.
char *client_raw(uint16_t port, const char *bytes, size_t length, int timeout_ms);

#endif
