// SPDX-License-Identifier: MIT
#ifndef TESTS_SUPPORT_CHILD_H
#define TESTS_SUPPORT_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

// A program that a test runs: its own working folder and log file, its own environment (only PATH is inherited); it
// dies with the test.

struct child;

struct child_options {
    const char *name;               // its log is <folder>/<name>.log, to which it appends
    const char *folder;             // where it runs and logs
    const char *const *argv;        // NULL-terminated; argv[0] is a path or is looked up in PATH
    const char *const *environment; // "NAME=value", NULL-terminated; may be NULL
    const char *user;               // root drops privileges to it; NULL: stays
    int death_signal;               // what it gets when the test dies, e.g. SIGKILL
};

// Fails the test when it can't be started.
struct child *child_start(const struct child_options *options);
pid_t child_pid(const struct child *child);
// Sends a signal to it, if it still runs.
void child_signal(const struct child *child, int signal);
// kill -9 of it and of all its own children at once, and waits until they are gone; to be followed by child_wait.
void child_kill_family(struct child *child);
// The processes whose parent is pid; fills at most `room` and returns how many.
size_t child_list(pid_t pid, pid_t *out, size_t room);
// Waits for its end. Returns its exit status, 128 + the signal that ended it, or -1 when it still runs after
// timeout_ms. The first end is remembered.
int child_wait(struct child *child, int timeout_ms);
bool child_is_running(struct child *child);
// Kills it where it still runs, and frees.
void child_destroy(struct child *child);

// Starts a program and waits for its end. Fails the test unless its exit status is 0; its log says why.
void child_run(const struct child_options *options, int timeout_ms);

// The text of a file, NUL-terminated and owned by the caller; NULL when it can't be read.
char *read_whole_file(const char *path);

#endif
