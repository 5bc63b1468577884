// SPDX-License-Identifier: MIT
#ifndef TESTS_FAILING_CONTROL_H
#define TESTS_FAILING_CONTROL_H

#include <stdatomic.h>

// What failing.so, preloaded into a program (LD_PRELOAD), shares with the test that watches it: a mapped file, named by
// FAILING_CONTROL in the program's environment.

enum failing_kind {
    FAILING_MEMORY,  // malloc and the like, whoever calls it: our code or a library's
    FAILING_SOCKETS, // read, write, recv, send and the like, connect, accept, on sockets
    FAILING_KINDS
};

struct failing_control {
    atomic_long calls[FAILING_KINDS]; // so far
    atomic_long next[FAILING_KINDS];  // the next-th call from now fails, once; 0 or less: none does
    atomic_long failed[FAILING_KINDS];
    atomic_long live; // blocks of memory in use, counted from when the file was mapped
};

#endif
