// SPDX-License-Identifier: MIT
#include "tests/support/sockets.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shared/loop/process.h"
#include "tests/support/each.h"

void sockets_allow(unsigned count) {
    ck_assert_msg(process_raise_descriptors(count) >= count, "%u files can't be opened here: ulimit -Hn", count);
}

int socket_open(uint16_t port, const char *from) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in own = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT_EACH(fd >= 0);
    if (from != NULL) {
        ASSERT_EACH(inet_pton(AF_INET, from, &own.sin_addr) == 1);
        ASSERT_EACH(bind(fd, (const struct sockaddr *)&own, sizeof own) == 0);
    }
    if (connect(fd, (const struct sockaddr *)&to, sizeof to) != 0) {
        ck_abort_msg("no connection: %s", strerror(errno));
    }
    return fd;
}

bool socket_say(int fd, const void *bytes, size_t length) {
    ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
    return sent >= 0 || errno == EAGAIN;
}

bool socket_hear(int fd, struct buf *got) {
    char piece[16384];
    for (;;) {
        ssize_t length = recv(fd, piece, sizeof piece, MSG_DONTWAIT);
        if (length <= 0) {
            return length < 0 && errno == EAGAIN;
        }
        if (got != NULL) {
            buf_append(got, piece, (size_t)length);
        }
    }
}
