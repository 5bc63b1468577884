// SPDX-License-Identifier: MIT
#include "shared/http/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

// Returns the length, or 0 with errno EINVAL when it is no numeric address.
static socklen_t http_listen_numeric_address(const char *address, uint16_t port, struct sockaddr_storage *out) {
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, address, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        return sizeof *v4;
    }
    if (inet_pton(AF_INET6, address, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        return sizeof *v6;
    }
    errno = EINVAL;
    return 0;
}

static int set_options(int fd, int family, bool shared_port) {
    const int on = 1;
    const int off = 0;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) {
        return -1;
    }
    if (shared_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0) {
        return -1;
    }
    // "::" is for both families, whatever the system's default.
    return family == AF_INET6 ? setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) : 0;
}

int http_listen(const char *address, uint16_t port, bool shared_port) {
    struct sockaddr_storage local;
    socklen_t length = http_listen_numeric_address(address, port, &local);
    if (length == 0) {
        return -1;
    }
    int fd = socket(local.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    if (set_options(fd, local.ss_family, shared_port) == 0 && bind(fd, (struct sockaddr *)&local, length) == 0 &&
        listen(fd, SOMAXCONN) == 0) {
        return fd;
    }
    int why = errno;
    close(fd);
    errno = why;
    return -1;
}

int http_port_check(const char *address, uint16_t port) {
    int fd = http_listen(address, port, false);
    if (fd < 0) {
        return -1;
    }
    close(fd);
    return 0;
}
