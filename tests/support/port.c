// SPDX-License-Identifier: MIT
#include "tests/support/port.h"

#include <arpa/inet.h>
#include <check.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

// Below the kernel's range for outgoing connections (32768 and up): a port up there may be taken by anybody's
// connection while a server restarts, even by a client that knocks at it and so connects to itself.
#define FIRST_PORT 20000
#define PORT_COUNT 12000
#define TRIES 1000

// A port is often bound long after it was chosen, so its file here is locked from then on: ports.bash does the same.
#define FOLDER "/tmp/messaging-test-ports"

static bool is_free(uint16_t port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_ANY)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    bool bound = bind(fd, (const struct sockaddr *)&address, sizeof address) == 0;
    close(fd);
    return bound;
}

// The lock's descriptor stays open: the lock is gone with the last process that has it, be it this one or one that it
// forks.
static bool claim(uint16_t port) {
    char path[64];
    snprintf(path, sizeof path, FOLDER "/%u", port);
    int fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0644);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && is_free(port)) {
        return true;
    }
    if (fd >= 0) {
        close(fd);
    }
    return false;
}

uint16_t free_port(void) {
    if (mkdir(FOLDER, 0777) == 0) {
        ck_assert_int_eq(chmod(FOLDER, 0777), 0); // whatever the umask: other users' tests use it too
    }
    for (int i = 0; i < TRIES; i++) {
        uint16_t random = 0;
        ck_assert_int_eq(getrandom(&random, sizeof random, 0), sizeof random);
        uint16_t port = (uint16_t)(FIRST_PORT + random % PORT_COUNT);
        if (claim(port)) {
            return port;
        }
    }
    ck_abort_msg("no free port between %d and %d, or no " FOLDER, FIRST_PORT, FIRST_PORT + PORT_COUNT);
}
