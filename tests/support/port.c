// SPDX-License-Identifier: MIT
#include "tests/support/port.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

// Below the kernel's range for outgoing connections (32768 and up): a port up there may be taken by anybody's
// connection while a server restarts, even by a client that knocks at it and so connects to itself.
#define FIRST_PORT 20000
#define PORT_COUNT 12000

static bool is_free(uint16_t port) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    bool bound = bind(fd, (const struct sockaddr *)&address, sizeof address) == 0;
    close(fd);
    return bound;
}

uint16_t free_port(void) {
    for (int i = 0; i < 1000; i++) {
        uint16_t random = 0;
        ck_assert_int_eq(getrandom(&random, sizeof random, 0), sizeof random);
        uint16_t port = (uint16_t)(FIRST_PORT + random % PORT_COUNT);
        if (is_free(port)) {
            return port;
        }
    }
    ck_abort_msg("no free port between %d and %d", FIRST_PORT, FIRST_PORT + PORT_COUNT);
}
