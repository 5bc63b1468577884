// SPDX-License-Identifier: MIT
//
// The bytes of a connection before libmicrohttpd has them. Its parser differs from version to version: 0.9.75 drops
// what lies behind a NUL, unfolds a header into another, says the head of its own 400 twice, and leaves a head that
// nearly fills its memory without an answer; 1.0 mends blanks in a request line by a redirect of its own. So that it
// never gets to see such a head, each byte is judged first (http/framing.c), and what is refused is answered here, once
// what came before it has been answered.
//
// The library has no hook for this. It reads a socket with recv(2), though, and which recv that is the program decides:
// the linker takes the program's own definition before the C library's. Ours passes everything on, but for the sockets
// of the server whose library runs in this thread. Should a version read in another way, none of its requests has been
// seen here, and each is refused (http_wire_has_seen). Rejected: to peek at the socket before the library reads it,
// which may read more than was there then; a socket pair for each connection with a copy of every byte.
#include "shared/http/wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/http/reply_private.h"
#include "shared/http/request_private.h"

// How long a client that was refused may take to notice, and how often at once what it still says is read away.
enum { LINGER_MS = 1000, DRAINS = 64 };

static _Thread_local struct http_server *running; // its library runs, and may read

void http_wire_run(struct http_server *server) {
    struct http_server *outer = running;
    running = server;
    MHD_run(server->daemon);
    running = outer;
}

// ---- Which connection a socket is

void http_wire_open(struct http_connection *connection) {
    struct http_server *server = connection->server;
    size_t place = (size_t)connection->fd;
    if (place >= server->socket_room) {
        size_t room = place + place / 2 + 64;
        server->sockets = xrealloc(server->sockets, room * sizeof *server->sockets);
        memset(server->sockets + server->socket_room, 0, (room - server->socket_room) * sizeof *server->sockets);
        server->socket_room = room;
    }
    server->sockets[place] = connection;
}

void http_wire_close(struct http_connection *connection) {
    struct http_server *server = connection->server;
    struct http_connection **at = &server->refused;
    server->sockets[connection->fd] = NULL;
    while (connection->is_refused && *at != connection) {
        at = &(*at)->next_refused;
    }
    if (connection->is_refused) {
        *at = connection->next_refused;
    }
    http_framing_free(&connection->framing);
    buf_free(&connection->judged);
}

static struct http_connection *http_wire_find(int fd) {
    return running != NULL && fd >= 0 && (size_t)fd < running->socket_room ? running->sockets[fd] : NULL;
}

// ---- Reading

static ssize_t nothing_yet(void) {
    errno = EAGAIN;
    return -1;
}

// Reads away what comes; the client's end is passed on.
static ssize_t read_away(int fd, void *bytes, size_t size) {
    for (int left = DRAINS; left > 0; left--) {
        ssize_t length = recvfrom(fd, bytes, size, MSG_DONTWAIT, NULL, NULL);
        if (length <= 0) {
            return length;
        }
    }
    return nothing_yet();
}

static void http_wire_judge(struct http_connection *connection, const char *bytes, size_t length) {
    http_framing_take(&connection->framing, bytes, length, &connection->judged);
    if (connection->framing.refusal.status != 0) {
        connection->is_refused = true;
        connection->next_refused = connection->server->refused;
        connection->server->refused = connection;
    }
}

// Hands over what has been judged, as far as there is room.
static size_t hand_over(struct http_connection *connection, char *bytes, size_t room) {
    struct buf *judged = &connection->judged;
    size_t left = judged->length - connection->handed_over;
    size_t length = left < room ? left : room;
    if (length > 0) {
        memcpy(bytes, judged->data + connection->handed_over, length);
        connection->handed_over += length;
    }
    if (length == left) {
        buf_free(judged);
        connection->handed_over = 0;
    }
    return length;
}

// The library waits for an edge now. Where the client's end came along with its last bytes, that edge has been already,
// and what it left unfinished would stay until its time is over. To stop reading from a socket that has ended changes
// nothing but that epoll(7) tells of it once more.
static void show_end_again(const struct http_connection *connection) {
    char byte;
    if (http_framing_is_within(&connection->framing) &&
        recvfrom(connection->fd, &byte, sizeof byte, MSG_PEEK | MSG_DONTWAIT, NULL, NULL) == 0) {
        (void)shutdown(connection->fd, SHUT_RD);
    }
}

// The library believes that a socket is empty once it gets less than it asked for, and waits for an edge: so this goes
// on until it is, or until the room is full. What is read lies in that room for a moment.
static ssize_t read_judged(struct http_connection *connection, char *bytes, size_t size) {
    size_t filled = hand_over(connection, bytes, size);
    bool is_empty = false;
    while (filled < size && !is_empty && !connection->is_refused) {
        size_t room = size - filled;
        ssize_t length = recvfrom(connection->fd, bytes + filled, room, 0, NULL, NULL);
        if (length <= 0 && filled == 0) {
            return length;
        }
        is_empty = length < (ssize_t)room;
        if (length > 0) {
            http_wire_judge(connection, bytes + filled, (size_t)length);
            filled += hand_over(connection, bytes + filled, room);
        }
    }
    if (is_empty) {
        show_end_again(connection);
    }
    return filled > 0 ? (ssize_t)filled : nothing_yet();
}

ssize_t http_wire_recv(int fd, void *bytes, size_t size, int flags) __asm__("recv");

ssize_t http_wire_recv(int fd, void *bytes, size_t size, int flags) {
    struct http_connection *connection = http_wire_find(fd);
    if (connection == NULL) {
        return recvfrom(fd, bytes, size, flags, NULL, NULL);
    }
    return connection->is_deaf ? read_away(fd, bytes, size) : read_judged(connection, bytes, size);
}

bool http_wire_has_seen(struct http_connection *connection) {
    if (++connection->begun <= connection->framing.requests) {
        return true;
    }
    log_error("http_unseen",
              "the HTTP library reads its sockets in a way that this program doesn't know; all is refused");
    return false;
}

// ---- Answering what was refused

static void http_wire_answer(struct http_connection *connection) {
    char unread[4096], peer[INET6_ADDRSTRLEN];
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof address;
    (void)getpeername(connection->fd, (struct sockaddr *)&address, &length);
    http_format_address((const struct sockaddr *)&address, peer);
    log_debug("http_refused", "%u to %s: %s", connection->framing.refusal.status, peer,
              connection->framing.refusal.why);
    http_reply_refusal(connection->fd, &connection->framing.refusal);
    (void)read_away(connection->fd, unread, sizeof unread);
    http_stage_enter(connection, HTTP_STAGE_SENT, LINGER_MS);
}

// Returns whether it has been dealt with: not while earlier requests wait for their answers.
static bool http_wire_settle_one(struct http_connection *connection) {
    struct http_request *request = connection->request;
    if (connection->begun < connection->framing.requests) {
        return false;
    }
    if (!http_framing_is_in_body(&connection->framing)) {
        if (request != NULL) {
            return false;
        }
        http_wire_answer(connection);
    } else if (request != NULL && !request->answered) {
        connection->server->give_up(request, HTTP_BODY_MALFORMED);
        http_stage_end(connection);
    } else {
        http_wire_answer(connection);
    }
    return true;
}

void http_wire_settle(struct http_server *server) {
    struct http_connection **at = &server->refused;
    while (*at != NULL) {
        struct http_connection *connection = *at;
        if (http_wire_settle_one(connection)) {
            *at = connection->next_refused;
            connection->is_refused = false;
            connection->is_deaf = true;
        } else {
            at = &connection->next_refused;
        }
    }
}
