// SPDX-License-Identifier: MIT
#include "tests/support/watcher.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shared/base/buf.h"
#include "shared/base/mem.h"

// The answer's head, then its chunks (RFC 9112, 7.1), of which only the data is kept.
enum part { PART_HEAD, PART_SIZE, PART_DATA, PART_END_OF_DATA };

struct watcher {
    int descriptor;
    bool closed;
    bool whole; // the chunk that ends it has come
    enum part part;
    char size[16];
    size_t size_length, left; // of the chunk
    struct buf text;
    char id[64];
};

struct watcher *watcher_open(uint16_t port, const char *last_event_id) {
    struct watcher *watcher = xcalloc(1, sizeof *watcher);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct buf request = {0};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    watcher->descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(watcher->descriptor, 0);
    int bytes = 16 * 1024; // one that doesn't read is slow soon
    ck_assert_int_eq(setsockopt(watcher->descriptor, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes), 0);
    ck_assert_int_eq(connect(watcher->descriptor, (struct sockaddr *)&address, sizeof address), 0);
    buf_puts(&request, "GET /api/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n");
    if (last_event_id != NULL) {
        buf_printf(&request, "Last-Event-ID: %s\r\n", last_event_id);
    }
    buf_puts(&request, "\r\n");
    ck_assert_int_eq(send(watcher->descriptor, request.data, request.length, MSG_NOSIGNAL), (ssize_t)request.length);
    buf_free(&request);
    buf_puts(&watcher->text, "");
    return watcher;
}

void watcher_close(struct watcher *watcher) {
    close(watcher->descriptor);
    buf_free(&watcher->text);
    free(watcher);
}

static void begin_chunk(struct watcher *watcher) {
    watcher->size[watcher->size_length] = '\0';
    watcher->left = strtoul(watcher->size, NULL, 16);
    watcher->size_length = 0;
    watcher->whole = watcher->left == 0;
    watcher->part = watcher->left > 0 ? PART_DATA : PART_END_OF_DATA;
}

static void take_byte(struct watcher *watcher, char byte) {
    switch (watcher->part) {
    case PART_HEAD:
        buf_putc(&watcher->text, byte);
        if (watcher->text.length >= 4 && strcmp(watcher->text.data + watcher->text.length - 4, "\r\n\r\n") == 0) {
            watcher->part = PART_SIZE;
        }
        break;
    case PART_SIZE:
        if (byte == '\n') {
            begin_chunk(watcher);
        } else if (watcher->size_length < sizeof watcher->size - 1) {
            watcher->size[watcher->size_length++] = byte;
        }
        break;
    case PART_DATA:
        buf_putc(&watcher->text, byte);
        if (--watcher->left == 0) {
            watcher->part = PART_END_OF_DATA;
        }
        break;
    case PART_END_OF_DATA:
        if (byte == '\n') {
            watcher->part = PART_SIZE;
        }
        break;
    }
}

bool watcher_read(struct watcher *watcher) {
    char piece[16384];
    ssize_t length;
    while (!watcher->closed && (length = recv(watcher->descriptor, piece, sizeof piece, MSG_DONTWAIT)) != -1) {
        watcher->closed = length == 0;
        for (ssize_t i = 0; i < length; i++) {
            take_byte(watcher, piece[i]);
        }
    }
    if (!watcher->closed && errno != EAGAIN && errno != EINTR) {
        watcher->closed = true;
    }
    return !watcher->closed;
}

bool watcher_saw(struct watcher *watcher, const char *text) {
    (void)watcher_read(watcher);
    return strstr(watcher->text.data, text) != NULL;
}

size_t watcher_count(struct watcher *watcher, const char *text) {
    size_t count = 0;
    (void)watcher_read(watcher);
    for (const char *at = watcher->text.data; (at = strstr(at, text)) != NULL; at++) {
        count++;
    }
    return count;
}

bool watcher_ended(struct watcher *watcher, bool *whole) {
    (void)watcher_read(watcher);
    *whole = watcher->whole;
    return watcher->closed;
}

const char *watcher_last_id(struct watcher *watcher) {
    (void)watcher_read(watcher);
    watcher->id[0] = '\0';
    for (const char *at = watcher->text.data; (at = strstr(at, "\nid: ")) != NULL; at++) {
        snprintf(watcher->id, sizeof watcher->id, "%.*s", (int)strcspn(at + 5, "\n"), at + 5);
    }
    return watcher->id;
}

const char *watcher_text(struct watcher *watcher) {
    (void)watcher_read(watcher);
    return watcher->text.data;
}
