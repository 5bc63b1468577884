// SPDX-License-Identifier: MIT
//
// Which addresses are ours nobody has told us: they are those that were sent from. Redis keeps them, in the partition
// of each as a sender (zset "ours:{provider:partition}": address → when it last sent, ms since 1970), no more than
// OURS_MAX of a partition: whoever has sent nothing for longest goes. A thread tells it of a sender once in AGAIN_SECS.
//
// It is asked only about a webhook with several recipients, one after the other until one is ours. After a change of
// STREAM_PARTITIONS an address is unknown until it sends again.
//
// Rejected: to ask Postgres, which may be away while a webhook must be taken; and to add a sender within accept itself,
// which would cost every send a command.
#include "ingest/accept/ours.h"

#include <stdlib.h>
#include <string.h>

#include "ingest/accept/acceptance.h"
#include "ingest/request/log.h"
#include "ingest/request/request.h"
#include "ingest/request/resources.h"
#include "ingest/request/response.h"
#include "shared/base/clock.h"
#include "shared/base/decimal.h"
#include "shared/base/log.h"
#include "shared/redis/keys.h"
#include "shared/redis/link.h"
#include "shared/settings/settings.h"

enum {
    OURS_MAX = 10000, // a partition
    AGAIN_SECS = 10 * 60,
    ROWS = 16384, // of senders that Redis was told of: a table of half a megabyte a thread
    ROW_LENGTH = 4,
    MOST_ASKED = 100,
    RETRY_SECS = 1,
};

struct told {
    uint32_t sender; // the beginning of its hash
    uint32_t at;     // s, monotonic; 0: it is nobody's
};

struct ours {
    struct ingest_resources *with;
    struct told told[ROWS][ROW_LENGTH]; // a row by the hash's end
};

// ---- Telling

// FNV-1a, 64 bits: draft-eastlake-fnv.
static uint64_t ours_hash(enum provider provider, const char *sender) {
    uint64_t hash = 14695981039346656037u + (uint64_t)provider;
    for (const unsigned char *at = (const unsigned char *)sender; *at != '\0'; at++) {
        hash = (hash ^ *at) * 1099511628211u;
    }
    return hash;
}

static uint32_t ours_now(void) {
    return (uint32_t)(clock_monotonic_us() / 1000000) + 1;
}

static bool ours_is_told(const struct ours *ours, uint64_t hash) {
    const struct told *row = ours->told[hash % ROWS];
    for (size_t i = 0; i < ROW_LENGTH; i++) {
        if (row[i].sender == hash >> 32 && row[i].at > 0 && ours_now() - row[i].at < AGAIN_SECS) {
            return true;
        }
    }
    return false;
}

// In its own place, else in that of whom Redis was told of first.
static void ours_remember(struct ours *ours, uint64_t hash) {
    struct told *row = ours->told[hash % ROWS], *place = row;
    for (size_t i = 0; i < ROW_LENGTH && place->sender != hash >> 32; i++) {
        place = row[i].sender == hash >> 32 || row[i].at < place->at ? &row[i] : place;
    }
    *place = (struct told){(uint32_t)(hash >> 32), ours_now()};
}

static void ours_keys(const struct ours *ours, enum provider provider, const char *address,
                      struct partition_keys *out) {
    partition_keys_of(provider, partition_of(address, (unsigned)ours->with->settings->stream_partitions), out);
}

static void ours_on_leave(struct ingest_request *request) {
    struct acceptance *acceptance = request->state;
    free(acceptance->sender);
    acceptance->sender = NULL;
}

void ours_note(struct ingest_request *request, const struct message *message) {
    struct acceptance *acceptance = request->state;
    if (message->direction == MESSAGE_OUTBOUND && acceptance->sender == NULL &&
        !ours_is_told(request->with->ours, ours_hash(message_provider(message->type), message->sender))) {
        acceptance->sender = xstrdup(message->sender);
        acceptance->provider = message_provider(message->type);
        request->leave = ours_on_leave;
    }
}

// What a user whose permissions are of an older release may not write is missing, and found out by who asks.
void ours_add(struct ingest_request *request) {
    struct acceptance *acceptance = request->state;
    struct ours *ours = request->with->ours;
    if (acceptance->sender == NULL) {
        return;
    }
    struct partition_keys keys;
    ours_keys(ours, acceptance->provider, acceptance->sender, &keys);
    const char *add[] = {"ZADD", keys.ours, DECIMAL(redis_link_now_ms(request->with->redis)), acceptance->sender};
    const char *bound[] = {"ZREMRANGEBYRANK", keys.ours, "0", DECIMAL(-OURS_MAX - 1)};
    if (redis_link_call(request->with->redis, NULL, NULL, 4, add, NULL) == 0 &&
        redis_link_call(request->with->redis, NULL, NULL, 4, bound, NULL) == 0) {
        ours_remember(ours, ours_hash(acceptance->provider, acceptance->sender));
    }
    ours_on_leave(request);
}

// ---- Asking

struct ours_question {
    struct ingest_request *request;
    enum provider provider;
    struct address_list recipients;
    size_t at;
};

static void ours_ask_next(struct ours_question *question);

static void ours_end(struct ours_question *question) {
    address_list_free(&question->recipients);
    free(question);
}

// The handler runs again, and knows.
static void ours_choose(struct ours_question *question, size_t chosen) {
    struct ingest_request *request = question->request;
    struct acceptance *acceptance = request->state;
    acceptance->recipient = chosen + 1;
    ours_end(question);
    request->match.route->handle(request);
}

static void ours_give_up(struct ours_question *question, const char *why) {
    request_log_trouble(question->request, LOG_WARN, "ours_unasked", why);
    response_unavailable(question->request, "Redis could not be asked which of the recipients is ours", RETRY_SECS,
                         false);
    ours_end(question);
}

// What Redis refuses to answer, it would refuse again: the webhook is worth more than to know whose it is.
static void ours_on_score(void *argument, enum redis_result result, const redisReply *reply) {
    struct ours_question *question = argument;
    if (!request_reply_came(question->request)) {
        ours_end(question);
    } else if (result == REDIS_LINK_ERROR) {
        request_log_trouble(question->request, LOG_WARN, "ours_unknown", reply->str);
        ours_choose(question, 0);
    } else if (result != REDIS_LINK_OK) {
        ours_give_up(question, "the connection broke");
    } else if (reply->type != REDIS_REPLY_NIL) {
        ours_choose(question, question->at);
    } else {
        question->at++;
        ours_ask_next(question);
    }
}

static void ours_ask_next(struct ours_question *question) {
    struct ingest_request *request = question->request;
    if (question->at == question->recipients.count || question->at == MOST_ASKED) {
        ours_choose(question, 0);
        return;
    }
    const char *address = question->recipients.addresses[question->at].normalized;
    struct partition_keys keys;
    ours_keys(request->with->ours, question->provider, address, &keys);
    const char *score[] = {"ZSCORE", keys.ours, address};
    if (redis_link_call(request->with->redis, ours_on_score, question, 3, score, NULL) == 0) {
        request_expect_reply(request);
    } else {
        ours_give_up(question, "the link is down");
    }
}

// What is no more than letters, digits and these is one address.
static bool ours_may_be_several(const char *to) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-_.@";
    return to[strspn(to, plain)] != '\0';
}

static bool ours_find_several(const struct ingest_request *request, const struct message *message,
                              struct address_list *out) {
    if (message->direction != MESSAGE_INBOUND || !ours_may_be_several(message->to) ||
        address_keep(message_channel(message->type), message->to, request->with->settings->phone_region, out) != NULL) {
        return false;
    }
    if (out->count == 1) {
        address_list_free(out);
    }
    return out->count > 1;
}

bool ours_ask(struct ingest_request *request, struct message *message) {
    const struct acceptance *acceptance = request->state;
    struct address_list recipients = {0};
    if (message->by_envelope || !redis_link_is_up(request->with->redis) ||
        !ours_find_several(request, message, &recipients)) {
        return false;
    }
    if (acceptance->recipient > 0) {
        struct address *chosen = &recipients.addresses[acceptance->recipient - 1];
        free(message->recipient);
        message->recipient = chosen->normalized;
        chosen->normalized = NULL;
        address_list_free(&recipients);
        return false;
    }
    struct ours_question *question = xcalloc(1, sizeof *question);
    *question = (struct ours_question){request, message_provider(message->type), recipients, 0};
    ours_ask_next(question);
    return true;
}

// ---- Life

struct ours *ours_create(struct ingest_resources *with) {
    struct ours *ours = xcalloc(1, sizeof *ours);
    ours->with = with;
    return ours;
}

void ours_destroy(struct ours *ours) {
    free(ours);
}

void ours_on_up(struct ours *ours) {
    memset(ours->told, 0, sizeof ours->told);
}
