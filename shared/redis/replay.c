// SPDX-License-Identifier: MIT
#include "shared/redis/replay.h"

#include <string.h>

#include "shared/base/decimal.h"
#include "shared/redis/library.h"

int replay_send(struct redis_link *link, const struct replay *replay, redis_link_reply done, void *argument) {
    char guard[KEY_GUARD_SIZE];
    bool remembered = replay->idempotency_key != NULL;
    replay_guard_key(replay->keys->tag, replay->id, replay->generation, guard);
    const char *argv[] = {
        "FCALL",
        library_function(LIBRARY_REPLAY),
        "5",
        replay->keys->outbound,
        replay->keys->events,
        replay->keys->parked,
        guard,
        remembered ? replay->idempotency_key : guard, // every key must be in the one slot
        replay->id,
        DECIMAL(replay->generation),
        replay->payload,
        DECIMAL(replay->cap),
        replay->recorded ? "1" : "0",
        DECIMAL(remembered ? replay->ttl_ms : 0),
        remembered ? (const char *)replay->token : "",
        replay->pair != NULL ? replay->pair->data : "",
        DECIMAL(replay->due_ms),
    };
    enum { COUNT = sizeof argv / sizeof *argv, TOKEN = COUNT - 3, PAIR = COUNT - 2 };
    size_t lengths[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        lengths[i] = remembered && i == TOKEN ? REPLAY_TOKEN_SIZE : strlen(argv[i]);
    }
    lengths[PAIR] = replay->pair != NULL ? replay->pair->length : 0;
    return redis_link_call(link, done, argument, COUNT, argv, lengths);
}
