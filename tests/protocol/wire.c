// SPDX-License-Identifier: MIT
//
// Every command goes out with a poll behind it, so that the audit sees Redis after each single step and a step costs
// one round trip.
//
// The clock. The library reads Redis's TIME; a run needs time-outs of seconds to pass in no time, the clock to jump,
// and a seed to give the same run twice. So the text that is loaded is the shipped one but for the one call in
// now_ms(), which reads a key instead. Idle times of pending entries are Redis's own: advance.lua makes them by XCLAIM
// … IDLE, on a scale of a thousand to one, and the actors ask claim for a thousand times T.
//
// Rejected: libfaketime under Redis (another package, and it doesn't jump on command); real time with short time-outs
// (slow, and another run each time); a second seam for XPENDING … IDLE (the less of the text is replaced the better).
#include "tests/protocol/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gen/tests/protocol/embedded.h"
#include "shared/base/mem.h"
#include "shared/redis/library.h"
#include "tests/protocol/audit.h"

enum script { SCRIPT_RESET, SCRIPT_ADVANCE, SCRIPT_POLL, SCRIPT_SNAPSHOT, SCRIPT_RESTORE, SCRIPT_COUNT };

enum {
    MOST_DUMPED = 256, // keys and what they hold
    FULL_EVERY = 16,   // polls
    MOST_REPEATS = 3,
    LOST_PERCENT = 4,
};

#define CLOCK_FROM "redis.call('TIME')"
#define CLOCK_TO "{ 0, redis.call('GET', '" KEY_CLOCK "') }"

static char hashes[SCRIPT_COUNT][48];

static void end(const char *what, const char *why) {
    fprintf(stderr, "check-protocol: %s: %s\n", what, why);
    exit(2);
}

// ---- The library

static char *replace_once(char *text, const char *from, const char *to) {
    const char *at = strstr(text, from);
    if (at == NULL || strstr(at + 1, from) != NULL) {
        end("redis/messaging.lua should hold exactly once", from);
    }
    char *replaced = xasprintf("%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    free(text);
    return replaced;
}

char *wire_library(const struct plant *plant) {
    char *text = replace_once(xstrdup(library_text), CLOCK_FROM, CLOCK_TO);
    return plant != NULL && plant->from != NULL ? replace_once(text, plant->from, plant->to) : text;
}

static redisReply *get_reply(redisContext *redis) {
    void *reply = NULL;
    if (redisGetReply(redis, &reply) != REDIS_OK || reply == NULL) {
        end("the connection to the private Redis broke", redis->errstr);
    }
    return reply;
}

// The processes send it at each connect; where it is known to be there, nothing would come of that.
void wire_load_library(struct world *world) {
    if (world->has_library) {
        return;
    }
    const char *argv[] = {"FUNCTION", "LOAD", world->library};
    redisAppendCommandArgv(world->redis, 3, argv, NULL);
    redisReply *reply = get_reply(world->redis);
    if (reply->type == REDIS_REPLY_ERROR && strstr(reply->str, "already exists") == NULL) {
        end("the library can't be loaded", reply->str);
    }
    world->has_library = true;
    freeReplyObject(reply);
}

bool wire_lacks_library(const redisReply *reply) {
    return reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "ERR Function not found", 22) == 0;
}

// ---- Scripts

void wire_prepare(redisContext *redis) {
    const char *const scripts[SCRIPT_COUNT] = {
        [SCRIPT_RESET] = tests_protocol_reset_lua,     [SCRIPT_ADVANCE] = tests_protocol_advance_lua,
        [SCRIPT_POLL] = tests_protocol_poll_lua,       [SCRIPT_SNAPSHOT] = tests_protocol_snapshot_lua,
        [SCRIPT_RESTORE] = tests_protocol_restore_lua,
    };
    for (int i = 0; i < SCRIPT_COUNT; i++) {
        const char *argv[] = {"SCRIPT", "LOAD", scripts[i]};
        redisAppendCommandArgv(redis, 3, argv, NULL);
        redisReply *reply = get_reply(redis);
        if (reply->type == REDIS_REPLY_ERROR) {
            end("a script can't be loaded", reply->str);
        }
        snprintf(hashes[i], sizeof hashes[i], "%s", reply->str);
        freeReplyObject(reply);
    }
}

static struct command script(enum script script, int keys) {
    struct command command = command_of("EVALSHA", hashes[script], NULL);
    command_int(&command, keys);
    return command;
}

static void run_script(struct world *world, const struct command *command) {
    command_append(command, world->redis);
    redisReply *reply = get_reply(world->redis);
    if (reply->type == REDIS_REPLY_ERROR) {
        end("a script of the checker", reply->str);
    }
    freeReplyObject(reply);
}

// ---- Polling

static void send_poll(struct world *world, bool full) {
    struct command command = script(SCRIPT_POLL, 8);
    command_text(&command, KEY_OUTBOUND);
    command_text(&command, KEY_EVENTS);
    command_text(&command, KEY_PARKED);
    command_text(&command, KEY_DUE);
    command_text(&command, KEY_BREAKER);
    command_text(&command, KEY_HELD_SENDERS);
    command_text(&command, KEY_OPT_OUTS);
    command_text(&command, KEY_OTHER_OPT_OUTS);
    command_text(&command, world->seen.event);
    command_text(&command, full ? "1" : "0");
    command_int(&command, world->wall_ms);
    for (int i = 0; i < (world->two_each ? CONVERSATIONS : SENDERS); i++) {
        command_text(&command, conversation_text(i));
    }
    command_append(&command, world->redis);
}

// Returns whether everything is to be looked at before the counts can be judged.
static bool take_poll(struct world *world) {
    redisReply *reply = get_reply(world->redis);
    if (reply->type != REDIS_REPLY_ARRAY) {
        end("poll.lua", reply->type == REDIS_REPLY_ERROR ? reply->str : "an unexpected reply");
    }
    bool again = audit_poll(world, reply);
    freeReplyObject(reply);
    return again;
}

void wire_poll(struct world *world) {
    send_poll(world, true);
    take_poll(world);
}

redisReply *wire_run(struct world *world, const struct command *command) {
    command_append(command, world->redis);
    send_poll(world, world->commands++ % FULL_EVERY == 0);
    world->seen.turns.ticked_ms = 0;
    world->seen.turns.only_held = world->seen.outbound + world->seen.parked == 0;
    redisReply *reply = get_reply(world->redis);
    if (take_poll(world)) {
        wire_poll(world);
    }
    return reply;
}

redisReply *wire_ask(struct world *world, const struct command *command) {
    command_append(command, world->redis);
    world->commands++;
    return get_reply(world->redis);
}

// ---- Links

enum fate wire_fate(struct world *world, const char *who, const struct command *command, int64_t deadline_ms,
                    struct process *dispatcher) {
    static const char *const become[] = {
        [FATE_RUN] = "was run", [FATE_NOT_RUN] = "was not run", [FATE_DELAYED] = "is still in Redis's socket"};
    if (!world_may(world, FAULT_LOST) || !random_chance(&world->random, LOST_PERCENT)) {
        return FATE_ANSWERED;
    }
    bool delayed =
        world_may(world, FAULT_DELAYED) && world->zombie_count < MOST_ZOMBIES && random_chance(&world->random, 30);
    enum fate fate = delayed ? FATE_DELAYED : random_chance(&world->random, 60) ? FATE_RUN : FATE_NOT_RUN;
    world_inject(world, delayed ? FAULT_DELAYED : FAULT_LOST);
    world_say(world, "%s: the connection breaks, the reply is lost, the command %s", who, become[fate]);
    if (delayed) {
        world->zombies[world->zombie_count++] = (struct zombie){*command, deadline_ms, dispatcher};
    }
    return fate;
}

redisReply *wire_call(struct world *world, struct link *link, const struct command *command) {
    bool has_deadline =
        link == &world->ingest && !command_calls(command, LIBRARY_OPT_OUT); // words have a time of their own
    int64_t deadline_ms = has_deadline ? world->wall_ms + REPLY_MS : 0;
    enum fate fate = wire_fate(world, link->name, command, deadline_ms, NULL);
    redisReply *reply = fate == FATE_ANSWERED || fate == FATE_RUN ? wire_run(world, command) : NULL;
    if (reply != NULL && wire_lacks_library(reply)) {
        wire_load_library(world);
    }
    if (fate == FATE_ANSWERED) {
        return reply;
    }
    freeReplyObject(reply);
    link->up = false;
    return NULL;
}

redisReply *wire_function(struct world *world, struct link *link, const struct command *command) {
    redisReply *reply = wire_call(world, link, command);
    for (int i = 0; i < MOST_REPEATS && reply != NULL && wire_lacks_library(reply); i++) {
        freeReplyObject(reply);
        reply = wire_call(world, link, command);
    }
    return reply;
}

void wire_link_up(struct world *world, struct link *link) {
    wire_load_library(world);
    link->up = true;
    link->up_since_ms = world->boot_ms;
    link->generation++;
}

void wire_deliver(struct world *world, int index) {
    struct zombie zombie = world->zombies[index];
    world->zombie_count--;
    memmove(&world->zombies[index], &world->zombies[index + 1], (size_t)(world->zombie_count - index) * sizeof zombie);
    redisReply *reply = wire_run(world, &zombie.command);
    if (command_calls(&zombie.command, LIBRARY_UNPARK) && reply->type == REDIS_REPLY_ARRAY) {
        turns_check_unpark(world, &zombie.command, 0);
    }
    if (zombie.deadline_ms > 0) {
        audit_late_accept(world, &zombie, reply);
    }
    freeReplyObject(reply);
}

// ---- The checker's own steps

static void put_clock(const struct world *world, struct command *command) {
    command_int(command, world->wall_ms * 1000);
}

void wire_reset(struct world *world) {
    struct command command = script(SCRIPT_RESET, 4);
    command_text(&command, KEY_OUTBOUND);
    command_text(&command, KEY_EVENTS);
    command_text(&command, KEY_CLOCK);
    command_text(&command, KEY_OPEN_MS);
    put_clock(world, &command);
    command_int(&command, OPEN_MS_BEGIN);
    run_script(world, &command);
}

void wire_set_clock(struct world *world, int64_t moved_ms) {
    struct command command = script(SCRIPT_ADVANCE, 3);
    command_text(&command, KEY_OUTBOUND);
    command_text(&command, KEY_EVENTS);
    command_text(&command, KEY_CLOCK);
    put_clock(world, &command);
    command_int(&command, moved_ms);
    freeReplyObject(wire_run(world, &command));
}

void wire_pass(struct world *world, int ms) {
    world_say(world, "%d ms pass", ms);
    world->boot_ms += ms;
    world->wall_ms += ms;
    wire_set_clock(world, ms);
}

redisReply *wire_snapshot(struct world *world) {
    struct command command = script(SCRIPT_SNAPSHOT, 1);
    command_text(&command, KEY_CLOCK);
    return wire_run(world, &command);
}

void wire_restore(struct world *world, const redisReply *dump) {
    const char *argv[4 + MOST_DUMPED] = {"EVALSHA", hashes[SCRIPT_RESTORE], "1", KEY_CLOCK};
    size_t lengths[4 + MOST_DUMPED] = {7, strlen(argv[1]), 1, strlen(KEY_CLOCK)};
    int count = 4;
    for (size_t i = 0; i < dump->elements && count < 4 + MOST_DUMPED; i++, count++) {
        argv[count] = dump->element[i]->str;
        lengths[count] = dump->element[i]->len;
    }
    redisAppendCommandArgv(world->redis, count, argv, lengths);
    redisReply *reply = get_reply(world->redis);
    if (reply->type == REDIS_REPLY_ERROR) {
        end("restore.lua", reply->str);
    }
    freeReplyObject(reply);
}
