// SPDX-License-Identifier: MIT
#include "tests/chaos/injection.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "tests/support/child.h"
#include "tests/support/private_pooler.h"

#define BALLAST "ballast"
#define FULL_DISK_END_MS 10000 // within which Redis must have ended
#define SWITCH_MS 20000        // within which the Sentinels must have switched
#define MASTER "master"
#define REPLICA "replica"

struct kind {
    const char *name;
    int64_t least_ms, most_ms; // how long it holds
    void (*begin)(struct injection *injection, struct world *world, struct dice *dice);
    void (*end)(struct injection *injection, struct world *world, struct report *report);
};

// ---- Processes

// The process by its name in the stack.
static const char *member(const struct injection *injection) {
    return injection->server != NULL ? injection->server : injection->target;
}

static void kill_it(struct injection *injection, struct world *world, struct dice *dice) {
    (void)dice;
    stack_kill(world->stack, member(injection));
}

static void stop_it(struct injection *injection, struct world *world, struct dice *dice) {
    (void)dice;
    stack_signal(world->stack, member(injection), SIGSTOP);
}

static void end_in_order(struct injection *injection, struct world *world, struct dice *dice) {
    (void)dice;
    stack_stop(world->stack, member(injection));
}

static void start_again(struct injection *injection, struct world *world, struct report *report) {
    (void)report;
    world_start(world, member(injection));
}

static void go_on(struct injection *injection, struct world *world, struct report *report) {
    (void)report;
    stack_signal(world->stack, member(injection), SIGCONT);
}

// Postgres's processes that serve a client bear its name in their command line.
static bool serves_a_client(pid_t pid) {
    char path[64], line[256] = "";
    snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
    FILE *file = fopen(path, "re");
    bool yes = file != NULL && fgets(line, sizeof line, file) != NULL && strstr(line, "messaging_user") != NULL;
    if (file != NULL) {
        fclose(file);
    }
    return yes;
}

static void stop_backend(struct injection *injection, struct world *world, struct dice *dice) {
    enum { MOST = 128 };
    pid_t all[MOST], ours[MOST];
    size_t count = child_list(stack_pid(world->stack, "postgres"), all, MOST), fit = 0;
    for (size_t i = 0; i < count; i++) {
        if (serves_a_client(all[i])) {
            ours[fit++] = all[i];
        }
    }
    if (fit > 0) {
        injection->process = ours[dice_roll(dice) % fit];
        kill(injection->process, SIGSTOP);
    }
}

static void backend_goes_on(struct injection *injection, struct world *world, struct report *report) {
    (void)world;
    (void)report;
    if (injection->process > 0) {
        kill(injection->process, SIGCONT);
    }
}

// ---- Redis

static void destroy_group(struct injection *injection, struct world *world, struct dice *dice) {
    (void)dice;
    const char *group = strncmp(injection->target, "outbound", 8) == 0 ? "dispatchers" : "persisters";
    freeReplyObject(stack_redis(world->stack, "XGROUP DESTROY %s %s", injection->target, group));
}

static void flush_functions(struct injection *injection, struct world *world, struct dice *dice) {
    (void)injection;
    (void)dice;
    freeReplyObject(stack_redis(world->stack, "FUNCTION FLUSH"));
}

// Writes until there is no room at all.
static void fill_disk(struct injection *injection, struct world *world, struct dice *dice) {
    (void)injection;
    (void)dice;
    static const char zeroes[1 << 16];
    char *path = xasprintf("%s/" BALLAST, world->disk);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ck_assert_msg(file >= 0, "%s: %s", path, strerror(errno));
    while (write(file, zeroes, sizeof zeroes) > 0) {
    }
    close(file);
    free(path);
}

static void free_disk(struct injection *injection, struct world *world, struct report *report) {
    char *path = xasprintf("%s/" BALLAST, world->disk);
    if (stack_is_running(world->stack, "redis")) {
        report_breach(report, "Redis lives on a full disk", NULL, "%s did not end within %d ms", injection->target,
                      FULL_DISK_END_MS);
        stack_kill(world->stack, "redis");
    } else {
        (void)stack_bury(world->stack, "redis");
    }
    unlink(path);
    free(path);
    world_start(world, "redis");
}

// ---- Sentinels

static void fail_over(struct injection *injection, struct world *world, struct dice *dice) {
    (void)injection;
    (void)dice;
    redundancy_fail_over(world->redundancy);
}

static bool has_switched(const struct injection *injection, const struct world *world) {
    return strcmp(redundancy_master(world->redundancy), injection->server) != 0;
}

// The old master comes back and takes itself for the master, until the Sentinels tell it otherwise.
static void must_have_switched(struct injection *injection, struct world *world, struct report *report) {
    if (!has_switched(injection, world)) {
        report_breach(report, "no fail-over", NULL, "%s was away for %d ms", injection->server, SWITCH_MS);
    }
}

static void return_started(struct injection *injection, struct world *world, struct report *report) {
    must_have_switched(injection, world, report);
    start_again(injection, world, report);
}

static void return_woken(struct injection *injection, struct world *world, struct report *report) {
    must_have_switched(injection, world, report);
    go_on(injection, world, report);
}

static unsigned number_of(const struct injection *injection) {
    return (unsigned)strtoul(injection->target + strlen("sentinel-"), NULL, 10) - 1;
}

static void kill_sentinel(struct injection *injection, struct world *world, struct dice *dice) {
    (void)dice;
    redundancy_kill_sentinel(world->redundancy, number_of(injection));
}

static void start_sentinel(struct injection *injection, struct world *world, struct report *report) {
    (void)report;
    redundancy_start_sentinel(world->redundancy, number_of(injection));
}

// ---- The pooler

static void tell_pooler(struct world *world, const char *command) {
    pooler_command(stack_port(world->stack, "pooler"), command);
}

static void reload_pooler(struct injection *injection, struct world *world, struct dice *dice) {
    (void)injection;
    (void)dice;
    tell_pooler(world, "RELOAD");
}

static void reconnect_pooler(struct injection *injection, struct world *world, struct dice *dice) {
    (void)injection;
    (void)dice;
    tell_pooler(world, "RECONNECT");
}

static void kill_in_pooler(struct injection *injection, struct world *world, struct dice *dice) {
    (void)injection;
    (void)dice;
    tell_pooler(world, "KILL messaging_service");
}

static void resume_in_pooler(struct injection *injection, struct world *world, struct report *report) {
    (void)injection;
    (void)report;
    tell_pooler(world, "RESUME messaging_service");
}

// ---- The net

static void reset_pair(struct injection *injection, struct world *world, struct dice *dice) {
    (void)dice;
    proxy_reset(world->proxy, injection->target);
}

static void swallow(struct injection *injection, struct world *world, struct dice *dice) {
    (void)dice;
    proxy_set_mode(world->proxy, injection->target, PROXY_SWALLOW);
}

static void delay(struct injection *injection, struct world *world, struct dice *dice) {
    (void)dice;
    proxy_set_mode(world->proxy, injection->target, PROXY_DELAY);
}

static void pass(struct injection *injection, struct world *world, struct report *report) {
    (void)report;
    proxy_set_mode(world->proxy, injection->target, PROXY_PASS);
}

// ---- All of them

static const struct kind kinds[INJECT_KINDS] = {
    [INJECT_KILL] = {"kill -9", 50, 1500, kill_it, start_again},
    [INJECT_STOP] = {"stop", WORLD_CLAIM_MS + 300, WORLD_CLAIM_MS + 2000, stop_it, go_on},
    [INJECT_STOP_BACKEND] = {"stop a backend", WORLD_CLAIM_MS + 300, WORLD_CLAIM_MS + 2000, stop_backend,
                             backend_goes_on},
    [INJECT_RESTART] = {"restart", 0, 1500, end_in_order, start_again},
    [INJECT_GROUP_DESTROY] = {"XGROUP DESTROY", 0, 0, destroy_group, NULL},
    [INJECT_FUNCTION_FLUSH] = {"FUNCTION FLUSH", 0, 0, flush_functions, NULL},
    [INJECT_RESET] = {"TCP reset", 0, 0, reset_pair, NULL},
    [INJECT_BLACK_HOLE] = {"black hole", 500, 4000, swallow, pass},
    [INJECT_DELAY] = {"delay", 500, 4000, delay, pass},
    [INJECT_POOLER_RELOAD] = {"RELOAD", 0, 0, reload_pooler, NULL},
    [INJECT_POOLER_RECONNECT] = {"RECONNECT", 0, 0, reconnect_pooler, NULL},
    [INJECT_POOLER_KILL] = {"KILL", 50, 1500, kill_in_pooler, resume_in_pooler},
    [INJECT_FULL_DISK] = {"full disk", FULL_DISK_END_MS, FULL_DISK_END_MS, fill_disk, free_disk},
    [INJECT_FAIL_OVER] = {"SENTINEL FAILOVER", 0, 0, fail_over, NULL},
    [INJECT_LOSE_MASTER] = {"kill -9, fail-over:", SWITCH_MS, SWITCH_MS, kill_it, return_started},
    [INJECT_STOP_MASTER] = {"stop, fail-over:", SWITCH_MS, SWITCH_MS, stop_it, return_woken},
    [INJECT_KILL_SENTINEL] = {"kill -9", 500, 4000, kill_sentinel, start_sentinel},
};

// Whether it is done by a command that the server itself must answer.
static bool asks(enum injection_kind kind, const char *server) {
    bool is_redis = kind == INJECT_GROUP_DESTROY || kind == INJECT_FUNCTION_FLUSH;
    bool is_pooler = kind == INJECT_POOLER_RELOAD || kind == INJECT_POOLER_RECONNECT || kind == INJECT_POOLER_KILL;
    return strcmp(server, "redis") == 0 ? is_redis : is_pooler;
}

struct list {
    struct injection *out;
    size_t count, room;
};

static void add(struct list *list, enum injection_kind kind, const char *target) {
    ck_assert_uint_lt(list->count, list->room);
    struct injection *injection = &list->out[list->count++];
    *injection = (struct injection){.kind = kind};
    snprintf(injection->target, sizeof injection->target, "%s", target);
}

static void add_each(struct list *list, const char *target, const enum injection_kind *which, size_t count) {
    for (size_t i = 0; i < count; i++) {
        add(list, which[i], target);
    }
}

static void add_programs(struct list *list, const struct world *world) {
    for (size_t i = 0; i < world->program_count; i++) {
        add(list, INJECT_KILL, world->programs[i]);
        if (strcmp(world->programs[i], "mock-provider") != 0) {
            add(list, INJECT_STOP, world->programs[i]);
        }
    }
}

static const enum injection_kind of_server[] = {INJECT_KILL, INJECT_STOP, INJECT_RESTART};

// Of the two only one at a time: who loses both has no Redis with fail-over.
static void add_redundancy(struct list *list) {
    static const enum injection_kind of_master[] = {INJECT_KILL, INJECT_RESTART, INJECT_FAIL_OVER, INJECT_LOSE_MASTER,
                                                    INJECT_STOP_MASTER};
    add_each(list, MASTER, of_master, sizeof of_master / sizeof *of_master);
    add_each(list, REPLICA, of_server, sizeof of_server / sizeof *of_server);
    for (unsigned i = 1; i <= REDUNDANCY_SENTINELS; i++) {
        char name[24];
        snprintf(name, sizeof name, "sentinel-%u", i);
        add(list, INJECT_KILL_SENTINEL, name);
    }
}

size_t injection_all(const struct world *world, struct injection *out, size_t room) {
    static const char *const streams[] = {"outbound:{sms-mms:0}", "outbound:{email:0}", "events:{sms-mms:0}",
                                          "events:{email:0}"};
    static const enum injection_kind of_pooler[] = {INJECT_KILL, INJECT_STOP, INJECT_POOLER_RELOAD,
                                                    INJECT_POOLER_RECONNECT, INJECT_POOLER_KILL};
    struct list list = {out, 0, room};
    add_programs(&list, world);
    if (world->redundancy != NULL) {
        add_redundancy(&list);
    } else {
        add_each(&list, "redis", of_server, sizeof of_server / sizeof *of_server);
    }
    add_each(&list, "postgres", of_server, sizeof of_server / sizeof *of_server);
    add(&list, INJECT_STOP_BACKEND, "postgres");
    if (world->has_pooler) {
        add_each(&list, "pooler", of_pooler, sizeof of_pooler / sizeof *of_pooler);
    }
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++) {
        add(&list, INJECT_GROUP_DESTROY, streams[i]);
    }
    add(&list, INJECT_FUNCTION_FLUSH, "redis");
    for (size_t i = 0; i < world->pair_count; i++) {
        add(&list, INJECT_RESET, world->pairs[i]);
        add(&list, INJECT_BLACK_HOLE, world->pairs[i]);
        add(&list, INJECT_DELAY, world->pairs[i]);
    }
    if (world->has_small_disk) {
        add(&list, INJECT_FULL_DISK, "redis");
    }
    return list.count;
}

void injection_label(const struct injection *injection, char *out, size_t size) {
    char target[sizeof injection->target];
    size_t used = 0;
    for (const char *at = injection->target; *at != '\0'; at++) { // without a copy's "-1"
        bool is_copy = at[0] == '-' && at[1] >= '1' && at[1] <= '3';
        if (is_copy) {
            at++;
        } else {
            target[used++] = *at;
        }
    }
    target[used] = '\0';
    const char *plain = injection->kind == INJECT_GROUP_DESTROY ? strtok(target, ":") : target;
    snprintf(out, size, "%s %s", kinds[injection->kind].name, plain);
}

const char *injection_process(const struct injection *injection) {
    switch (injection->kind) {
    case INJECT_KILL:
    case INJECT_STOP:
    case INJECT_STOP_BACKEND:
    case INJECT_RESTART:
    case INJECT_FULL_DISK:
    case INJECT_LOSE_MASTER:
    case INJECT_STOP_MASTER:
    case INJECT_KILL_SENTINEL:
        return member(injection);
    case INJECT_FAIL_OVER:
    case INJECT_GROUP_DESTROY:
    case INJECT_FUNCTION_FLUSH:
    case INJECT_RESET:
    case INJECT_BLACK_HOLE:
    case INJECT_DELAY:
    case INJECT_POOLER_RELOAD:
    case INJECT_POOLER_RECONNECT:
    case INJECT_POOLER_KILL:
    case INJECT_KINDS:
        break;
    }
    return NULL;
}

static bool is_of(const struct injection *injection, const char *target) {
    return strcmp(injection->target, target) == 0;
}

// Redis, or the one of two that programs ask.
static bool is_of_redis(const struct injection *injection) {
    return is_of(injection, "redis") || is_of(injection, MASTER);
}

// Whether it takes that server away, or stops it.
static bool holds(const struct injection *injection, const char *server) {
    bool takes_away = injection_process(injection) != NULL || injection->kind == INJECT_FAIL_OVER;
    return takes_away && (strcmp(server, "redis") == 0 ? is_of_redis(injection) : is_of(injection, server));
}

// Whether it is about one of two Redis, or a Sentinel.
static bool is_of_redundancy(const struct injection *injection) {
    return is_of(injection, MASTER) || is_of(injection, REPLICA) || injection->kind == INJECT_KILL_SENTINEL;
}

// Whether one needs what the other takes away: a server that it speaks to, or one that it waits for at its end.
static bool is_barred_by(const struct injection *one, const struct injection *other) {
    return (asks(one->kind, "redis") && holds(other, "redis")) ||
           (asks(one->kind, "pooler") && holds(other, "pooler")) ||
           (one->kind == INJECT_KILL && holds(one, "pooler") && holds(other, "postgres"));
}

bool injection_may_meet(const struct injection *one, const struct injection *other) {
    bool same = strcmp(one->target, other->target) == 0;
    bool both = is_of_redundancy(one) && is_of_redundancy(other);
    return !same && !both && !is_barred_by(one, other) && !is_barred_by(other, one);
}

bool injection_may_begin(const struct injection *injection, const struct world *world) {
    return !is_of_redundancy(injection) || redundancy_is_whole(world->redundancy);
}

static const char *server_of(const struct injection *injection, const struct world *world) {
    return is_of(injection, MASTER)    ? redundancy_master(world->redundancy)
           : is_of(injection, REPLICA) ? redundancy_replica(world->redundancy)
                                       : NULL;
}

void injection_begin(struct injection *injection, struct world *world, struct dice *dice) {
    const struct kind *kind = &kinds[injection->kind];
    injection->hold_ms = dice_between(dice, kind->least_ms, kind->most_ms);
    injection->began_ms = clock_unix_ms();
    injection->server = server_of(injection, world);
    kind->begin(injection, world, dice);
}

bool injection_is_over(const struct injection *injection, struct world *world) {
    bool held = clock_unix_ms() >= injection->began_ms + injection->hold_ms;
    if (injection->kind == INJECT_LOSE_MASTER || injection->kind == INJECT_STOP_MASTER) {
        return held || has_switched(injection, world);
    }
    return held || (injection->kind == INJECT_FULL_DISK && !stack_is_running(world->stack, "redis"));
}

void injection_end(struct injection *injection, struct world *world, struct report *report) {
    if (kinds[injection->kind].end != NULL) {
        kinds[injection->kind].end(injection, world, report);
    }
    injection->ended_ms = clock_unix_ms();
}

// Whether it is about such a program itself, or Redis, or what one says to the other.
static bool is_between(const struct injection *injection, const char *program) {
    bool is_command = injection->kind == INJECT_GROUP_DESTROY || injection->kind == INJECT_FUNCTION_FLUSH;
    const char *server = strstr(injection->target, " to ");
    if (strncmp(injection->target, program, strlen(program)) == 0) {
        return server == NULL || strcmp(server, " to redis") == 0;
    }
    return is_of_redis(injection) && !is_command;
}

bool injection_loses_lines(const struct injection *injection) {
    return is_between(injection, "dispatcher");
}

bool injection_forgets_formats(const struct injection *injection) {
    return is_between(injection, "ingest");
}

// What stood between a call and its settlement: a dispatcher, the mock, Redis, and what they say to one another; or a
// group that forgot who held what.
bool injection_repeats_calls(const struct injection *injection) {
    static const char *const concerned[] = {"dispatcher", "mock-provider", "redis", MASTER};
    if (injection->kind == INJECT_GROUP_DESTROY) {
        return strncmp(injection->target, "outbound", 8) == 0;
    }
    for (size_t i = 0; i < sizeof concerned / sizeof *concerned; i++) {
        if (strncmp(injection->target, concerned[i], strlen(concerned[i])) == 0) {
            return injection->kind != INJECT_FUNCTION_FLUSH;
        }
    }
    return false;
}

bool injection_forgets(const struct injection *injection) {
    return is_of(injection, MASTER);
}
