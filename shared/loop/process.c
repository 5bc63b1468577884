// SPDX-License-Identifier: MIT
#include "shared/loop/process.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "shared/base/json.h"
#include "shared/base/log.h"

enum { MOST_INSTANCES = 10000 }; // of one program on one host

// Set once by process_start, before there are threads; a process has one identity.
static char instance[256];

// Binds the abstract socket that stands for the name. Returns its descriptor, which is never closed, or -1.
static int hold_name(const char *program, int n) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int length = snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "messaging-%s-%d", program, n);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    if (bind(fd, (struct sockaddr *)&address,
             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length)) == 0) {
        return fd;
    }
    int why = errno;
    close(fd);
    errno = why;
    return -1;
}

static void take_instance(const char *program) {
    char host[128] = "localhost";
    if (gethostname(host, sizeof host) == 0) {
        host[sizeof host - 1] = '\0';
    }
    int n = 0;
    while (n < MOST_INSTANCES && hold_name(program, n) < 0 && errno == EADDRINUSE) {
        n++;
    }
    snprintf(instance, sizeof instance, "%s-%s-%d", host, program, n);
}

static enum log_level level_of(const char *name) {
    static const char *const names[] = {"debug", "info", "warn", "error"};
    for (int i = 0; i < 4; i++) {
        if (strcmp(name, names[i]) == 0) {
            return (enum log_level)i;
        }
    }
    return LOG_INFO;
}

// The signals that process_watch listens for. Before that they wait: one that came while a program starts would end it
// at once, SIGHUP, too, with a status that says that it was killed. What threads are made meanwhile take none of them.
static void hold_signals(int how) {
    sigset_t held;
    sigemptyset(&held);
    sigaddset(&held, SIGTERM);
    sigaddset(&held, SIGINT);
    sigaddset(&held, SIGHUP);
    pthread_sigmask(how, &held, NULL);
}

void process_start(const struct settings *settings, const char *program) {
    hold_signals(SIG_BLOCK);
    const struct log_options options = {
        .program = program,
        .instance = instance,
        .level = level_of(settings->log_level),
        .path = settings->log_file,
        .max_bytes = (uint64_t)settings->log_max_bytes,
        .text = strcmp(settings->log_format, "text") == 0,
    };
    if (settings->instance_id != NULL && *settings->instance_id) {
        snprintf(instance, sizeof instance, "%s", settings->instance_id);
    } else {
        take_instance(program);
    }
    umask(S_IRWXG | S_IRWXO); // whatever it writes is its owner's alone
    signal(SIGPIPE, SIG_IGN);
    json_begin();
    if (log_open(&options) != 0) {
        fprintf(stderr, "%s: LOG_FILE=%s can't be written: %s\n", program, settings->log_file, strerror(errno));
        exit(EXIT_FAILURE);
    }
}

const char *process_instance(void) {
    return instance;
}

static void process_hurry(struct process *process, const char *why) {
    if (process->asked >= 2) {
        return;
    }
    process->asked = 2;
    log_warn("hurry", "%s: letting go of what is still in flight", why);
    process->on_hurry(process->argument);
}

static void process_on_limit(uv_timer_t *timer) {
    process_hurry(timer->data, "the drain took longer than DRAIN_TIMEOUT_SECS");
}

static void process_drain(struct process *process, const char *signal_name) {
    process->asked = 1;
    if (process->reload != NULL) {
        reload_stop(process->reload);
    }
    log_info("drain", "%s: taking no new work, finishing what is in flight", signal_name);
    uv_timer_start(&process->limit, process_on_limit, (uint64_t)process->drain_timeout_ms, 0);
    process->on_drain(process->argument);
}

static void process_on_stop(uv_signal_t *handle, int number) {
    struct process *process = handle->data;
    const char *name = number == SIGINT ? "SIGINT" : "SIGTERM";
    if (process->asked == 0) {
        process_drain(process, name);
    } else {
        process_hurry(process, name);
    }
}

static void process_on_hangup(uv_signal_t *handle, int number) {
    struct process *process = handle->data;
    (void)number;
    log_reopen();
    if (process->reload != NULL) {
        reload_ask(process->reload);
    }
}

void process_watch(struct process *process, const struct settings *settings) {
    process->asked = 0;
    process->drain_timeout_ms = settings->drain_timeout_secs * 1000;
    process->reload =
        process->plan != NULL ? reload_create(process->loop, process->live, process->plan, process->argument) : NULL;
    process->terminate.data = process->interrupt.data = process->hangup.data = process->limit.data = process;
    uv_signal_init(process->loop, &process->terminate);
    uv_signal_init(process->loop, &process->interrupt);
    uv_signal_init(process->loop, &process->hangup);
    uv_timer_init(process->loop, &process->limit);
    uv_signal_start(&process->terminate, process_on_stop, SIGTERM);
    uv_signal_start(&process->interrupt, process_on_stop, SIGINT);
    uv_signal_start(&process->hangup, process_on_hangup, SIGHUP);
    hold_signals(SIG_UNBLOCK);
}

void process_finished(void *argument) {
    struct process *process = argument;
    if (process->reload != NULL) {
        reload_stop(process->reload);
        reload_free(process->reload);
        process->reload = NULL;
    }
    uv_handle_t *handles[] = {(uv_handle_t *)&process->terminate, (uv_handle_t *)&process->interrupt,
                              (uv_handle_t *)&process->hangup, (uv_handle_t *)&process->limit};
    for (size_t i = 0; i < sizeof handles / sizeof handles[0]; i++) {
        if (!uv_is_closing(handles[i])) {
            uv_close(handles[i], NULL);
        }
    }
}

static void close_leftover(uv_handle_t *handle, void *argument) {
    (void)argument;
    if (uv_is_closing(handle)) {
        return;
    }
    log_debug("handle_left", "a %s handle was left on the loop", uv_handle_type_name(handle->type));
    uv_close(handle, NULL);
}

uint64_t process_raise_descriptors(uint64_t wanted) {
    struct rlimit now;
    if (getrlimit(RLIMIT_NOFILE, &now) != 0) {
        return UINT64_MAX; // it can't be known: the open that is one too many will tell
    }
    if (now.rlim_cur >= wanted) {
        return now.rlim_cur;
    }
    struct rlimit raised = {.rlim_cur = wanted, .rlim_max = now.rlim_max > wanted ? now.rlim_max : wanted};
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0) {
        return wanted;
    }
    struct rlimit most = {.rlim_cur = now.rlim_max, .rlim_max = now.rlim_max};
    return setrlimit(RLIMIT_NOFILE, &most) == 0 ? most.rlim_cur : now.rlim_cur;
}

int process_end(uv_loop_t *loop) {
    uv_walk(loop, close_leftover, NULL);
    uv_run(loop, UV_RUN_DEFAULT);
    if (uv_loop_close(loop) != 0) {
        log_debug("handle_left", "the loop still has work");
    }
    log_info("stopped", "exit 0");
    log_close();
    return EXIT_SUCCESS;
}
