// SPDX-License-Identifier: MIT
#include "dispatcher/opt_outs.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/message/format.h"
#include "shared/message/identify.h"
#include "shared/message/opt_out.h"
#include "shared/redis/link.h"
#include "shared/redis/opt_out_call.h"
#include "shared/settings/settings.h"

enum opt_outs_state {
    OPT_OUTS_UNKNOWN, // nothing was looked at over this connection, or not all are known
    OPT_OUTS_NONE,
    OPT_OUTS_SOME,
};

struct opt_outs {
    const struct dispatch_env *env;
    const struct partition_keys *keys;
    enum opt_outs_state state;
    int64_t looked_ms; // clock_boot_ms when the look was sent that found that
    bool complained;   // that they aren't known
};

// A look under way.
struct opt_outs_question {
    struct opt_outs *opt_outs;
    int64_t sent_ms;
    redis_link_reply done;
    void *argument;
};

static bool is_on(const struct opt_outs *opt_outs) {
    return opt_outs->env->settings->opt_out;
}

static const struct phone_region *opt_outs_region(const struct opt_outs *opt_outs) {
    return opt_outs->env->settings->phone_region;
}

// A mark of this Redis that names our region: all are known, and there is none; with '+' behind it: there are some.
static enum opt_outs_state opt_outs_read(const struct opt_outs *opt_outs, const redisReply *reply) {
    const char *mark = reply->type == REDIS_REPLY_STRING ? reply->str : "";
    const char *regions = opt_out_mark_regions(mark, redis_link_server_mark(opt_outs->env->link));
    if (regions == NULL || !opt_out_regions_have(regions, phone_region_code(opt_outs_region(opt_outs)))) {
        return OPT_OUTS_UNKNOWN;
    }
    return reply->str[reply->len - 1] == '+' ? OPT_OUTS_SOME : OPT_OUTS_NONE;
}

static void opt_outs_complain(struct opt_outs *opt_outs) {
    bool known = opt_outs_are_known(opt_outs);
    if (!known && !opt_outs->complained) {
        log_info("opt_outs_unknown",
                 "%s: who has opted out isn't known, for Redis was started or emptied, or by another PHONE_REGION: "
                 "nothing is called until a persister of ours (%s) has said so",
                 opt_outs->keys->tag, phone_region_code(opt_outs_region(opt_outs)));
    }
    opt_outs->complained = !known;
}

static void opt_outs_on_mark(void *argument, enum redis_result result, const redisReply *reply) {
    struct opt_outs_question *question = argument;
    struct opt_outs *opt_outs = question->opt_outs;
    if (result == REDIS_LINK_OK) {
        opt_outs->state = opt_outs_read(opt_outs, reply);
        opt_outs->looked_ms = question->sent_ms;
        opt_outs_complain(opt_outs);
    } else if (result != REDIS_LINK_LOST) {
        opt_outs->state = OPT_OUTS_UNKNOWN;
        log_error("opt_outs_failed", "HGET %s: %s", opt_outs->keys->opt_outs, reply->str);
    }
    if (question->done != NULL) {
        question->done(question->argument, result, reply);
    }
    free(question);
}

int opt_outs_look(struct opt_outs *opt_outs, redis_link_reply done, void *argument) {
    const char *argv[] = {"HGET", opt_outs->keys->opt_outs, ""};
    if (!is_on(opt_outs)) {
        return 0;
    }
    struct opt_outs_question *question = xmalloc(sizeof *question);
    *question = (struct opt_outs_question){opt_outs, clock_boot_ms(), done, argument};
    if (redis_link_call(opt_outs->env->link, opt_outs_on_mark, question, 3, argv, NULL) != 0) {
        free(question);
        return -1;
    }
    return 0;
}

void opt_outs_forget(struct opt_outs *opt_outs) {
    opt_outs->state = OPT_OUTS_UNKNOWN;
}

bool opt_outs_are_known(const struct opt_outs *opt_outs) {
    return !is_on(opt_outs) || opt_outs->state != OPT_OUTS_UNKNOWN;
}

bool opt_outs_are_fresh(const struct opt_outs *opt_outs) {
    bool fresh = clock_boot_ms() - opt_outs->looked_ms <= OPT_OUTS_FRESH_MS;
    return !is_on(opt_outs) || (opt_outs->state != OPT_OUTS_UNKNOWN && fresh);
}

bool opt_outs_has_any(const struct opt_outs *opt_outs) {
    return is_on(opt_outs) && opt_outs->state == OPT_OUTS_SOME;
}

static void opt_outs_on_added(void *argument, enum redis_result result, const redisReply *reply) {
    (void)argument;
    if (result != REDIS_LINK_OK) { // the provider will say so again
        log_warn("opt_out_unwritten", "%s", reply != NULL ? reply->str : "the connection to Redis broke");
    }
}

// As our region has it, for ingest may have accepted the message by another.
static char *opt_outs_identity(const struct opt_outs *opt_outs, const struct message *message, const char *identity) {
    return identity_complete(message_channel(message->type), identity, opt_outs_region(opt_outs));
}

void opt_outs_add(struct opt_outs *opt_outs, const struct message *message) {
    if (!is_on(opt_outs)) {
        return;
    }
    int64_t now_ms = redis_link_now_ms(opt_outs->env->link);
    struct opt_out opt_out = {.provider = message_provider(message->type),
                              .our_address = opt_outs_identity(opt_outs, message, message->sender),
                              .their_address = opt_outs_identity(opt_outs, message, message->recipient),
                              .state = OPT_OUT_OUT,
                              .at_ms = now_ms,
                              .came_ms = now_ms,
                              .by = OPT_OUT_BY_PROVIDER};
    struct opt_out_said said;
    opt_out_said_of(&opt_out, format_to_write() >= OPT_OUT_FORMAT, &said);
    const struct opt_out_call call = {.keys = opt_outs->keys, .said = &said, .count = 1, .records = true};
    if (opt_out_send(opt_outs->env->link, &call, opt_outs_on_added, NULL) != 0) {
        log_warn("opt_out_unwritten", "Redis is away");
    }
    opt_out_said_free(&said);
    opt_out_free(&opt_out);
}

char *opt_outs_known_by(const struct opt_outs *opt_outs) {
    return is_on(opt_outs) ? xasprintf("%s/%s", redis_link_server_mark(opt_outs->env->link),
                                       phone_region_code(opt_outs_region(opt_outs)))
                           : xstrdup("");
}

void opt_outs_pair(const struct opt_outs *opt_outs, const struct message *message, struct buf *out) {
    char *sender = opt_outs_identity(opt_outs, message, message->sender);
    char *recipient = opt_outs_identity(opt_outs, message, message->recipient);
    opt_out_pair(sender, recipient, out);
    free(recipient);
    free(sender);
}

struct opt_outs *opt_outs_create(const struct dispatch_env *env, const struct partition_keys *keys) {
    struct opt_outs *opt_outs = xcalloc(1, sizeof *opt_outs);
    opt_outs->env = env;
    opt_outs->keys = keys;
    return opt_outs;
}

void opt_outs_destroy(struct opt_outs *opt_outs) {
    free(opt_outs);
}
