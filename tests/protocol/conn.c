// SPDX-License-Identifier: MIT
//
// In place of shared/redis/conn.c: a connection whose commands are run when the seed says so, whose replies arrive when
// it says so, and which breaks. Commands are run, and replies arrive, in the order in which they were sent.
//
// What a connection is asked before it is used and every second is answered here, and never lost: Redis would be asked
// hundreds of times a run for what is known. So that the second lane that each dispatcher has, email, costs nothing,
// its commands are never answered; it waits for its group for ever.
#include "shared/redis/conn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/protocol/audit.h"
#include "tests/protocol/process_private.h"
#include "tests/protocol/wire.h"

enum {
    ALL_RUN_PERCENT = 70,
    ALL_ARRIVE_PERCENT = 80,
    BEHIND_PERCENT = 60,  // a command behind the one whose reply is lost is run all the same
    FIRST_CLAIM_IDLE = 7, // in a call of claim: idle ms; and before it the caller's clock, where it may steal
};

enum conn_kind {
    CONN_MUTE,   // never answered
    CONN_KNOWN,  // answered here
    CONN_READ,   // changes nothing
    CONN_BLOCKS, // the same, and waits for something to read
    CONN_WRITE,
};

struct redis_conn {
    struct process *process;
    const struct redis_conn_events *events;
    void *owner;
    bool connected, broken, dropped;
    bool writes; // it is the one over which everything but the watches goes
    struct pending *first;
    struct redis_conn *next;
};

// ---- What is sent

// About a partition in which nothing happens, but that who has opted out is known in each of a provider, and that what
// is erased is looked for in each.
static bool conn_is_elsewhere(const struct command *command) {
    bool of_sets = strcmp(command_word(command, 0), "HGET") == 0 || command_calls(command, LIBRARY_OPT_OUT) ||
                   command_calls(command, LIBRARY_CANCEL);
    for (int i = 1; i < 5; i++) {
        const char *word = command_word(command, i);
        if (strstr(word, "{email") != NULL || (strstr(word, "{sms-mms:1") != NULL && !of_sets)) {
            return true;
        }
    }
    return false;
}

static enum conn_kind conn_kind_of(const struct pending *pending) {
    static const char *const known[] = {"AUTH",     "SELECT", "CLIENT", "CLUSTER", "CONFIG",
                                        "FUNCTION", "INFO",   "PING",   "TIME",    "XADD"}; // XADD: to the feed
    static const char *const reads[] = {"EXISTS", "HGET", "HKEYS", "SMEMBERS", "XINFO", "XLEN"};
    const char *word = command_word(&pending->command, 0);
    if (conn_is_elsewhere(&pending->command)) {
        return CONN_MUTE;
    }
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(word, known[i]) == 0) {
            return CONN_KNOWN;
        }
    }
    for (size_t i = 0; i < sizeof reads / sizeof *reads; i++) {
        if (strcmp(word, reads[i]) == 0) {
            return CONN_READ;
        }
    }
    return strcmp(word, "XREAD") == 0                             ? CONN_BLOCKS
           : command_calls(&pending->command, LIBRARY_ADD_COUNTS) ? CONN_KNOWN
                                                                  : CONN_WRITE;
}

// Idle times are on a scale of their own (advance.lua). Words need no NUL at their end.
static void conn_put_idle(const struct world *world, struct command *command, const char *word, size_t length) {
    char idle_ms[24];
    snprintf(idle_ms, sizeof idle_ms, "%.*s", (int)length, word);
    command_int(command, world_has(world, SWITCH_STEAL_EARLY) ? 0 : strtoll(idle_ms, NULL, 10) * IDLE_SCALE);
}

static void conn_put_word(const struct world *world, struct command *command, const char *word, size_t length) {
    bool claims = command_calls(command, LIBRARY_CLAIM);
    if (claims && command->count == FIRST_CLAIM_IDLE) {
        conn_put_idle(world, command, word, length);
    } else if (claims && command->count == FIRST_CLAIM_IDLE - 1 && world_has(world, SWITCH_STEAL_EARLY)) {
        command_int(command, world->wall_ms);
    } else if (world_has(world, SWITCH_GROUP_AT_END) && strcmp(command_word(command, 0), "XGROUP") == 0 &&
               length == 1 && *word == '0') {
        command_text(command, "$");
    } else {
        command_bytes(command, word, length);
    }
}

void redis_conn_send(struct redis_conn *conn, int64_t block_ms, redis_link_reply done, void *argument, int argc,
                     const char **argv, const size_t *lengths) {
    struct world *world = conn->process->world;
    struct pending *pending = xcalloc(1, sizeof *pending), **last = &conn->first;
    bool loads = strcmp(argv[0], "FUNCTION") == 0; // the library's text is known
    for (int i = 0; i < argc && !(loads && i > 1); i++) {
        bool blocks = block_ms > 0 && (strcmp(argv[i], "BLOCK") == 0 || (i > 0 && strcmp(argv[i - 1], "BLOCK") == 0));
        if (!blocks) {
            conn_put_word(world, &pending->command, argv[i], lengths != NULL ? lengths[i] : strlen(argv[i]));
        }
    }
    pending->done = done;
    pending->argument = argument;
    pending->sent_ms = world->boot_ms;
    pending->block_ms = block_ms;
    conn->writes = conn->writes || conn_kind_of(pending) == CONN_WRITE;
    while (*last != NULL) {
        last = &(*last)->next;
    }
    *last = pending;
}

// ---- What Redis makes of it

static redisReply *conn_parse(const char *text) {
    redisReader *reader = redisReaderCreate();
    void *reply = NULL;
    if (redisReaderFeed(reader, text, strlen(text)) != REDIS_OK || redisReaderGetReply(reader, &reply) != REDIS_OK) {
        abort();
    }
    redisReaderFree(reader);
    return reply;
}

static redisReply *conn_answer_known(struct world *world, const struct command *command) {
    const char *word = command_word(command, 0);
    char text[128];
    if (strcmp(word, "TIME") == 0) {
        snprintf(text, sizeof text, "*2\r\n+%lld\r\n+%lld\r\n", (long long)(world->wall_ms / 1000),
                 (long long)(world->wall_ms % 1000 * 1000));
        return conn_parse(text);
    }
    if (strcmp(word, "FUNCTION") == 0) {
        wire_load_library(world);
    }
    if (strcmp(word, "INFO") == 0) {
        char server[RUN_ID_SIZE];
        world_run_id(world, server);
        snprintf(text, sizeof text, "$%zu\r\nrun_id:%s\r\n\r\n", strlen("run_id:\r\n") + strlen(server), server);
        return conn_parse(text);
    }
    return strcmp(word, "CLUSTER") == 0  ? conn_parse("-ERR This instance has cluster support disabled\r\n")
           : strcmp(word, "CONFIG") == 0 ? conn_parse("*0\r\n")
           : strcmp(word, "FCALL") == 0  ? conn_parse(world->has_library ? ":0\r\n" : "-ERR Function not found\r\n")
                                         : conn_parse("+OK\r\n");
}

// What a command that waits for something to read makes of an answer, or NULL: nothing. NULL: it goes on waiting.
static redisReply *conn_wait_on(const struct world *world, const struct pending *pending, redisReply *reply) {
    bool waits = pending->block_ms > 0 && (reply == NULL || reply->type == REDIS_REPLY_NIL);
    if (!waits) {
        return reply;
    }
    freeReplyObject(reply);
    return world->boot_ms - pending->sent_ms >= pending->block_ms ? conn_parse("*-1\r\n") : NULL;
}

static void conn_run_behind(struct redis_conn *conn, struct pending *pending) {
    struct world *world = conn->process->world;
    for (; pending != NULL && random_chance(&world->random, BEHIND_PERCENT); pending = pending->next) {
        if (conn_kind_of(pending) == CONN_WRITE) {
            freeReplyObject(witness_run(conn->process, pending));
        }
    }
}

static void conn_run_write(struct redis_conn *conn, struct pending *pending) {
    struct process *process = conn->process;
    enum fate fate =
        wire_fate(process->world, process->name, &pending->command, 0, process->program->dispatches ? process : NULL);
    redisReply *reply = fate == FATE_ANSWERED || fate == FATE_RUN ? witness_run(process, pending) : NULL;
    if (fate == FATE_ANSWERED) {
        pending->reply = conn_wait_on(process->world, pending, reply);
        return;
    }
    freeReplyObject(reply);
    conn->broken = true;
    if (fate == FATE_DELAYED) {
        witness_noted(process, pending);
    } else if (fate == FATE_RUN) {
        conn_run_behind(conn, pending->next);
    }
}

static void conn_run(struct redis_conn *conn, int most) {
    struct world *world = conn->process->world;
    for (struct pending *pending = conn->first; pending != NULL && !conn->broken; pending = pending->next) {
        enum conn_kind kind = conn_kind_of(pending);
        if (pending->reply != NULL || kind == CONN_MUTE) {
            continue;
        }
        if (world->breach != AUDIT_NONE || (kind != CONN_KNOWN && most-- <= 0)) {
            return;
        }
        if (kind == CONN_KNOWN) {
            pending->reply = conn_answer_known(world, &pending->command);
        } else if (kind == CONN_READ) {
            pending->reply = wire_ask(world, &pending->command);
        } else if (pending->block_ms > 0 && world->seen.outbound + world->seen.events == 0) {
            pending->reply = conn_wait_on(world, pending, NULL);
        } else if (kind == CONN_WRITE) {
            conn_run_write(conn, pending);
        } else {
            pending->reply = conn_wait_on(world, pending, wire_ask(world, &pending->command));
        }
        if (pending->reply == NULL) {
            return;
        }
    }
}

// How many, of all that are there.
static int conn_draw(const struct redis_conn *conn, int all_percent) {
    struct world *world = conn->process->world;
    int count = 0;
    for (const struct pending *pending = conn->first; pending != NULL; pending = pending->next) {
        count += conn_kind_of(pending) != CONN_MUTE;
    }
    return world->settling || random_chance(&world->random, all_percent) ? count
                                                                         : random_below(&world->random, count + 1);
}

void conn_run_all(struct process *process) {
    for (struct redis_conn *conn = process->conns; conn != NULL; conn = conn->next) {
        if (conn->connected && !conn->dropped && conn->first != NULL) {
            conn_run(conn, conn_draw(conn, ALL_RUN_PERCENT));
        }
    }
}

void conn_flush(struct process *process) {
    for (struct redis_conn *conn = process->conns; conn != NULL; conn = conn->next) {
        if (conn->connected && !conn->dropped) {
            conn_run(conn, INT32_MAX);
        }
    }
}

// ---- Replies

static struct pending *conn_take_reply(struct redis_conn *conn) {
    struct pending **at = &conn->first;
    while (*at != NULL && conn_kind_of(*at) == CONN_MUTE) {
        at = &(*at)->next;
    }
    struct pending *pending = *at;
    if (pending == NULL || pending->reply == NULL) {
        return NULL;
    }
    *at = pending->next;
    return pending;
}

static void conn_deliver(struct redis_conn *conn, int most) {
    struct pending *pending;
    while (!conn->dropped && most > 0 && (pending = conn_take_reply(conn)) != NULL) {
        most -= conn_kind_of(pending) != CONN_KNOWN;
        witness_delivered(conn->process, pending);
        conn->events->on_reply(conn->owner, pending->done, pending->argument, pending->reply);
        freeReplyObject(pending->reply);
        free(pending);
    }
}

void conn_deliver_all(struct process *process) {
    for (struct redis_conn *conn = process->conns; conn != NULL; conn = conn->next) {
        if (conn->connected && conn->first != NULL) {
            conn_deliver(conn, conn_draw(conn, ALL_ARRIVE_PERCENT) + 1);
        }
    }
}

// ---- Its life

struct redis_conn *redis_conn_open(uv_loop_t *loop, const struct redis_conn_options *options,
                                   const struct redis_conn_events *events, void *owner, const char **error) {
    (void)options, (void)error;
    struct process *process = loop->data;
    struct redis_conn *conn = xcalloc(1, sizeof *conn);
    *conn = (struct redis_conn){.process = process, .events = events, .owner = owner, .next = process->conns};
    process->conns = conn;
    return conn;
}

const char *redis_conn_tls(const struct redis_conn *conn) {
    (void)conn;
    return NULL;
}

void redis_conn_drop(struct redis_conn *conn) {
    struct pending *pending;
    conn->dropped = true;
    if (conn->writes) {
        witness_disconnected(conn->process);
    }
    while ((pending = conn->first) != NULL) {
        conn->first = pending->next;
        if (pending->done != NULL) {
            pending->done(pending->argument, REDIS_LINK_LOST, NULL);
        }
        freeReplyObject(pending->reply);
        free(pending);
    }
}

void conn_begin_all(struct process *process) {
    for (struct redis_conn *conn = process->conns; conn != NULL; conn = conn->next) {
        if (conn->dropped) {
            continue;
        }
        if (conn->broken) {
            conn->events->on_broken(conn->owner, "the connection broke");
        } else if (!conn->connected) {
            conn->connected = true;
            conn->events->on_connected(conn->owner);
        }
    }
}

void conn_break_all(struct process *process) {
    for (struct redis_conn *conn = process->conns; conn != NULL; conn = conn->next) {
        for (struct pending *pending = conn->first; pending != NULL; pending = pending->next) {
            freeReplyObject(pending->reply);
            pending->reply = NULL;
        }
        conn->broken = true;
    }
}

void conn_hit_all(struct process *process) {
    for (struct redis_conn *conn = process->conns; conn != NULL; conn = conn->next) {
        for (struct pending *pending = conn->first; pending != NULL; pending = pending->next) {
            pending->hit = pending->hit || pending->reply != NULL;
        }
    }
}

void conn_free_dropped(struct process *process) {
    for (struct redis_conn **at = &process->conns; *at != NULL;) {
        struct redis_conn *conn = *at;
        if (!conn->dropped) {
            at = &conn->next;
            continue;
        }
        *at = conn->next;
        free(conn);
    }
}

static bool conn_brings(const struct pending *pending) {
    bool takes = strcmp(command_word(&pending->command, 0), "XREADGROUP") == 0 ||
                 command_calls(&pending->command, LIBRARY_CLAIM);
    return takes && pending->reply != NULL && pending->reply->type == REDIS_REPLY_ARRAY && pending->reply->elements > 0;
}

static bool conn_any(const struct process *process, bool (*is)(const struct pending *pending)) {
    for (const struct redis_conn *conn = process->conns; conn != NULL; conn = conn->next) {
        for (const struct pending *pending = conn->first; pending != NULL; pending = pending->next) {
            if (is(pending)) {
                return true;
            }
        }
    }
    return false;
}

bool conn_brings_entries(const struct process *process) {
    return conn_any(process, conn_brings);
}

static bool conn_writes(const struct pending *pending) {
    return conn_kind_of(pending) == CONN_WRITE && pending->block_ms == 0;
}

bool conn_is_quiet(const struct process *process) {
    return !conn_any(process, conn_writes);
}
