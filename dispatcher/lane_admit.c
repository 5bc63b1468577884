// SPDX-License-Identifier: MIT
//
// Before a message of a held sender is called, or where anybody has opted out or been erased, Redis is asked for it
// (redis/messaging.lua, admit): it may go, for a held sender as its one probe, or Redis has put it among the parked, or
// its recipient has opted out, and it has failed, or its conversation was erased, and Redis has ended it.
#include <stdio.h>
#include <stdlib.h>

#include "dispatcher/fcall.h"
#include "dispatcher/lane_private.h"
#include "dispatcher/lease_log.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/redis/words.h"

// A call of admit: leases in the order of its replies.
struct admission {
    struct lane *lane;
    struct lease_queue leases;
    size_t count;
};

static void drop_all(struct admission *admission) {
    struct lease *lease;
    while ((lease = lease_queue_take(&admission->leases)) != NULL) { // what is ours still is claimed again
        lane_drop(lease);
    }
}

static void lane_admit_take_go(struct lane *lane, struct lease *lease) {
    if (lane->stopping) {
        lane_give_back(lease);
        return;
    }
    lane_wait(lease);
}

static void lane_admit_fail(struct lane *lane, struct lease *lease) {
    lease->outcome.class = OUTCOME_OPTED_OUT;
    lease->outcome.started_ms = clock_unix_ms();
    lease->outcome.error = xstrdup("the recipient has opted out of messages from this sender");
    settler_take(lane->settler, lease);
}

// GO | {LATER, ms} | OPTED_OUT | ERASED | LOST | an error
static void lane_admit_take_verdict(struct lane *lane, struct lease *lease, const redisReply *verdict) {
    if (verdict->type == REDIS_REPLY_ARRAY && verdict->elements == 2) {
        lease_log(LOG_DEBUG, "dispatch_held", lease, "its sender is held: it waits, uncalled");
        due_expect(lane->due, verdict->element[1]->integer);
        lane_drop(lease);
    } else if (verdict->type == REDIS_REPLY_ERROR) {
        lease_log(LOG_ERROR, "admit_failed", lease, verdict->str);
        lane_drop(lease);
    } else if (library_word(verdict) == WORD_GO) {
        lane_admit_take_go(lane, lease);
    } else if (library_word(verdict) == WORD_OPTED_OUT) {
        lane_admit_fail(lane, lease);
    } else if (library_word(verdict) == WORD_ERASED) {
        lease_log(LOG_INFO, "dispatch_erased", lease, "its conversation was erased: it is not called");
        lane_drop(lease);
    } else {
        lease_log(LOG_WARN, "lease_lost", lease, "the entry passed to another before it was called");
        lane_drop(lease);
    }
}

static void give_back_all(struct admission *admission) {
    struct lease *lease;
    admission->lane->claim_due = true; // they are the first to be taken again
    while ((lease = lease_queue_take(&admission->leases)) != NULL) {
        lane_give_back(lease);
    }
}

static void lane_admit_on_reply(void *argument, enum redis_result result, const redisReply *reply) {
    struct admission *admission = argument;
    struct lane *lane = admission->lane;
    if (result == REDIS_LINK_OK && reply->type == REDIS_REPLY_ARRAY && reply->elements == admission->count) {
        for (size_t i = 0; i < reply->elements; i++) {
            lane_admit_take_verdict(lane, lease_queue_take(&admission->leases), reply->element[i]);
        }
    } else if (result == REDIS_LINK_OK && library_word(reply) == WORD_UNFILLED) {
        opt_outs_forget(lane->opt_outs);
        give_back_all(admission);
    } else if (result != REDIS_LINK_LOST) {
        log_error("admit_failed", "%s: %s", lane->keys.tag,
                  reply->str != NULL ? reply->str : "the reply has another shape");
    }
    drop_all(admission);
    free(admission);
    lane->go_on(lane);
}

static void put_pair(struct fcall *fcall, const struct lane *lane, const struct message *message) {
    struct buf pair = {0};
    opt_outs_pair(lane->opt_outs, message, &pair);
    fcall_bytes(fcall, pair.data, pair.length);
    buf_free(&pair);
}

// When it was accepted: of a replay, and of what was scheduled, its token says when it was to be sent. What was
// scheduled and takes a turn was looked at as its time came (redis/messaging.lua, begin_scheduled).
static int64_t accepted_ms(const struct entry *entry) {
    bool was_scheduled = entry->conversation[0] == '\0' && entry->message.send_at_ms > 0;
    return entry->generation > 0 || was_scheduled ? entry->message.accepted_ms : entry->at_ms;
}

// By what name its conversation would be erased: what takes no turn doesn't say so in its token.
static void lane_admit_put_conversation(struct fcall *fcall, const struct entry *entry) {
    char name[CONVERSATION_SIZE];
    snprintf(name, sizeof name, "%s", entry->conversation);
    if (*name == '\0') {
        conversation_name(&entry->message, name);
    }
    fcall_text(fcall, name);
    fcall_int(fcall, accepted_ms(entry));
}

void lane_ask_admission(struct lane *lane, struct lease_queue *leases) {
    const struct settings *settings = lane->env->settings;
    struct admission *admission = xcalloc(1, sizeof *admission);
    struct fcall *fcall = fcall_new(LIBRARY_ADMIT, 4);
    admission->lane = lane;
    fcall_text(fcall, lane->keys.outbound);
    fcall_text(fcall, lane->keys.parked);
    fcall_text(fcall, lane->keys.parked_due);
    fcall_text(fcall, lane->keys.held_senders);
    fcall_text(fcall, lane->env->me);
    fcall_int(fcall, settings->sender_hold_secs * 1000);
    fcall_int(fcall, settings->provider_timeout_ms + ADMISSION_MS);
    char *known_by = opt_outs_known_by(lane->opt_outs);
    fcall_text(fcall, known_by);
    free(known_by);
    for (struct lease *lease; (lease = lease_queue_take(leases)) != NULL; admission->count++) {
        lease->state = LEASE_ASKING;
        lease->admitted_ms = clock_boot_ms();
        fcall_text(fcall, lease->entry.id);
        fcall_int(fcall, lease->count);
        fcall_text(fcall, lease->entry.message_id);
        fcall_int(fcall, lease->entry.generation);
        fcall_text(fcall, lease->entry.message.sender);
        put_pair(fcall, lane, &lease->entry.message);
        lane_admit_put_conversation(fcall, &lease->entry);
        lease_queue_put(&admission->leases, lease);
    }
    if (fcall_send(fcall, lane->env->link, lane_admit_on_reply, admission) != 0) {
        drop_all(admission);
        free(admission);
    }
}
