// SPDX-License-Identifier: MIT
//
// How a lane takes entries: by reading what is new, and by claiming what others gave back, what it held before it lost
// touch with Redis, and what others have held for too long.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dispatcher/fcall.h"
#include "dispatcher/lane_private.h"
#include "shared/base/clock.h"
#include "shared/base/decimal.h"
#include "shared/base/json.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/redis/reply.h"

enum { MOST_AT_ONCE = 128 }; // of a read or claim: a wake-up's budget

// As the grant and the cap allow; that room is held until the reply says how much of it is used.
static size_t lane_take_reserve(struct lane *lane) {
    size_t count = upstream_room(lane->upstream), granted = breaker_grant_size(&lane->grant);
    if (granted < count) {
        count = granted;
    }
    if (count > MOST_AT_ONCE) {
        count = MOST_AT_ONCE;
    }
    lane->reserved = count;
    lane->asked_ms = clock_boot_ms();
    upstream_hold(lane->upstream, count);
    return count;
}

void lane_release_reserved(struct lane *lane) {
    upstream_release(lane->upstream, lane->reserved);
    lane->reserved = 0;
}

static void log_about(enum log_level level, const char *event, const struct lane *lane, const char *entry_id,
                      const char *message) {
    struct log_line *line = log_begin(level, event);
    log_str(line, "stream", lane->keys.outbound);
    log_str(line, "entry", entry_id);
    log_str(line, "provider", provider_name(lane->upstream->provider));
    log_str(line, "message", message);
    log_end(line);
}

// ---- Entries that can't be called

static void lane_take_on_quarantined(void *argument, enum redis_result result, const redisReply *reply) {
    (void)argument;
    if (result != REDIS_LINK_OK && result != REDIS_LINK_LOST) {
        log_error("quarantine_failed", "%s", reply->str); // it stays ours and is claimed again
    }
}

static void encode_fields(const redisReply *fields, struct buf *out) {
    buf_putc(out, '[');
    for (size_t i = 0; fields->type == REDIS_REPLY_ARRAY && i < fields->elements; i++) {
        if (i > 0) {
            buf_putc(out, ',');
        }
        json_write_stringn(out, fields->element[i]->str, (size_t)fields->element[i]->len);
    }
    buf_putc(out, ']');
}

// Moves an entry that isn't even a token to `events`, where the persister finds that it can't read it and puts it to
// the dead letters, fields and all.
static void quarantine(struct lane *lane, const char *entry_id, int64_t count, const redisReply *fields,
                       const char *why) {
    struct buf text = {0};
    encode_fields(fields, &text);
    log_about(LOG_ERROR, "entry_poison", lane, entry_id, why);
    struct fcall *fcall = fcall_new(LIBRARY_QUARANTINE, 2);
    fcall_text(fcall, lane->keys.outbound);
    fcall_text(fcall, lane->keys.events);
    fcall_text(fcall, lane->env->me);
    fcall_text(fcall, entry_id);
    fcall_int(fcall, count);
    fcall_text(fcall, why);
    fcall_bytes(fcall, text.data, text.length);
    buf_free(&text);
    if (fcall_send(fcall, lane->env->link, lane_take_on_quarantined, NULL) != 0) {
        log_debug("poison_kept", "%s: Redis is away", entry_id);
    }
}

// ---- Entries that came

// An entry that is held here came again: its group was destroyed and recreated. It is the same work under a new
// delivery.
static bool is_held(struct lane *lane, const struct entry *entry, int64_t count) {
    struct lease *held = lease_table_find(lane->leases, entry->id);
    if (held == NULL) {
        return false;
    }
    held->count = count;
    held->dated_ms = lane->asked_ms;
    return true;
}

static const char *lane_take_check(const struct lane *lane, const struct entry *entry) {
    return message_provider(entry->message.type) == lane->upstream->provider ? NULL
                                                                             : "the message is for another provider";
}

static struct lease *lane_take_hold(struct lane *lane, struct entry *entry, int64_t count, enum lease_state state) {
    struct lease *lease = lease_table_add(lane->leases, entry);
    lease->lane = lane;
    lease->keys = &lane->keys;
    lease->upstream = lane->upstream;
    lease->state = state;
    lease->count = count;
    lease->dated_ms = lane->asked_ms;
    upstream_hold(lane->upstream, 1);
    lease_queue_put(&lane->taken, lease);
    return lease;
}

// It can be settled as failed.
static void lane_take_unreadable(struct lane *lane, struct entry *entry, int64_t count, const char *why) {
    struct lease *lease = lane_take_hold(lane, entry, count, LEASE_FINISHED);
    lease->outcome.class = OUTCOME_UNREADABLE;
    lease->outcome.started_ms = clock_unix_ms();
    lease->outcome.error = xstrdup(why);
}

// An entry of a newer release is given back for one that can read it, from which alone it will be claimed.
static void lane_take_newer(struct lane *lane, struct entry *entry, int64_t count) {
    entries_newer_add(&lane->newer, entry->id);
    lane_take_hold(lane, entry, count, LEASE_RETURNING);
}

// Returns whether it is one to be worked on here.
static bool lane_take_entry(struct lane *lane, const redisReply *id, int64_t count, const redisReply *fields) {
    struct entry entry;
    const char *why = NULL;
    enum entry_kind kind = entry_read(id, fields, &entry, &why);
    if (kind == ENTRY_READABLE && (why = lane_take_check(lane, &entry)) != NULL) {
        kind = ENTRY_UNREADABLE;
    }
    if (is_held(lane, &entry, count)) {
        entry_free(&entry);
    } else if (kind == ENTRY_POISON) {
        quarantine(lane, entry.id, count, fields, why);
    } else if (kind == ENTRY_NEWER) {
        lane_take_newer(lane, &entry, count);
    } else if (kind == ENTRY_UNREADABLE) {
        lane_take_unreadable(lane, &entry, count, why);
    } else {
        lane_take_hold(lane, &entry, count, LEASE_WAITING);
    }
    return kind == ENTRY_READABLE || kind == ENTRY_UNREADABLE;
}

static bool lane_take_is_entry(const redisReply *reply, size_t elements) {
    return reply->type == REDIS_REPLY_ARRAY && reply->elements == elements &&
           reply->element[0]->type == REDIS_REPLY_STRING;
}

// ---- The group, and where it has read to

int lane_send_group(struct lane *lane, redis_link_reply done) {
    const char *argv[] = {"XGROUP", "CREATE", lane->keys.outbound, GROUP_DISPATCHERS, "0", "MKSTREAM"};
    return redis_link_call(lane->env->link, done, lane, 6, argv, NULL);
}

static const char *last_delivered(const redisReply *info) {
    bool ours = strcmp(redis_reply_field(info, "name", ""), GROUP_DISPATCHERS) == 0;
    return ours ? redis_reply_field(info, "last-delivered-id", NULL) : NULL;
}

void lane_take_located(struct lane *lane, const redisReply *reply) {
    for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++) {
        const char *last = last_delivered(reply->element[i]);
        if (last != NULL) {
            snprintf(lane->after, sizeof lane->after, "%s", last);
        }
    }
}

int lane_send_locate(struct lane *lane, redis_link_reply done) {
    const char *argv[] = {"XINFO", "GROUPS", lane->keys.outbound};
    return redis_link_call(lane->env->link, done, lane, 3, argv, NULL);
}

// ---- What may be called of it

int lane_send_look(struct lane *lane, redis_link_reply done) {
    return opt_outs_look(lane->opt_outs, NULL, NULL) != 0 ? -1 : erasures_look(lane->erasures, done, lane);
}

// ---- Reading

size_t lane_take_read(struct lane *lane, const redisReply *reply) {
    const redisReply *entries = redis_reply_entries(reply);
    size_t count = entries != NULL ? entries->elements : 0;
    lane->more = count == lane->reserved;
    for (size_t i = 0; i < count; i++) {
        const redisReply *entry = entries->element[i];
        if (!lane_take_is_entry(entry, 2)) {
            continue;
        }
        snprintf(lane->after, sizeof lane->after, "%s", entry->element[0]->str);
        lane_take_entry(lane, entry->element[0], 1, entry->element[1]);
    }
    return count;
}

// Ends what was begun with lane_take_reserve where it could not be sent.
static int lane_take_sent(struct lane *lane, int status) {
    if (status != 0) {
        lane_release_reserved(lane);
    }
    return status;
}

// The look goes first, so that by its answer it is known what may be called of what comes behind it.
int lane_send_read(struct lane *lane, redis_link_reply done) {
    if (lane_send_look(lane, NULL) != 0) {
        return -1;
    }
    const char *count = DECIMAL(lane_take_reserve(lane));
    const char *argv[] = {"XREADGROUP",        "GROUP", GROUP_DISPATCHERS, lane->env->me, "COUNT", count, "STREAMS",
                          lane->keys.outbound, ">"};
    return lane_take_sent(lane, redis_link_call(lane->env->link, done, lane, 9, argv, NULL));
}

// ---- Claiming

void lane_take_claimed(struct lane *lane, const redisReply *reply) {
    size_t count = reply->type == REDIS_REPLY_ARRAY ? reply->elements : 0;
    lane->claim_due = count == lane->reserved;
    for (size_t i = 0; i < count; i++) {
        const redisReply *entry = reply->element[i];
        bool good = lane_take_is_entry(entry, 3) &&
                    lane_take_entry(lane, entry->element[0], entry->element[1]->integer, entry->element[2]);
        if (!good) { // it might be claimed again at once: not before the next tick
            lane->claim_due = false;
        }
    }
    counters_add(lane->env->counters, COUNTER_WORKER_CLAIMED, count);
}

static void add_known(void *argument, struct lease *lease) {
    fcall_text(argument, lease->entry.id);
}

// Nobody steals before it has been connected without a gap, and Redis's clock without a jump, for as long as a lease
// lasts: idle time runs on while Redis is away, and jumps with its clock.
int lane_send_claim(struct lane *lane, redis_link_reply done) {
    int64_t lease_ms = lane->env->settings->worker_claim_timeout_secs * 1000;
    if (lane_send_look(lane, NULL) != 0) {
        return -1;
    }
    struct fcall *fcall = fcall_new(LIBRARY_CLAIM, 1);
    fcall_text(fcall, lane->keys.outbound);
    fcall_text(fcall, GROUP_DISPATCHERS);
    fcall_text(fcall, lane->env->me);
    fcall_int(fcall, redis_link_steady_ms(lane->env->link) >= lease_ms ? redis_link_now_ms(lane->env->link) : 0);
    fcall_int(fcall, lease_ms);
    fcall_int(fcall, (int64_t)lane_take_reserve(lane));
    lease_table_each(lane->leases, add_known, fcall);
    return lane_take_sent(lane, fcall_send(fcall, lane->env->link, done, lane));
}
