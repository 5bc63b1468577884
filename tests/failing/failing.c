// SPDX-License-Identifier: MIT
// failing.so: lets the n-th allocation of a program, or its n-th call on a socket, fail once (control.h). Memory comes
// from glibc's own entry points, which are there before anything can be looked up.

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/failing/control.h"

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *memory);

static struct failing_control *control; // NULL: before the program's begin, or without a test

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("FAILING_CONTROL");
    int fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd >= 0) {
        void *mapped = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        control = mapped != MAP_FAILED ? mapped : NULL;
        close(fd);
    }
}

static bool fails(enum failing_kind kind) {
    if (control == NULL) {
        return false;
    }
    atomic_fetch_add(&control->calls[kind], 1);
    if (atomic_load(&control->next[kind]) <= 0 || atomic_fetch_sub(&control->next[kind], 1) != 1) {
        return false;
    }
    atomic_fetch_add(&control->failed[kind], 1);
    return true;
}

// ---- Memory

static bool memory_fails(void) {
    if (!fails(FAILING_MEMORY)) {
        return false;
    }
    errno = ENOMEM;
    return true;
}

static void *count(void *memory) {
    if (memory != NULL && control != NULL) {
        atomic_fetch_add(&control->live, 1);
    }
    return memory;
}

void *malloc(size_t size) {
    return memory_fails() ? NULL : count(__libc_malloc(size));
}

void *calloc(size_t number, size_t size) {
    return memory_fails() ? NULL : count(__libc_calloc(number, size));
}

void *realloc(void *old, size_t size) {
    if (memory_fails()) {
        return NULL;
    }
    void *memory = __libc_realloc(old, size);
    return old == NULL ? count(memory) : memory;
}

void *memalign(size_t alignment, size_t size);
void *memalign(size_t alignment, size_t size) {
    return memory_fails() ? NULL : count(__libc_memalign(alignment, size));
}

void *aligned_alloc(size_t alignment, size_t size) {
    return memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size) {
    void *got = memalign(alignment, size);
    if (got == NULL) {
        return ENOMEM;
    }
    *memory = got;
    return 0;
}

void free(void *memory) {
    if (memory != NULL && control != NULL) {
        atomic_fetch_sub(&control->live, 1);
    }
    __libc_free(memory);
}

// ---- Sockets

static bool socket_fails(int fd, int why) {
    struct stat status;
    if (control == NULL || fstat(fd, &status) != 0 || !S_ISSOCK(status.st_mode) || !fails(FAILING_SOCKETS)) {
        return false;
    }
    errno = why;
    return true;
}

// The function of that name which would have been called without us.
#define NEXT(name) ((__typeof__(&name))(uintptr_t)dlsym(RTLD_NEXT, #name))

#define FAILING(result, name, parameters, arguments, why)                                                              \
    result name parameters {                                                                                           \
        static __typeof__(&name) real;                                                                                 \
        if (real == NULL) {                                                                                            \
            real = NEXT(name);                                                                                         \
        }                                                                                                              \
        return socket_fails(fd, why) ? -1 : real arguments;                                                            \
    }

ssize_t __read_chk(int fd, void *bytes, size_t size, size_t room);
ssize_t __recv_chk(int fd, void *bytes, size_t size, size_t room, int flags);

FAILING(ssize_t, read, (int fd, void *bytes, size_t size), (fd, bytes, size), ECONNRESET)
FAILING(ssize_t, __read_chk, (int fd, void *bytes, size_t size, size_t room), (fd, bytes, size, room), ECONNRESET)
FAILING(ssize_t, readv, (int fd, const struct iovec *pieces, int number), (fd, pieces, number), ECONNRESET)
FAILING(ssize_t, recv, (int fd, void *bytes, size_t size, int flags), (fd, bytes, size, flags), ECONNRESET)
// A program with recv's name for itself reads by this.
FAILING(ssize_t, recvfrom,
        (int fd, void *restrict bytes, size_t size, int flags, __SOCKADDR_ARG address, socklen_t *restrict length),
        (fd, bytes, size, flags, address, length), ECONNRESET)
FAILING(ssize_t, __recv_chk, (int fd, void *bytes, size_t size, size_t room, int flags), (fd, bytes, size, room, flags),
        ECONNRESET)
FAILING(ssize_t, write, (int fd, const void *bytes, size_t size), (fd, bytes, size), EPIPE)
FAILING(ssize_t, writev, (int fd, const struct iovec *pieces, int number), (fd, pieces, number), EPIPE)
FAILING(ssize_t, send, (int fd, const void *bytes, size_t size, int flags), (fd, bytes, size, flags), EPIPE)
FAILING(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), (fd, message, flags), EPIPE)
FAILING(int, connect, (int fd, __CONST_SOCKADDR_ARG address, socklen_t length), (fd, address, length), ENETUNREACH)
FAILING(int, accept4, (int fd, __SOCKADDR_ARG address, socklen_t *restrict length, int flags),
        (fd, address, length, flags), EMFILE)
