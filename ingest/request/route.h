// SPDX-License-Identifier: MIT
#ifndef INGEST_REQUEST_ROUTE_H
#define INGEST_REQUEST_ROUTE_H

struct ingest_request;

// What a route is; ingest/routes.c has them all.

enum api_scope {
    SCOPE_NONE = 0, // a route that asks for no key
    SCOPE_SEND = 1,
    SCOPE_READ = 2,
    SCOPE_ADMIN = 4, // the mock's controls, dead letters and their replay
};

enum route_flag {
    ROUTE_JSON = 1,          // a GET of a JSON resource: 406 where Accept admits none
    ROUTE_INCOMING = 2,      // changes what waits in Redis: refused at the process's very end
    ROUTE_SEND = 4,          // its answers carry RateLimit headers
    ROUTE_BODY = 8,          // POST or PUT: has a body, JSON but for a webhook, and counts against the address's limit
    ROUTE_EMPTY_BODY = 16,   // with ROUTE_BODY: the body may be left out, and its type with it
    ROUTE_EVENTS = 32,       // a GET of text/event-stream: 406 where Accept admits none
    ROUTE_PAGE = 64,         // HTML that brings a style, a script and frames of its own; anything else may do nothing
    ROUTE_WEBHOOK_SMS = 128, // a provider posts to it, in the forms that its adapter takes
    ROUTE_WEBHOOK_EMAIL = 256,
    ROUTE_MESSAGE = 512,   // where all is well, a message is accepted
    ROUTE_RECEIPTS = 1024, // a webhook that brings no messages, but what became of some
    ROUTE_LIST = 2048,     // many messages in one body, which may be longer than others
};

struct route {
    const char *method; // GET serves HEAD too
    const char *pattern;
    void (*handle)(struct ingest_request *request); // answers, at once or later
    enum api_scope scope;                           // what a key must be good for, where keys are configured
    unsigned flags;
};

enum route_result { ROUTE_FOUND, ROUTE_UNKNOWN, ROUTE_OTHER_METHOD };

#define ROUTE_PARAMETER_SIZE 64
#define ROUTE_ALLOW_SIZE 64

struct route_match {
    const struct route *route;            // ROUTE_FOUND only
    char parameter[ROUTE_PARAMETER_SIZE]; // what stands for {id}; "" where the pattern has none
    char allow[ROUTE_ALLOW_SIZE];         // the methods of this path, for Allow; "" when unknown
};

#endif
