// SPDX-License-Identifier: MIT
#include <stdio.h>

#include "tests/protocol/actors.h"
#include "tests/protocol/replay.h"
#include "tests/protocol/wire.h"
#include "tests/support/reply.h"

enum {
    MOST_REPLAYS = 2, // of one message, so that a run ends
    ROOMY = 1000000,  // the backlog's cap
};

redisReply *replay(struct world *world, struct link *link, int message, int generation) {
    char guard[80];
    struct buf payload = {0};
    snprintf(guard, sizeof guard, "replayed:{sms-mms:0}:%s:%d", world->ledger.messages[message].id, generation);
    event_write_payload(&world->ledger, message, &payload);
    struct command command = command_function(LIBRARY_REPLAY, 5);
    command_text(&command, KEY_OUTBOUND);
    command_text(&command, KEY_EVENTS);
    command_text(&command, KEY_PARKED);
    command_text(&command, guard);
    command_text(&command, "idem:{sms-mms:0}:");
    command_text(&command, world->ledger.messages[message].id);
    command_int(&command, generation);
    command_bytes(&command, payload.data, payload.length);
    buf_free(&payload);
    command_int(&command, ROOMY);
    command_int(&command, 0); // not recorded as replayed
    command_int(&command, 0); // no Idempotency-Key
    command_text(&command, "");
    redisReply *reply = wire_function(world, link, &command);
    world_say(world, "%s: %s, generation %d: %s", link->name, world->ledger.messages[message].id, generation,
              reply == NULL ? "no answer" : reply_text(reply, 0));
    if (reply != NULL && reply->type == REDIS_REPLY_ERROR && !wire_lacks_library(reply)) {
        world_breach(world, AUDIT_ERROR, "replay: %s", reply->str);
    }
    return reply;
}

// A click, or two in a row, on the first open dead letter from a random one on.
void operator_replay(struct world *world) {
    int first = random_below(&world->random, MOST_MESSAGES), clicks = random_within(&world->random, 1, 2);
    for (int i = 0; i < MOST_MESSAGES; i++) {
        int index = (first + i) % MOST_MESSAGES;
        const struct delivery *row = &world->postgres.deliveries[index];
        if (row->status != DELIVERY_FAILED || row->generation >= MOST_REPLAYS) {
            continue;
        }
        for (int click = 0; click < clicks; click++) {
            if (!world->replayer.up) {
                wire_link_up(world, &world->replayer);
            }
            freeReplyObject(replay(world, &world->replayer, index, row->generation + 1));
        }
        return;
    }
}
