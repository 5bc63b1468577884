// SPDX-License-Identifier: MIT
//
// What is said before a link is up. All of it leaves as one pipeline; each reply has its handler, and the first that
// will not do ends the attempt with one line that says what a person can do about it.
#include "shared/redis/setup.h"

#include <ctype.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shared/base/clock.h"
#include "shared/base/decimal.h"
#include "shared/base/log.h"
#include "shared/redis/library.h"
#include "shared/redis/reply.h"

enum { ALL_SLOTS = 16384 }; // of a cluster

static bool redis_setup_is_error(const redisReply *reply, const char *code) {
    return reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, code, strlen(code)) == 0;
}

static void redis_setup_fail_with(struct redis_setup *setup, const char *what, const redisReply *reply) {
    char *why = xasprintf("%s: %s", what, reply->type == REDIS_REPLY_ERROR ? reply->str : "an unexpected reply");
    setup->on_failed(setup->owner, why);
    free(why);
}

// The same with the reply's code alone: what follows may repeat what was sent, and that was a password.
static void fail_with_code(struct redis_setup *setup, const char *what, const redisReply *reply) {
    bool error = reply->type == REDIS_REPLY_ERROR;
    char *why = xasprintf("%s: %.*s", what, error ? (int)strcspn(reply->str, " ") : 19,
                          error ? reply->str : "an unexpected reply");
    setup->on_failed(setup->owner, why);
    free(why);
}

// Redis's answer to whatever comes first where it wants a password and REDIS_URL has none.
static bool refused_without_password(struct redis_setup *setup, const redisReply *reply) {
    if (!redis_setup_is_error(reply, "NOAUTH")) {
        return false;
    }
    redis_setup_fail_with(setup, "Redis asks for a password: put it into REDIS_URL (redis://:password@host:port)",
                          reply);
    return true;
}

// What it says to whoever connects, and hangs up: it comes in the place of the first reply.
static bool refused_at_the_door(struct redis_setup *setup, const redisReply *reply) {
    if (redis_setup_is_error(reply, "DENIED")) {
        setup->on_failed(setup->owner, "Redis lets in no one from another machine (protected-mode) until one gives "
                                       "Redis a password, or its users theirs");
        return true;
    }
    if (redis_setup_is_error(reply, "ERR max number of clients")) {
        setup->on_failed(setup->owner, "Redis has as many clients as it may have: raise its maxclients");
        return true;
    }
    return false;
}

// ---- Whether it is a Redis that takes what we write

static void redis_setup_on_role(void *argument, enum redis_result result, const redisReply *reply) {
    struct redis_setup *setup = argument;
    if (result == REDIS_LINK_LOST || refused_at_the_door(setup, reply) || refused_without_password(setup, reply)) {
        return;
    }
    char *trouble = redis_server_judge_role(reply, setup->address->master != NULL);
    if (trouble != NULL) {
        setup->on_failed(setup->owner, trouble);
    }
    free(trouble);
}

// Elsewhere than in a cluster Redis answers with an error.
static void redis_setup_on_cluster(void *argument, enum redis_result result, const redisReply *reply) {
    struct redis_setup *setup = argument;
    if (result != REDIS_LINK_OK) {
        return;
    }
    long long masters = redis_info_number(reply, "cluster_size", 1);
    long long slots = redis_info_number(reply, "cluster_slots_assigned", ALL_SLOTS);
    if (masters > 1 || slots < ALL_SLOTS) {
        char *why =
            xasprintf("this Redis is one of a cluster's %lld masters, by which %lld of %d slots are served, and "
                      "clusters aren't supported yet: REDIS_URL must name one that serves all (redis://), or "
                      "its Sentinels (redis+sentinel://)",
                      masters, slots, ALL_SLOTS);
        setup->on_failed(setup->owner, why);
        free(why);
    }
}

static void redis_setup_on_auth(void *argument, enum redis_result result, const redisReply *reply) {
    struct redis_setup *setup = argument;
    if (result == REDIS_LINK_LOST || result == REDIS_LINK_OK || refused_at_the_door(setup, reply)) {
        return;
    }
    if (redis_setup_is_error(reply, "WRONGPASS")) {
        redis_setup_fail_with(setup, "Redis refuses the user or password in REDIS_URL: correct it there", reply);
    } else {
        fail_with_code(setup, "Redis refuses to authenticate with what REDIS_URL says", reply);
    }
}

static void redis_setup_on_select(void *argument, enum redis_result result, const redisReply *reply) {
    struct redis_setup *setup = argument;
    if (result != REDIS_LINK_LOST && result != REDIS_LINK_OK && !refused_without_password(setup, reply)) {
        redis_setup_fail_with(setup, "Redis has no such database as REDIS_URL names", reply);
    }
}

static void redis_setup_on_name(void *argument, enum redis_result result, const redisReply *reply) {
    if (result != REDIS_LINK_LOST) { // a server that forbids CLIENT serves all the same
        (void)refused_without_password(argument, reply);
    }
}

static void redis_setup_on_time(void *argument, enum redis_result result, const redisReply *reply) {
    struct redis_setup *setup = argument;
    if (result == REDIS_LINK_OK && reply->type == REDIS_REPLY_ARRAY) {
        redis_server_take_time(setup->server, reply);
    } else if (result != REDIS_LINK_LOST) {
        redis_setup_fail_with(setup, "Redis does not tell the time", reply);
    }
}

// Where it may be loaded, it is by now, or memory is short.
static void redis_setup_on_library_asked(void *argument, enum redis_result result, const redisReply *reply) {
    struct redis_setup *setup = argument;
    if (result == REDIS_LINK_NO_LIBRARY && setup->library_forbidden) {
        redis_setup_fail_with(
            setup, "the function library isn't there, and this user may not load it (redis/users.acl)", reply);
    }
}

static void redis_setup_on_library(void *argument, enum redis_result result, const redisReply *reply) {
    struct redis_setup *setup = argument;
    if (result == REDIS_LINK_LOST) {
        return;
    }
    setup->library_queued = false;
    if (result == REDIS_LINK_OK || strstr(reply->str, "already exists") != NULL) {
        return;
    }
    // A full Redis refuses to load what it may well have; the workers that empty it must come up for that.
    if (redis_setup_is_error(reply, "OOM")) {
        return;
    }
    // A user that may not load it relies on another that did.
    if (redis_setup_is_error(reply, "NOPERM")) {
        setup->library_forbidden = true;
        return;
    }
    if (redis_setup_is_error(reply, "NOREPLICAS")) {
        redis_setup_fail_with(setup, "Redis takes no writes while fewer replicas follow than its min-replicas-to-write",
                              reply);
    } else if (strstr(reply->str, "unknown command") != NULL) {
        redis_setup_fail_with(setup, "Redis 7.0 or newer is needed, for Redis Functions", reply);
    } else {
        redis_setup_fail_with(setup, "the function library could not be loaded", reply);
    }
}

static void redis_setup_send(struct redis_setup *setup, redis_link_reply done, int argc, const char **argv) {
    redis_conn_send(setup->conn, 0, done, setup, argc, argv, NULL);
}

void redis_setup_load_library(struct redis_setup *setup) {
    const char *load[] = {"FUNCTION", "LOAD", library_text};
    if (setup->library_queued || setup->conn == NULL) {
        return;
    }
    setup->library_queued = true;
    redis_setup_send(setup, redis_setup_on_library, 3, load);
}

struct wanted {
    const char *parameter;
    const char *value;
    const char *otherwise; // the promise that does not hold
};

static void warn_unless(const struct wanted *wanted, const char *value) {
    if (strcasecmp(wanted->value, value) != 0) {
        log_warn("redis_unsafe", "Redis has %s %s, not %s: %s. redis/redis.conf has what this service needs",
                 wanted->parameter, value, wanted->value, wanted->otherwise);
    }
}

// Once a process: every thread's link sees the same server.
static void redis_setup_on_config(void *argument, enum redis_result result, const redisReply *reply) {
    static const struct wanted settings[] = {
        {"maxmemory-policy", "noeviction", "a full Redis may drop messages that were accepted"},
        {"appendonly", "yes", "accepted messages are lost when Redis restarts"},
        {"appendfsync", "always", "messages accepted in the last moment are lost when the machine fails"},
    };
    static atomic_flag warned = ATOMIC_FLAG_INIT;
    (void)argument;
    if (result != REDIS_LINK_OK || reply->type != REDIS_REPLY_ARRAY || atomic_flag_test_and_set(&warned)) {
        return; // CONFIG is often forbidden by managed servers
    }
    for (size_t i = 0; i + 1 < reply->elements; i += 2) {
        for (size_t k = 0; k < sizeof settings / sizeof settings[0]; k++) {
            if (reply->element[i]->str != NULL && reply->element[i + 1]->str != NULL &&
                strcasecmp(reply->element[i]->str, settings[k].parameter) == 0) {
                warn_unless(&settings[k], reply->element[i + 1]->str);
            }
        }
    }
}

static void redis_setup_on_last(void *argument, enum redis_result result, const redisReply *reply) {
    struct redis_setup *setup = argument;
    if (result == REDIS_LINK_LOST) {
        return;
    }
    if (result == REDIS_LINK_OK) {
        redis_server_take_memory(setup->server, reply);
        redis_server_take_run_id(setup->server, reply);
    }
    setup->on_ready(setup->owner);
}

static void send_auth(struct redis_setup *setup, redis_link_reply done) {
    const char *by_password[] = {"AUTH", setup->address->password};
    const char *by_user[] = {"AUTH", setup->address->user, setup->address->password};
    if (setup->address->user != NULL) {
        redis_setup_send(setup, done, 3, by_user);
    } else if (setup->address->password != NULL) {
        redis_setup_send(setup, done, 2, by_password);
    }
}

// Of the reply the code alone, as fail_with_code has it.
static void redis_setup_on_new_auth(void *argument, enum redis_result result, const redisReply *reply) {
    struct redis_setup *setup = argument;
    if (result != REDIS_LINK_ERROR && result != REDIS_LINK_NO_LIBRARY) {
        return;
    }
    struct log_line *line = log_begin(LOG_WARN, "redis_auth_refused");
    log_str(line, "link", setup->name);
    log_strn(line, "error", reply->str, strcspn(reply->str, " "));
    log_str(
        line, "message",
        "Redis refuses the user or password that REDIS_URL has now: this connection goes on as it was let in, and the "
        "next one will be refused; correct it there or in Redis");
    log_end(line);
}

void redis_setup_authenticate(struct redis_setup *setup) {
    send_auth(setup, redis_setup_on_new_auth);
}

static void send_select(struct redis_setup *setup) {
    const char *select[] = {"SELECT", DECIMAL(setup->address->database)};
    if (setup->address->database != 0) {
        redis_setup_send(setup, redis_setup_on_select, 2, select);
    }
}

// CLIENT SETNAME takes printable characters without spaces only.
static void send_name(struct redis_setup *setup) {
    char *name = xstrdup(setup->name);
    for (char *c = name; *c; c++) {
        if (!isgraph((unsigned char)*c)) {
            *c = '-';
        }
    }
    const char *set_name[] = {"CLIENT", "SETNAME", name};
    redis_setup_send(setup, redis_setup_on_name, 3, set_name);
    free(name);
}

void redis_setup_start(struct redis_setup *setup, struct redis_conn *conn) {
    const char *time[] = {"TIME"}, *role[] = {"INFO", "server", "replication", "sentinel"},
               *cluster[] = {"CLUSTER", "INFO"};
    const char *config[] = {"CONFIG", "GET", "maxmemory-policy", "appendonly", "appendfsync"};
    const char *info[] = {"INFO", "server", "memory", "cluster"};
    const char *count[] = {"FCALL", library_function(LIBRARY_ADD_COUNTS), "0"}; // which counts nothing
    setup->conn = conn;
    setup->server->takes_all_slots = false; // until it says so
    setup->library_forbidden = false;
    setup->server->run_id[0] = '\0';
    send_auth(setup, redis_setup_on_auth);
    redis_setup_send(setup, redis_setup_on_role, 4, role);
    send_select(setup);
    send_name(setup);
    redis_setup_send(setup, redis_setup_on_cluster, 2, cluster);
    setup->server->time_asked_us = clock_monotonic_us();
    redis_setup_send(setup, redis_setup_on_time, 1, time);
    redis_setup_load_library(setup);
    redis_setup_send(setup, redis_setup_on_library_asked, 3, count);
    redis_setup_send(setup, redis_setup_on_config, 5, config);
    redis_setup_send(setup, redis_setup_on_last, 4, info);
}

void redis_setup_stop(struct redis_setup *setup) {
    setup->conn = NULL;
    setup->library_queued = false;
}
