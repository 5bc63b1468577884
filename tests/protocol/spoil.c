// SPDX-License-Identifier: MIT
//
// Damage to what waits: what is parked, held or scheduled, its time or place, and the keys that all of it is in.
#include <stdio.h>
#include <string.h>

#include "tests/protocol/faults.h"
#include "tests/protocol/wire.h"
#include "tests/support/reply.h"

// Where tokens wait, and where it stands when, or as how manyth.
static const struct {
    const char *name, *hash, *set;
} rooms[] = {
    {"parked", KEY_PARKED, KEY_DUE},
    {"held", KEY_HELD, KEY_HELD_ORDER},
    {"scheduled", KEY_SCHEDULED, KEY_SCHEDULED_DUE},
};
enum { ROOMS = sizeof rooms / sizeof *rooms, ROOM_HELD = 1 };

static void run(struct world *world, const struct command *command) {
    freeReplyObject(wire_run(world, command));
}

static bool is_there(struct world *world, const char *hash, const char *name) {
    struct command command = command_of("HEXISTS", hash, name, NULL);
    redisReply *reply = wire_ask(world, &command);
    bool is = reply->integer == 1;
    freeReplyObject(reply);
    return is;
}

// A token that waits there, and what it is called there; or NULL.
static struct token *find_token(struct world *world, int room, char *name, size_t size) {
    int first = random_below(&world->random, MOST_MESSAGES);
    for (int i = 0; i < MOST_MESSAGES * MOST_GENERATIONS; i++) {
        int message = (first + i / MOST_GENERATIONS) % MOST_MESSAGES, generation = i % MOST_GENERATIONS;
        struct token *token = &world->ledger.tokens[message][generation];
        if (message >= world->ledger.message_count || !token->live || token->lost) {
            continue;
        }
        snprintf(name, size, "%s:%d", world->ledger.messages[message].id, generation);
        if (is_there(world, rooms[room].hash, name)) {
            return token;
        }
    }
    return NULL;
}

static void spoil_payload(struct world *world, int room, struct token *token, const char *name) {
    static const char *const damaged[] = {"garbage", "{}", "{\"id\":7}", "null"};
    const char *payload = damaged[random_below(&world->random, 4)];
    struct command command = command_of("HSET", rooms[room].hash, name, payload, NULL);
    world_say(world, "the %s payload of %s becomes %s", rooms[room].name, name, payload);
    token->spoiled = true;
    run(world, &command);
}

static void lose_payload(struct world *world, int room, struct token *token, const char *name) {
    struct command command = command_of("HDEL", rooms[room].hash, name, NULL);
    world_say(world, "the %s payload of %s is gone", rooms[room].name, name);
    token->lost = world->spoiled = true;
    run(world, &command);
}

// Its name in the set has other words before the token's, but among what is parked.
static void lose_time(struct world *world, int room, const char *name) {
    struct command command = command_of("ZRANGE", rooms[room].set, "0", "-1", NULL);
    redisReply *reply = wire_ask(world, &command);
    world_say(world, "the time of %s %s is gone", rooms[room].name, name);
    world->turns_astray = world->turns_astray || room == ROOM_HELD;
    for (size_t i = 0; i < reply->elements; i++) {
        const char *member = reply_text(reply, i), *token = strrchr(member, ' ');
        if (strcmp(token != NULL ? token + 1 : member, name) == 0) {
            struct command loss = command_of("ZREM", rooms[room].set, member, NULL);
            run(world, &loss);
        }
    }
    freeReplyObject(reply);
}

static void misname(struct world *world) {
    int room = random_chance(&world->random, 60) ? 0 : random_within(&world->random, ROOM_HELD, ROOMS - 1);
    struct command command = command_of("ZADD", rooms[room].set, room == ROOM_HELD ? "0" : "5", NULL);
    char name[48] = "no-number"; // which goes with its key (fault_lose_key), or comes out as poison
    if (room == 0) {
        snprintf(name, sizeof name, MISNAMED "%d", world->misnamed++);
    } else if (room == ROOM_HELD) {
        snprintf(name, sizeof name, "%s no-place", conversation_text(random_below(&world->random, CONVERSATIONS)));
        world->turns_astray = true;
    }
    command_text(&command, name);
    world_say(world, "%s is in %s", name, rooms[room].set);
    run(world, &command);
}

void fault_spoil(struct world *world) {
    int what = random_below(&world->random, 4), room = random_below(&world->random, ROOMS);
    char name[48];
    if (!world_may(world, FAULT_SPOIL)) {
        return;
    }
    struct token *token = what == 0 ? NULL : find_token(world, room, name, sizeof name);
    if (what != 0 && token == NULL) {
        return;
    }
    world_inject(world, FAULT_SPOIL);
    world->astray = true;
    switch (what) {
    case 0:
        misname(world);
        break;
    case 1:
        spoil_payload(world, room, token, name);
        break;
    case 2:
        lose_payload(world, room, token, name);
        break;
    default:
        lose_time(world, room, name);
        break;
    }
}

// Or of one conversation.
static struct command draw_loss(struct world *world) {
    static const char *const keys[] = {KEY_TURN,    KEY_HELD_ORDER,    KEY_HELD_DUE,       KEY_HELD_DUE,
                                       KEY_OPEN_MS, KEY_SCHEDULED_DUE, KEY_SCHEDULED_BYTES};
    const char *key = keys[random_below(&world->random, sizeof keys / sizeof *keys)];
    const char *conversation = conversation_text(random_below(&world->random, CONVERSATIONS));
    bool one = random_chance(&world->random, 60);
    return one && strcmp(key, KEY_TURN) == 0       ? command_of("HDEL", key, conversation, NULL)
           : one && strcmp(key, KEY_HELD_DUE) == 0 ? command_of("ZREM", key, conversation, NULL)
                                                   : command_of("DEL", key, NULL);
}

void fault_lose_key(struct world *world) {
    struct command command = draw_loss(world);
    if (world_may(world, FAULT_KEYS)) {
        world_inject(world, FAULT_KEYS);
        world_say(world, "%s %s is gone", command_word(&command, 1), command_word(&command, 2));
        world->astray = world->turns_astray = true;
        run(world, &command);
    }
}
