// SPDX-License-Identifier: MIT
#include "tests/chaos/poison.h"

#include <check.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/uuid.h"
#include "shared/message/message.h"
#include "tests/chaos/dice.h"
#include "tests/support/deadline.h"
#include "tests/support/probe.h"

#define MARK "poison-%" PRIu32 "-"

enum { MOST = 1 << 20, GAP_MS = 600, PAUSE_MS = 20, ENOUGH_MS = 30000, WAIT_MS = 1000 };

struct poison {
    struct options options;
    struct probe *probe;
    pthread_t thread;
    atomic_llong end_ms; // once it is to end: when at the latest (ms since 1970); 0: not yet
    uint32_t count, room, quarantined;
    struct poison_entry *entries;
};

static redisReply *command(struct poison *poison, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    redisReply *reply = probe_vredis(poison->probe, format, arguments);
    va_end(arguments);
    return reply;
}

// A good send but for a year that no timestamptz has.
static redisReply *add_refused(struct poison *poison, const char *id, char *mark, long long now) {
    char from[] = "+15550000000", to[] = "+16660000000", request[] = "chaos";
    struct message message = {.type = MESSAGE_SMS,
                              .direction = MESSAGE_OUTBOUND,
                              .from = from,
                              .to = to,
                              .sender = from,
                              .recipient = to,
                              .body = mark,
                              .occurred_ms = INT64_C(9000000000000000),
                              .accepted_ms = now,
                              .request_id = request};
    struct buf payload = {0};
    message_encode(&message, &payload);
    redisReply *reply = command(poison, "XADD events:{sms-mms:0} * v 1 k accepted id %s gen 0 at %lld p %b", id, now,
                                payload.data, payload.length);
    buf_free(&payload);
    return reply;
}

static redisReply *add(struct poison *poison, int kind, const char *id, char *mark) {
    long long now = clock_unix_ms();
    switch (kind) {
    case 0:
        return command(poison, "XADD events:{sms-mms:0} * what %s", mark);
    case 1:
        return command(poison, "XADD events:{email:0} * v 1 k accepted id %s gen 0 at 1 p {}", mark);
    case 2:
        return command(poison, "XADD events:{email:0} * v 1 k received id %s gen 0 at 1 p {%s", id, mark);
    case 3:
        return command(poison, "XADD outbound:{sms-mms:0} * what %s", mark);
    case 4:
        return command(poison, "XADD outbound:{email:0} * v 1 id %s gen 0 call 1 spent 0 at %lld p {%s", id, now, mark);
    default:
        return add_refused(poison, id, mark, now);
    }
}

// With Sentinels only what the replica has is certain to stay.
static bool is_replicated(struct poison *poison) {
    redisReply *reply = poison->options.sentinel ? command(poison, "WAIT 1 %d", WAIT_MS) : NULL;
    bool is = !poison->options.sentinel || (reply != NULL && reply->type == REDIS_REPLY_INTEGER && reply->integer > 0);
    freeReplyObject(reply);
    return is;
}

static void add_one(struct poison *poison, struct dice *dice) {
    enum { KINDS = 6, SEND = 4 };
    if (poison->count == poison->room) {
        poison->room = poison->room == 0 ? 64 : 2 * poison->room;
        poison->entries = xrealloc(poison->entries, poison->room * sizeof *poison->entries);
    }
    struct poison_entry *entry = &poison->entries[poison->count];
    char mark[32];
    int kind = (int)dice_between(dice, 0, KINDS - 1);
    struct uuid id = uuid_v7();
    snprintf(mark, sizeof mark, MARK, poison->count);
    *entry = (struct poison_entry){.is_send = kind == SEND};
    uuid_format(&id, entry->id);
    redisReply *reply = add(poison, kind, entry->id, mark);
    entry->certain = reply != NULL && reply->type == REDIS_REPLY_STRING && is_replicated(poison);
    freeReplyObject(reply);
    poison->quarantined += entry->certain && !entry->is_send;
    poison->count++;
}

static bool poison_is_over(struct poison *poison) {
    int64_t end_ms = atomic_load(&poison->end_ms);
    return end_ms != 0 && (poison->quarantined >= POISON_LEAST || clock_unix_ms() >= end_ms);
}

static void *run(void *argument) {
    struct poison *poison = argument;
    struct dice dice = dice_make(poison->options.seed, "poison", 0);
    int64_t due_ms = clock_unix_ms();
    while (!poison_is_over(poison) && poison->count < MOST) {
        if (clock_unix_ms() >= due_ms) {
            add_one(poison, &dice);
            due_ms = clock_unix_ms() + dice_between(&dice, 0, 2 * GAP_MS);
        }
        poll(NULL, 0, PAUSE_MS);
    }
    return NULL;
}

struct poison *poison_begin(const struct options *options, uint16_t redis_port) {
    struct poison *poison = xcalloc(1, sizeof *poison);
    poison->options = *options;
    poison->probe = probe_create(redis_port, "");
    ck_assert_int_eq(pthread_create(&poison->thread, NULL, run, poison), 0);
    return poison;
}

void poison_end(struct poison *poison) {
    atomic_store(&poison->end_ms, clock_unix_ms() + deadline_scaled(ENOUGH_MS));
    pthread_join(poison->thread, NULL);
}

void poison_destroy(struct poison *poison) {
    probe_destroy(poison->probe);
    free(poison->entries);
    free(poison);
}

uint32_t poison_count(const struct poison *poison) {
    return poison->count;
}

const struct poison_entry *poison_at(const struct poison *poison, uint32_t number) {
    return &poison->entries[number];
}

bool poison_number(const char *entry, uint32_t *number) {
    const char *mark = strstr(entry, "poison-");
    return mark != NULL && sscanf(mark, MARK, number) == 1;
}
