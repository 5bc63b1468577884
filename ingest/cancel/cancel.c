// SPDX-License-Identifier: MIT
//
// A message that waits is taken back. Postgres knows whose it is and what had become of it a moment ago; whether it
// waits, Redis alone knows: one step takes its token from where it waits and records its end, so that no dispatcher
// finds it any more. What is in `outbound` may be under way: it is called.
//
// A token lies where its sender belongs, or, where STREAM_PARTITIONS or PHONE_REGION was another when it was accepted,
// in any other partition of its provider. It never goes from one to another. So they are asked one by one, its sender's
// first, until one has it.
//
// Where the connection breaks, or too few replicas follow, its fate is unknown. Redis remembers for an hour what was
// cancelled, and says so to a repeat, which may come before Postgres knows.
//
// An older release doesn't read such an outcome: see accept/unread.c.
#include "ingest/cancel/cancel.h"

#include <stdlib.h>
#include <string.h>

#include "ingest/accept/acceptance.h"
#include "ingest/accept/acceptor.h"
#include "ingest/accept/format_wait.h"
#include "ingest/accept/redis_failure.h"
#include "ingest/read/database.h"
#include "ingest/request/log.h"
#include "ingest/request/request.h"
#include "ingest/request/resources.h"
#include "ingest/request/response.h"
#include "shared/base/clock.h"
#include "shared/base/decimal.h"
#include "shared/base/json.h"
#include "shared/base/uuid.h"
#include "shared/message/format.h"
#include "shared/message/message.h"
#include "shared/redis/keys.h"
#include "shared/redis/library.h"
#include "shared/redis/link.h"
#include "shared/redis/partitions.h"
#include "shared/redis/reply.h"
#include "shared/redis/words.h"
#include "shared/settings/settings.h"

#define CANCEL_FORMAT 2 // from which on there is such an outcome
#define RETRY_SOON_SECS 1
#define RETRY_UPGRADE_SECS 5

enum {
    RECORDED_WITHIN_MS = 60 * 1000, // of its acceptance: what isn't by then is none
    STATUS_SIZE = 16,
};

// The columns of ingest/read/sql/message_state.sql.
enum { ID, DIRECTION, TYPE, FROM_ADDRESS, STATUS, FINAL, GENERATION };

// The state of a request.
struct cancelling {
    struct acceptance acceptance;
    enum provider provider;
    char status[STATUS_SIZE]; // as Postgres has it
    bool has_ended;           // the same
    int64_t generation;       // the same
    unsigned partition;       // that is asked
    unsigned *others;         // to be asked after it, owned; NULL: not known yet
    size_t other_count, next_other;
};

static struct cancelling *cancelling_of(const struct ingest_request *request) {
    return request->state;
}

static void cancel_forget(struct ingest_request *request) {
    struct cancelling *cancelling = cancelling_of(request);
    free(cancelling->others);
    cancelling->others = NULL;
}

// ---- The answers

static const struct {
    const char *status, *message;
} ends[] = {
    {"sent", "it can't be cancelled any more: it was sent"},
    {"delivered", "it can't be cancelled any more: it was sent, and has arrived"},
    {"undelivered", "it can't be cancelled any more: it was sent, though it was not delivered"},
    {"failed", "it can't be cancelled: it has failed, and is not sent again by itself"},
    {"cancelled", "it was cancelled before"},
    {"received", "it can't be cancelled: it was received, not sent"},
};

static const char *end_message(const char *status) {
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        if (strcmp(status, ends[i].status) == 0) {
            return ends[i].message;
        }
    }
    return "it can't be cancelled any more: it has ended";
}

static void cancel_refuse_ended(struct ingest_request *request, const char *status) {
    response_conflict_status(request, status, end_message(status));
}

// It is in `outbound`, or has left it a moment ago.
static void cancel_refuse_under_way(struct ingest_request *request) {
    response_error(request, API_CONFLICT, "it can't be cancelled any more: it is being sent");
}

static void cancel_refuse(struct ingest_request *request) {
    const struct cancelling *cancelling = cancelling_of(request);
    if (cancelling->has_ended) {
        cancel_refuse_ended(request, cancelling->status);
    } else {
        cancel_refuse_under_way(request);
    }
}

static void cancel_answer(struct ingest_request *request, bool replayed) {
    (void)replayed;
    struct buf *json = &request->with->answer;
    buf_clear(json);
    buf_putc(json, '{');
    json_write_member(json, "status", "cancelled");
    json_write_member(json, "id", request->message_id);
    buf_putc(json, '}');
    response_json(request, 202, json);
}

static void cancel_log(const struct ingest_request *request, const redisReply *reply) {
    const struct cancelling *cancelling = cancelling_of(request);
    struct log_line *line = log_begin(LOG_INFO, "cancelled");
    log_str(line, "correlation_id", request->id);
    log_str(line, "message_id", request->message_id);
    log_str(line, "provider", provider_name(cancelling->provider));
    log_str(line, "generation", redis_reply_text(reply, 1, "0"));
    log_str(line, "was", cancelling->status);
    if (request->key_name[0] != '\0') {
        log_str(line, "key", request->key_name);
    }
    log_str(line, "client_ip", request->client);
    log_end(line);
}

// ---- The calls

static void cancel_ask(struct ingest_request *request);

static void cancel_ask_next(struct ingest_request *request) {
    struct cancelling *cancelling = cancelling_of(request);
    if (cancelling->next_other < cancelling->other_count) {
        cancelling->partition = cancelling->others[cancelling->next_other++];
        cancel_ask(request);
    } else {
        cancel_refuse(request);
    }
}

// Those of its provider that are in use, but for the one that was asked already.
static void cancel_take_others(struct cancelling *cancelling, const redisReply *members) {
    cancelling->others = xcalloc(members->elements + 1, sizeof *cancelling->others);
    for (size_t i = 0; i < members->elements; i++) {
        const redisReply *member = members->element[i];
        enum provider provider;
        if (member->str != NULL && partition_parse(member->str, member->len, &provider) == 0 &&
            provider == cancelling->provider && partition_number(member->str) != cancelling->partition) {
            cancelling->others[cancelling->other_count++] = partition_number(member->str);
        }
    }
}

static void cancel_on_partitions(void *argument, enum redis_result result, const redisReply *reply) {
    struct ingest_request *request = argument;
    if (!request_reply_came(request)) {
        return;
    }
    if (result == REDIS_LINK_OK && reply->type == REDIS_REPLY_ARRAY) {
        cancel_take_others(cancelling_of(request), reply);
        cancel_ask_next(request);
    } else {
        response_unavailable(request, "Redis doesn't say which partitions there are", RETRY_SOON_SECS, false);
    }
}

static void cancel_ask_partitions(struct ingest_request *request) {
    const char *command[] = {"SMEMBERS", KEY_PARTITIONS};
    acceptor_sent(request, redis_link_call(request->with->redis, cancel_on_partitions, request, 2, command, NULL));
}

// It waits nowhere in the partition that was asked.
static void cancel_look_further(struct ingest_request *request) {
    const struct cancelling *cancelling = cancelling_of(request);
    if (cancelling->has_ended) {
        cancel_refuse(request);
    } else if (cancelling->others == NULL) {
        cancel_ask_partitions(request);
    } else {
        cancel_ask_next(request);
    }
}

static void cancel_on_reply(void *argument, enum redis_result result, const redisReply *reply) {
    struct ingest_request *request = argument;
    if (!request_reply_came(request)) {
        return;
    }
    enum library_word word = result == REDIS_LINK_OK ? library_word(reply) : WORD_OTHER;
    switch ((int)word) {
    case WORD_OK:
        cancel_log(request, reply);
        counters_add_for(request->with->counters, COUNTER_CANCELLED, cancelling_of(request)->provider);
        acceptor_answer(request, false, cancel_answer);
        break;
    case WORD_ALREADY:
        cancel_refuse_ended(request, "cancelled");
        break;
    case WORD_NO:
        cancel_look_further(request);
        break;
    default:
        redis_failure_answer(request, result, reply);
        break;
    }
}

static void cancel_ask(struct ingest_request *request) {
    const struct cancelling *cancelling = cancelling_of(request);
    struct partition_keys keys;
    partition_keys_of(cancelling->provider, cancelling->partition, &keys);
    const char *command[] = {"FCALL",
                             library_function(LIBRARY_CANCEL),
                             "5",
                             keys.outbound,
                             keys.events,
                             keys.parked,
                             keys.parked_due,
                             keys.refused,
                             request->message_id,
                             provider_name(cancelling->provider),
                             DECIMAL(cancelling->generation)};
    acceptor_sent(request, redis_link_call(request->with->redis, cancel_on_reply, request,
                                           sizeof command / sizeof *command, command, NULL));
}

// ---- The message

// Where its sender belongs; where that can't be said, the first partition is as good as any.
static unsigned cancel_partition(const struct ingest_request *request, enum message_type type, const char *from) {
    const struct settings *settings = request->with->settings;
    char reason[ADDRESS_REASON_SIZE];
    struct address sender;
    if (address_parse(message_channel(type), ADDRESS_FROM, from, settings->phone_region, &sender, reason) != NULL) {
        return 0;
    }
    unsigned partition = partition_of(sender.normalized, (unsigned)settings->stream_partitions);
    address_free(&sender);
    return partition;
}

// False where it is none that was sent: it has answered.
static bool cancel_take(struct ingest_request *request, const PGresult *rows) {
    struct cancelling *cancelling = cancelling_of(request);
    enum message_type type;
    strcpy(request->message_id, database_text(rows, 0, ID)); // a uuid's text; maybe not the one that was given
    if (strcmp(database_text(rows, 0, DIRECTION), message_direction_name(MESSAGE_OUTBOUND)) != 0) {
        cancel_refuse_ended(request, "received");
        return false;
    }
    if (message_type_parse(database_text(rows, 0, TYPE), &type) != 0) {
        request_log_trouble(request, LOG_ERROR, "cancel_unreadable", "the type of a message is none");
        response_internal_error(request);
        return false;
    }
    cancelling->provider = message_provider(type);
    strncpy(cancelling->status, database_text(rows, 0, STATUS), sizeof cancelling->status - 1);
    cancelling->has_ended = strcmp(database_text(rows, 0, FINAL), "t") == 0;
    cancelling->generation = database_int(rows, 0, GENERATION);
    cancelling->partition = cancel_partition(request, type, database_text(rows, 0, FROM_ADDRESS));
    return true;
}

// No row has it: maybe not yet, and then its id says that it was accepted just now.
static void cancel_answer_unknown(struct ingest_request *request) {
    struct uuid id;
    int64_t made_ms, now_ms = clock_unix_ms();
    (void)!uuid_parse(request->message_id, &id); // cancel_message wrote it
    if (uuid_v7_time(&id, &made_ms) && llabs(now_ms - made_ms) < RECORDED_WITHIN_MS) {
        response_unavailable(request, "no message of that id is recorded yet", RETRY_SOON_SECS, false);
    } else {
        response_error(request, API_NOT_FOUND, "no such message");
    }
}

static void cancel_on_message(struct ingest_request *request, const PGresult *rows) {
    const struct cancelling *cancelling = cancelling_of(request);
    if (PQntuples(rows) == 0) {
        cancel_answer_unknown(request);
        return;
    }
    if (!cancel_take(request, rows)) {
        return;
    }
    if (!cancelling->has_ended && format_wait_for(request, CANCEL_FORMAT)) {
        return;
    }
    if (format_to_write() >= CANCEL_FORMAT) {
        if (acceptor_is_reachable(request)) {
            cancel_ask(request);
        }
    } else if (cancelling->has_ended) {
        cancel_refuse(request);
    } else {
        response_unavailable(request, "a program of an older release, which can't record it, is still running",
                             RETRY_UPGRADE_SECS, false);
    }
}

// Runs once more after a wait, or where the library was missing.
void cancel_message(struct ingest_request *request) {
    struct cancelling *cancelling = request_state(request, sizeof *cancelling);
    struct uuid id;
    if (uuid_parse(request->match.parameter, &id) != 0) {
        response_error(request, API_NOT_FOUND, "no such message");
        return;
    }
    cancel_forget(request);
    cancelling->other_count = cancelling->next_other = 0;
    request->leave = cancel_forget;
    uuid_format(&id, request->message_id);
    const char *values[] = {request->message_id};
    database_run(request, READ_MESSAGE_STATE, 1, values, cancel_on_message);
}
