// SPDX-License-Identifier: MIT
//
// How libcurl and libuv are joined (https://curl.se/libcurl/c/multi-uv.html has the idea): curl says which sockets it
// wants watched and when it wants to be woken, and is told what became of them. Neither of curl's two callbacks may
// call back into curl, so both only set handles; everything happens from the loop.
#include "shared/loop/transport.h"

#include <stdlib.h>

#include "shared/base/log.h"
#include "shared/base/mem.h"

enum { TRANSFERS_A_MULTI = 500 };

struct multi {
    struct transport *transport;
    CURLM *curl;
    uv_timer_t timer;
    size_t running;
};

struct transport {
    uv_loop_t *loop;
    size_t count; // multis, the most that can be needed
    size_t open_handles;
    struct multi multis[];
};

// A socket that curl wants watched.
struct watched {
    uv_poll_t poll;
    struct multi *multi;
    curl_socket_t socket;
};

static void take_done(struct multi *multi) {
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(multi->curl, &left)) != NULL) {
        if (message->msg != CURLMSG_DONE) {
            continue;
        }
        CURLcode result = message->data.result; // the message dies with the handle's removal
        CURL *easy = message->easy_handle;
        struct transfer *transfer = NULL;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&transfer);
        curl_multi_remove_handle(multi->curl, easy);
        multi->running--;
        transfer->multi = NULL;
        transfer->done(transfer, result);
    }
}

static void act(struct multi *multi, curl_socket_t socket, int events) {
    int running;
    CURLMcode code = curl_multi_socket_action(multi->curl, socket, events, &running);
    if (code == CURLM_OUT_OF_MEMORY) { // some transfer has lost its place, time-out and all: it would never end
        mem_exhausted();
    }
    if (code != CURLM_OK) {
        log_error("transport_failed", "libcurl: %s", curl_multi_strerror(code));
    }
    take_done(multi);
}

static void transport_on_timer(uv_timer_t *timer) {
    act(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static int transport_on_curl_timer(CURLM *curl, long timeout_ms, void *argument) {
    (void)curl;
    struct multi *multi = argument;
    if (timeout_ms < 0) {
        uv_timer_stop(&multi->timer);
    } else {
        uv_timer_start(&multi->timer, transport_on_timer, (uint64_t)timeout_ms, 0);
    }
    return 0;
}

static void transport_on_poll(uv_poll_t *poll, int status, int events) {
    struct watched *watched = poll->data;
    int flags = status < 0 ? CURL_CSELECT_ERR : 0;
    if (events & UV_READABLE) {
        flags |= CURL_CSELECT_IN;
    }
    if (events & UV_WRITABLE) {
        flags |= CURL_CSELECT_OUT;
    }
    act(watched->multi, watched->socket, flags); // may end with the poll handle closing
}

static void transport_on_watched_closed(uv_handle_t *handle) {
    free(handle->data);
}

static struct watched *watch(struct multi *multi, curl_socket_t socket) {
    struct watched *watched = xcalloc(1, sizeof *watched);
    watched->multi = multi;
    watched->socket = socket;
    watched->poll.data = watched;
    int status = uv_poll_init_socket(multi->transport->loop, &watched->poll, socket);
    if (status < 0) {
        log_error("transport_failed", "a socket can't be watched: %s", uv_strerror(status));
        mem_exhausted(); // libcurl would take no further transfer
    }
    curl_multi_assign(multi->curl, socket, watched);
    return watched;
}

static int transport_on_curl_socket(CURL *easy, curl_socket_t socket, int what, void *argument, void *assigned) {
    (void)easy;
    struct multi *multi = argument;
    struct watched *watched = assigned;
    if (what == CURL_POLL_REMOVE) {
        if (watched != NULL) {
            curl_multi_assign(multi->curl, socket, NULL);
            uv_close((uv_handle_t *)&watched->poll, transport_on_watched_closed);
        }
        return 0;
    }
    if (watched == NULL) {
        watched = watch(multi, socket);
    }
    int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    return uv_poll_start(&watched->poll, events, transport_on_poll) == 0 ? 0 : -1;
}

static void open_multi(struct transport *transport, struct multi *multi) {
    multi->transport = transport;
    multi->curl = curl_multi_init();
    if (multi->curl == NULL) {
        mem_exhausted();
    }
    curl_multi_setopt(multi->curl, CURLMOPT_SOCKETFUNCTION, transport_on_curl_socket);
    curl_multi_setopt(multi->curl, CURLMOPT_SOCKETDATA, multi);
    curl_multi_setopt(multi->curl, CURLMOPT_TIMERFUNCTION, transport_on_curl_timer);
    curl_multi_setopt(multi->curl, CURLMOPT_TIMERDATA, multi);
    curl_multi_setopt(multi->curl, CURLMOPT_MAXCONNECTS, (long)TRANSFERS_A_MULTI);
    multi->timer.data = multi;
    uv_timer_init(transport->loop, &multi->timer);
    transport->open_handles++;
}

struct transport *transport_create(uv_loop_t *loop, unsigned most) {
    size_t count = (most + TRANSFERS_A_MULTI - 1) / TRANSFERS_A_MULTI;
    struct transport *transport = xcalloc(1, sizeof *transport + count * sizeof *transport->multis);
    transport->loop = loop;
    transport->count = count;
    for (size_t i = 0; i < count; i++) {
        open_multi(transport, &transport->multis[i]);
    }
    return transport;
}

// The first with room; if more come than were announced, the last.
static struct multi *transport_choose(struct transport *transport) {
    size_t i = 0;
    while (i + 1 < transport->count && transport->multis[i].running >= TRANSFERS_A_MULTI) {
        i++;
    }
    return &transport->multis[i];
}

void transport_start(struct transport *transport, struct transfer *transfer) {
    struct multi *multi = transport_choose(transport);
    transfer->multi = multi;
    multi->running++;
    curl_easy_setopt(transfer->easy, CURLOPT_PRIVATE, transfer);
    if (curl_multi_add_handle(multi->curl, transfer->easy) != CURLM_OK) {
        mem_exhausted();
    }
}

void transport_cancel(struct transfer *transfer) {
    struct multi *multi = transfer->multi;
    curl_multi_remove_handle(multi->curl, transfer->easy);
    multi->running--;
    transfer->multi = NULL;
}

static void transport_on_multi_closed(uv_handle_t *handle) {
    struct multi *multi = handle->data;
    struct transport *transport = multi->transport;
    if (--transport->open_handles == 0) {
        free(transport);
    }
}

void transport_destroy(struct transport *transport) {
    for (size_t i = 0; i < transport->count; i++) {
        curl_multi_cleanup(transport->multis[i].curl); // closes its connections, and so ends their watches
        uv_close((uv_handle_t *)&transport->multis[i].timer, transport_on_multi_closed);
    }
}
