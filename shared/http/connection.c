// SPDX-License-Identifier: MIT
//
// Connections that come and go: how many there may be, for libmicrohttpd just stops accepting at its limit.
#include "shared/http/connection.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/log.h"
#include "shared/http/peers.h"
#include "shared/http/request_private.h"
#include "shared/http/wire.h"

enum { WARN_EVERY_MS = 10000 };

// Whether the log may be told of a limit again: who reaches it does so thousands of times.
static bool may_warn(struct http_server *server) {
    int64_t now = (int64_t)uv_now(server->loop);
    if (server->warned_ms != 0 && now - server->warned_ms < WARN_EVERY_MS) {
        return false;
    }
    server->warned_ms = now;
    return true;
}

void http_connections_crowd_out(struct http_server *server) {
    struct http_claim *claim;
    unsigned count = 0;
    while ((claim = http_claimant_next(server->options.budget, &server->claimant)) != NULL) {
        struct http_request *request = claim->owner;
        struct http_connection *connection = request->place;
        server->give_up(request, HTTP_BODY_CROWDED_OUT);
        http_stage_end(connection);
        count++;
    }
    if (count > 0 && may_warn(server)) {
        log_warn("budget_full", "bodies that have been coming for longest make way for others");
    }
}

// ---- What the next request names

// Whom a target of scheme and authority names, and how long those are once they have been decoded.
static void note_authority(struct http_connection *place, const char *target, size_t length,
                           const struct http_host *host) {
    char *prefix = xstrndup(target, length);
    place->path_at = http_request_unescape(NULL, NULL, prefix);
    place->named = xmalloc(sizeof *place->named);
    *place->named = *host;
    free(prefix);
}

// Notes the target's form; returns its path and query.
static const char *note_form(struct http_connection *place, const char *target) {
    struct http_host host;
    int length = http_host_of_target(target, &host);
    if (length > 0) {
        place->form = HTTP_FORM_ABSOLUTE;
        note_authority(place, target, (size_t)length, &host);
        return target + length;
    }
    if (length == 0 && target[0] == '/') {
        place->form = HTTP_FORM_ORIGIN;
    } else {
        place->form = strcmp(target, "*") == 0 ? HTTP_FORM_ASTERISK : HTTP_FORM_NONE;
    }
    return target;
}

// Lets go of what was noted for a request that has taken it, or that was none.
static void forget_target(struct http_connection *place) {
    free(place->named);
    free(place->kept_target);
    place->named = NULL;
    place->kept_target = NULL;
    place->path_at = 0;
}

// ---- Coming and going

static bool is_counted(const struct http_server *server, const struct sockaddr *address, struct in6_addr *network) {
    const struct http_server_options *options = &server->options;
    char peer[INET6_ADDRSTRLEN];
    if (options->peers == NULL || !http_peers_network(address, network)) {
        return false;
    }
    http_format_address(address, peer);
    return options->is_exempt == NULL || !options->is_exempt(options->argument, peer);
}

enum MHD_Result http_connection_may_come(void *cls, const struct sockaddr *address, socklen_t length) {
    struct http_server *server = cls;
    struct in6_addr network;
    (void)length;
    if (!is_counted(server, address, &network) || !http_peers_is_full(server->options.peers, &network)) {
        return MHD_YES;
    }
    if (may_warn(server)) {
        char peer[INET6_ADDRSTRLEN];
        http_format_address(address, peer);
        log_warn("address_full", "%s has as many connections as one address may; further ones are refused", peer);
    }
    return MHD_NO;
}

// The last place is taken: the client that has asked for nothing for longest leaves, so that the next to come finds
// one.
static void make_way(struct http_server *server) {
    struct http_connection *oldest = TAILQ_FIRST(&server->stages[HTTP_STAGE_HEAD]);
    if (oldest == NULL) {
        return;
    }
    if (may_warn(server)) {
        log_warn("connections_full", "%u connections: those that wait longest for a request make way",
                 server->connections);
    }
    http_stage_end(oldest);
}

static struct http_connection *come(struct http_server *server, struct MHD_Connection *mhd) {
    struct http_connection *connection = xcalloc(1, sizeof *connection);
    connection->server = server;
    connection->stage = HTTP_STAGE_FREE;
    connection->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    http_wire_open(connection);
    const struct sockaddr *address = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
    connection->is_counted = is_counted(server, address, &connection->network);
    if (connection->is_counted) {
        http_peers_enter(server->options.peers, &connection->network);
    }
    if (server->connections++ == 0) {
        http_daemon_sweep(server, true);
    }
    if (server->connections >= server->options.max_connections) {
        make_way(server);
    }
    http_stage_enter(connection, HTTP_STAGE_HEAD, server->options.request_timeout_ms);
    return connection;
}

static void go(struct http_connection *connection) {
    struct http_server *server = connection->server;
    http_stage_enter(connection, HTTP_STAGE_FREE, 0);
    if (connection->is_counted) {
        http_peers_leave(server->options.peers, &connection->network);
    }
    // At its limit, or the system's of open files, the library stops listening; it begins again only when it is run.
    http_daemon_run_soon(server);
    if (--server->connections == 0) {
        http_daemon_sweep(server, false);
    }
    forget_target(connection);
    http_wire_close(connection);
    free(connection);
}

void http_connection_notify(void *cls, struct MHD_Connection *connection, void **slot,
                            enum MHD_ConnectionNotificationCode code) {
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        *slot = come(cls, connection);
    } else if (*slot != NULL) {
        go(*slot);
        *slot = NULL;
    }
}

struct http_connection *http_connection_of(struct MHD_Connection *connection) {
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

// The result would become the request's slot, which is NULL until its head is complete.
void *http_connection_note_target(void *cls, const char *target, struct MHD_Connection *connection) {
    struct http_connection *place = http_connection_of(connection);
    (void)cls;
    forget_target(place);
    const char *path = note_form(place, target != NULL ? target : "");
    if (place->server->options.keep_target) {
        place->kept_target = xasprintf("%s%s", place->form == HTTP_FORM_ABSOLUTE && *path != '/' ? "/" : "", path);
    }
    return NULL;
}
