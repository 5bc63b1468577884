// SPDX-License-Identifier: MIT
#include "tests/support/child.h"

#include <check.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/base/buf.h"
#include "shared/base/mem.h"

// A process that was killed ends once the disk has done what it asked of it.
enum { MOST_MEMBERS = 256, MEMBER_END_MS = 60000 };

struct child {
    char *name;
    pid_t pid;
    int pidfd;
    int end; // -1 while it runs, else as child_wait returns it
};

static void drop_privileges(const char *user) {
    if (user == NULL || geteuid() != 0) {
        return;
    }
    const struct passwd *entry = getpwnam(user);
    if (entry == NULL || initgroups(user, entry->pw_gid) != 0 || setgid(entry->pw_gid) != 0 ||
        setuid(entry->pw_uid) != 0) {
        dprintf(STDERR_FILENO, "can't become %s\n", user);
        _exit(126);
    }
}

// In the new process; never returns.
static void become(const struct child_options *options, const char *log_path, char **environment, pid_t parent) {
    int log = open(log_path, O_WRONLY | O_CREAT | O_APPEND, 0644);
    int nothing = open("/dev/null", O_RDONLY);
    if (log < 0 || nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 || dup2(log, STDOUT_FILENO) < 0 ||
        dup2(log, STDERR_FILENO) < 0 || chdir(options->folder) != 0) {
        dprintf(STDERR_FILENO, "%s can't be started: %s\n", options->name, strerror(errno));
        _exit(126);
    }
    close_range(STDERR_FILENO + 1, ~0U,
                0);           // a test's sockets must not live on in a program that is killed to break them
    signal(SIGXFSZ, SIG_IGN); // a file that may not grow fails its writer as a full disk would
    drop_privileges(options->user);
    prctl(PR_SET_PDEATHSIG, options->death_signal); // after the change of user, which clears it
    if (getppid() != parent) {
        _exit(126);
    }
    execvpe(options->argv[0], (char *const *)(uintptr_t)options->argv, environment);
    dprintf(STDERR_FILENO, "%s can't be run: %s\n", options->argv[0], strerror(errno));
    _exit(127);
}

static char **make_environment(const char *const *given) {
    size_t count = 0;
    while (given != NULL && given[count] != NULL) {
        count++;
    }
    char **environment = xcalloc(count + 3, sizeof *environment);
    for (size_t i = 0; i < count; i++) {
        environment[i] = xstrdup(given[i]);
    }
    const char *path = getenv("PATH");
    environment[count] = xasprintf("PATH=%s", path != NULL ? path : "/usr/bin:/bin");
    environment[count + 1] = xstrdup("LC_ALL=C.UTF-8");
    return environment;
}

static void free_environment(char **environment) {
    for (size_t i = 0; environment[i] != NULL; i++) {
        free(environment[i]);
    }
    free(environment);
}

struct child *child_start(const struct child_options *options) {
    char *log_path = xasprintf("%s/%s.log", options->folder, options->name);
    char **environment = make_environment(options->environment);
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        become(options, log_path, environment, parent);
    }
    free_environment(environment);
    free(log_path);
    ck_assert_msg(pid > 0, "%s can't be forked: %s", options->name, strerror(errno));
    struct child *child = xcalloc(1, sizeof *child);
    child->name = xstrdup(options->name);
    child->pid = pid;
    child->pidfd = pidfd_open(pid, 0);
    child->end = -1;
    ck_assert_int_ge(child->pidfd, 0);
    return child;
}

pid_t child_pid(const struct child *child) {
    return child->pid;
}

void child_signal(const struct child *child, int signal) {
    if (child->end < 0) {
        kill(child->pid, signal);
    }
}

// From /proc/<pid>/stat, "pid (name) state parent …", where the name may hold anything; -1 when it is gone.
static pid_t parent_of(const char *pid) {
    char path[64], line[512] = "";
    snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return -1;
    }
    const char *behind = fgets(line, sizeof line, file) != NULL ? strrchr(line, ')') : NULL;
    fclose(file);
    return behind != NULL && strlen(behind) > 4 ? (pid_t)strtol(behind + 4, NULL, 10) : -1;
}

size_t child_list(pid_t pid, pid_t *out, size_t room) {
    size_t count = 0;
    DIR *processes = opendir("/proc");
    ck_assert_ptr_nonnull(processes);
    for (const struct dirent *entry; count < room && (entry = readdir(processes)) != NULL;) {
        if (isdigit((unsigned char)entry->d_name[0]) && parent_of(entry->d_name) == pid) {
            out[count++] = (pid_t)strtol(entry->d_name, NULL, 10);
        }
    }
    closedir(processes);
    return count;
}

void child_kill_family(struct child *child) {
    pid_t members[MOST_MEMBERS];
    int ends[MOST_MEMBERS];
    child_signal(child, SIGSTOP); // so that it gets no further children
    size_t count = child_list(child->pid, members, MOST_MEMBERS);
    for (size_t i = 0; i < count; i++) {
        ends[i] = pidfd_open(members[i], 0);
        kill(members[i], SIGKILL);
    }
    child_signal(child, SIGKILL);
    for (size_t i = 0; i < count; i++) {
        struct pollfd wait = {.fd = ends[i], .events = POLLIN};
        if (ends[i] >= 0) {
            ck_assert_int_eq(poll(&wait, 1, MEMBER_END_MS), 1);
            close(ends[i]);
        }
    }
}

int child_wait(struct child *child, int timeout_ms) {
    if (child->end >= 0) {
        return child->end;
    }
    struct pollfd wait = {.fd = child->pidfd, .events = POLLIN};
    int ready;
    do {
        ready = poll(&wait, 1, timeout_ms);
    } while (ready < 0 && errno == EINTR);
    int status = 0;
    if (ready <= 0 || waitpid(child->pid, &status, 0) != child->pid) {
        return -1;
    }
    child->end = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return child->end;
}

bool child_is_running(struct child *child) {
    return child_wait(child, 0) < 0;
}

void child_destroy(struct child *child) {
    if (child == NULL) {
        return;
    }
    if (child->end < 0) {
        kill(child->pid, SIGKILL);
        (void)child_wait(child, -1);
    }
    close(child->pidfd);
    free(child->name);
    free(child);
}

void child_run(const struct child_options *options, int timeout_ms) {
    struct child *child = child_start(options);
    int end = child_wait(child, timeout_ms);
    child_destroy(child);
    if (end != 0) {
        char *path = xasprintf("%s/%s.log", options->folder, options->name);
        char *log = read_whole_file(path);
        ck_abort_msg("%s ended with %d: %s", options->name, end, log != NULL ? log : "");
    }
}

char *read_whole_file(const char *path) {
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return NULL;
    }
    struct buf text = {0};
    buf_puts(&text, "");
    size_t got;
    do {
        buf_reserve(&text, 65536);
        got = fread(text.data + text.length, 1, 65536, file);
        text.length += got;
        text.data[text.length] = '\0';
    } while (got > 0);
    fclose(file);
    return text.data;
}
