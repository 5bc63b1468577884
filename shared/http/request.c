// SPDX-License-Identifier: MIT
#include "shared/http/request.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "shared/base/percent.h"
#include "shared/http/peers.h"
#include "shared/http/request_private.h"

const char *http_method(const struct http_request *request) {
    return request->method;
}

const char *http_path(const struct http_request *request) {
    return request->path;
}

const char *http_target(const struct http_request *request) {
    return request->target;
}

const struct http_host *http_host(const struct http_request *request) {
    return &request->host;
}

const char *http_header(const struct http_request *request, const char *name) {
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

unsigned http_header_count(const struct http_request *request) {
    int count = MHD_get_connection_values(request->connection, MHD_HEADER_KIND, NULL, NULL);
    return count > 0 ? (unsigned)count : 0;
}

struct visit {
    void (*each)(void *, const char *, const char *);
    void *argument;
};

static enum MHD_Result visit_header(void *cls, enum MHD_ValueKind kind, const char *name, const char *value) {
    const struct visit *visit = cls;
    (void)kind;
    visit->each(visit->argument, name, value != NULL ? value : "");
    return MHD_YES;
}

void http_each_header(const struct http_request *request, void (*each)(void *, const char *, const char *),
                      void *argument) {
    struct visit visit = {each, argument};
    MHD_get_connection_values(request->connection, MHD_HEADER_KIND, visit_header, &visit);
}

struct search {
    const char *name;
    const char *value; // of the first; NULL while there is none
    unsigned count;
};

static enum MHD_Result match_parameter(void *cls, enum MHD_ValueKind kind, const char *name, const char *value) {
    struct search *search = cls;
    (void)kind;
    if (strcmp(name, search->name) != 0) {
        return MHD_YES;
    }
    if (search->count++ == 0) {
        search->value = value != NULL ? value : ""; // "?page" without a value
    }
    return MHD_YES;
}

const char *http_query(const struct http_request *request, const char *name, unsigned *count) {
    struct search search = {.name = name};
    MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, match_parameter, &search);
    if (count != NULL) {
        *count = search.count;
    }
    return search.value;
}

const char *http_body(const struct http_request *request, size_t *length) {
    *length = request->body.length;
    return request->body.data != NULL ? request->body.data : "";
}

void http_set_filter(struct http_request *request, const struct http_filter *filter) {
    request->filter = *filter;
    request->declared = filter->most;
}

void http_set_max_body(struct http_request *request, uint64_t bytes) {
    request->max_body = bytes;
}

uint64_t http_max_body(const struct http_request *request) {
    return request->max_body;
}

void http_set_client(struct http_request *request, const char *address) {
    struct in6_addr network;
    if (http_peers_parse(address, &network)) {
        request->claim.network = network;
    }
}

bool http_hold(struct http_request *request, size_t bytes) {
    return http_claim_hold(&request->claim, request->body.room + bytes);
}

bool http_hold_answer(struct http_request *request, size_t bytes) {
    return http_claim_hold(&request->claim, bytes);
}

size_t http_room(struct http_request *request) {
    size_t room = http_claim_room(&request->claim);
    return room > request->body.room ? room - request->body.room : 0;
}

const char *http_peer(const struct http_request *request) {
    return request->peer;
}

int64_t http_started_us(const struct http_request *request) {
    return request->started_us;
}

void http_set_context(struct http_request *request, void *context) {
    request->context = context;
}

void *http_context(const struct http_request *request) {
    return request->context;
}

bool http_is_answered(const struct http_request *request) {
    return request->answered;
}

void http_format_address(const struct sockaddr *address, char out[INET6_ADDRSTRLEN]) {
    out[0] = '\0';
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
        inet_ntop(AF_INET, &v4->sin_addr, out, INET6_ADDRSTRLEN);
    } else if (address->sa_family == AF_INET6) {
        const struct in6_addr *v6 = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
        if (IN6_IS_ADDR_V4MAPPED(v6)) {
            inet_ntop(AF_INET, &v6->s6_addr[12], out, INET6_ADDRSTRLEN);
        } else {
            inet_ntop(AF_INET6, v6, out, INET6_ADDRSTRLEN);
        }
    }
}

void http_request_read_peer(struct http_request *request) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (info != NULL && info->client_addr != NULL) {
        http_format_address(info->client_addr, request->peer);
    }
}

size_t http_request_unescape(void *cls, struct MHD_Connection *connection, char *text) {
    (void)cls;
    (void)connection;
    char *out = text;
    for (const char *in = text; *in; in++) {
        int byte = percent_byte(in, 3);
        *out++ = byte > 0 ? (char)byte : *in;
        in += byte > 0 ? 2 : 0;
    }
    *out = '\0';
    return (size_t)(out - text);
}
