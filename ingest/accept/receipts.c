// SPDX-License-Identifier: MIT
//
// What a provider says became of messages. It comes when it likes: before the message is in Postgres, twice, in any
// order, many at once; and it isn't brought again once it was answered 2xx. So all of a post is in Redis before the
// answer, or it is 503. What then comes again is known by what the provider calls it, and isn't recorded twice.
//
// Of a post with events of several partitions each partition gets a call of its own, one after the other: the first
// one finds out whether the request's signature came before, in which case none is to do anything yet.
//
// Who opts out does so after that, and whether or not his event came before: what failed half-way is then made good.
//
// An older release doesn't read such an entry: see unread.c.
#include "ingest/accept/receipts.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/accept/acceptance.h"
#include "ingest/accept/acceptor.h"
#include "ingest/accept/format_wait.h"
#include "ingest/accept/opt_out.h"
#include "ingest/accept/redis_failure.h"
#include "ingest/access/rate_limit.h"
#include "ingest/request/log.h"
#include "ingest/request/request.h"
#include "ingest/request/resources.h"
#include "ingest/request/response.h"
#include "ingest/request/webhook.h"
#include "shared/base/clock.h"
#include "shared/base/crypto.h"
#include "shared/base/decimal.h"
#include "shared/message/format.h"
#include "shared/redis/keys.h"
#include "shared/redis/library.h"
#include "shared/redis/link.h"
#include "shared/redis/partitions.h"
#include "shared/redis/words.h"
#include "shared/settings/settings.h"

#define RECEIPT_FORMAT 2 // from which on there are such entries
#define RETRY_SOON_SECS 1
#define RETRY_FULL_SECS 5

enum {
    MOST_AHEAD_MS = 24 * 3600 * 1000, // of a provider's clock
    MOST_IN_CALL = 1000,              // receipts; others go in the next
    MOST_CALL_BYTES = 256 * 1024,     // of their payloads
    RECEIPTS_WORDS_BEFORE = 11,       // FCALL, function, number of keys, 4 keys, 4 arguments
    RECEIPTS_WORDS_EACH = 4,
    TELL_EVERY_MS = 60000, // of what comes without an id of ours
};

// A receipt that is to be recorded.
struct addressed {
    struct receipt *receipt; // in the post
    unsigned partition;
};

// The state of a request.
struct post {
    struct acceptance acceptance;
    struct receipts receipts;
    struct addressed *addressed; // by partition, those of one in their order
    size_t count;
    struct opt_out *opt_outs;
    size_t opt_out_count;
    size_t unmatched;                        // without an id of ours, or of whom we don't know
    bool is_read;                            // all of that is there
    bool partitions_asked;                   // for those that aren't this process's own
    size_t first, behind;                    // of addressed: what the call under way is about
    size_t delivered, undelivered, repeated; // that Redis has recorded, or had
};

static struct post *post_of(const struct ingest_request *request) {
    return request->state;
}

static enum provider post_provider(const struct ingest_request *request) {
    return request->way_in->provider;
}

// ---- What was posted

static void receipts_on_leave(struct ingest_request *request) {
    struct post *post = post_of(request);
    receipts_free(&post->receipts);
    free(post->addressed);
    for (size_t i = 0; i < post->opt_out_count; i++) {
        opt_out_free(&post->opt_outs[i]);
    }
    free(post->opt_outs);
}

static void receipts_log_broken(const struct ingest_request *request, const struct receipts *receipts) {
    for (size_t i = 0; i < receipts->broken && i < RECEIPTS_TOLD; i++) {
        struct log_line *line = log_begin(LOG_WARN, "receipt_broken");
        log_str(line, "correlation_id", request->id);
        log_str(line, "path", http_path(request->http));
        log_str(line, "client_ip", request->client);
        log_int(line, "index", (int64_t)receipts->troubles[i].place);
        log_str(line, "reason", receipts->troubles[i].why);
        log_int(line, "broken", (int64_t)receipts->broken);
        log_end(line);
    }
}

// Others may send from the same account, or a callback was set at the provider's own console: that is nothing to shout
// about with each event.
static void receipts_log_unmatched(const struct ingest_request *request, size_t count) {
    static _Atomic int64_t told_ms = -TELL_EVERY_MS;
    int64_t now_ms = clock_boot_ms(), told = atomic_load(&told_ms);
    if (count == 0 || now_ms - told < TELL_EVERY_MS || !atomic_compare_exchange_strong(&told_ms, &told, now_ms)) {
        return;
    }
    struct log_line *line = log_begin(LOG_WARN, "receipts_unmatched");
    log_str(line, "correlation_id", request->id);
    log_str(line, "path", http_path(request->http));
    log_int(line, "events", (int64_t)count);
    log_str(line, "message",
            "a provider reports on messages without our message_id: they are not ours, or were sent "
            "while WEBHOOK_PUBLIC_URL was not set");
    log_end(line);
}

static void receipts_refuse(struct ingest_request *request, const char *error) {
    struct log_line *line = log_begin(LOG_WARN, "receipts_unreadable");
    log_str(line, "correlation_id", request->id);
    log_str(line, "path", http_path(request->http));
    log_str(line, "client_ip", request->client);
    log_str(line, "reason", error);
    log_end(line);
    counters_add(request->with->counters, COUNTER_RECEIPTS_BROKEN, 1);
    response_error(request, API_BAD_REQUEST, error);
}

// An address's identity; NULL where it wasn't given, or is none that a message may have. Owned by the caller.
static char *receipt_identity(const struct ingest_request *request, const char *address) {
    enum channel channel = post_provider(request) == PROVIDER_EMAIL ? CHANNEL_EMAIL : CHANNEL_SMS;
    struct address_list list;
    if (address == NULL || address_keep(channel, address, request->with->settings->phone_region, &list) != NULL) {
        return NULL;
    }
    const char *found = list.addresses->normalized;
    char *identity = strlen(found) <= MESSAGE_IDENTITY_MAX ? xstrdup(found) : NULL;
    address_list_free(&list);
    return identity;
}

// Where a message lies by its sender. One whose sender isn't known lies anywhere: its receipt is recorded all the same.
static unsigned partition_by_sender(const struct ingest_request *request, const struct receipt *receipt) {
    unsigned partitions = (unsigned)request->with->settings->stream_partitions;
    char *sender = receipt_identity(request, receipt->our_address);
    char id[UUID_TEXT_SIZE];
    uuid_format(&receipt->message_id, id);
    unsigned partition = partition_of(sender != NULL ? sender : id, partitions);
    free(sender);
    return partition;
}

static bool receipts_has_foreign(const struct ingest_request *request, const struct post *post) {
    unsigned own = (unsigned)request->with->settings->stream_partitions;
    for (size_t i = 0; i < post->count; i++) {
        if (post->addressed[i].partition >= own) {
            return true;
        }
    }
    return false;
}

static int by_partition(const void *left, const void *right) {
    const struct addressed *one = left, *other = right;
    if (one->partition != other->partition) {
        return one->partition < other->partition ? -1 : 1;
    }
    return (one->receipt > other->receipt) - (one->receipt < other->receipt);
}

static void receipts_sort(struct post *post) {
    if (post->count > 1) {
        qsort(post->addressed, post->count, sizeof *post->addressed, by_partition);
    }
}

// When it was said. A provider that gives no time has found out about it after the message was sent, whenever it says
// so again: what the recipient says afterwards counts more.
static int64_t opted_at(const struct receipt *receipt) {
    int64_t made_ms, now_ms = clock_unix_ms();
    if (receipt->occurred_ms != RECEIPT_NO_TIME) {
        return receipt->occurred_ms;
    }
    bool is_known = receipt->has_message_id && uuid_v7_time(&receipt->message_id, &made_ms) && made_ms < now_ms;
    return is_known ? made_ms : now_ms;
}

static void receipts_note_opt(const struct ingest_request *request, struct post *post, const struct receipt *receipt) {
    char *ours = receipt_identity(request, receipt->our_address);
    char *theirs = receipt_identity(request, receipt->their_address);
    if (ours == NULL || theirs == NULL) {
        post->unmatched += !receipt->has_status;
        free(ours);
        free(theirs);
        return;
    }
    post->opt_outs[post->opt_out_count++] = (struct opt_out){
        .provider = post_provider(request),
        .our_address = ours,
        .their_address = theirs,
        .state = receipt->opt == RECEIPT_OPT_IN ? OPT_OUT_IN : OPT_OUT_OUT,
        .at_ms = opted_at(receipt),
        .by = OPT_OUT_BY_PROVIDER,
    };
}

static void receipts_address(struct ingest_request *request, struct post *post) {
    int64_t latest_ms = clock_unix_ms() + MOST_AHEAD_MS;
    post->addressed = xcalloc(post->receipts.count + 1, sizeof *post->addressed);
    post->opt_outs = xcalloc(post->receipts.count + 1, sizeof *post->opt_outs);
    for (size_t i = 0; i < post->receipts.count; i++) {
        struct receipt *receipt = &post->receipts.items[i];
        if (receipt->occurred_ms > latest_ms) { // a clock that is wrong: nothing later would count any more
            receipt->occurred_ms = RECEIPT_NO_TIME;
        }
        if (receipt->has_status && !receipt->has_message_id) {
            post->unmatched++;
        } else if (receipt->has_status) {
            unsigned given = receipt->partition;
            post->addressed[post->count++] = (struct addressed){
                receipt, given != RECEIPT_NO_PARTITION ? given : partition_by_sender(request, receipt)};
        }
        if (receipt->opt != RECEIPT_OPT_NONE) {
            receipts_note_opt(request, post, receipt);
        }
    }
    receipts_sort(post);
    if (post->count == 1) {
        uuid_format(&post->addressed->receipt->message_id, request->message_id);
    }
}

// False where nothing of it can be read: it has answered.
static bool receipts_read(struct ingest_request *request, struct post *post) {
    const char *error;
    struct webhook_post given;
    webhook_post_of(request, &given);
    int result = request->way_in->read_receipts(&given.post, &post->receipts, &error);
    webhook_post_free(&given);
    if (result != 0) {
        receipts_refuse(request, error);
        return false;
    }
    post->is_read = true;
    request->leave = receipts_on_leave;
    receipts_address(request, post);
    receipts_log_broken(request, &post->receipts);
    receipts_log_unmatched(request, post->unmatched);
    return true;
}

// ---- The answer

static void receipts_count(const struct ingest_request *request, const struct post *post) {
    struct counters *counters = request->with->counters;
    enum provider provider = post_provider(request);
    counters_add(counters, COUNTER_RECEIPTS_DELIVERED, post->delivered);
    counters_add(counters, COUNTER_RECEIPTS_UNDELIVERED, post->undelivered);
    counters_add(counters, counter_of_provider(COUNTER_RECEIPTS_DELIVERED, provider), post->delivered);
    counters_add(counters, counter_of_provider(COUNTER_RECEIPTS_UNDELIVERED, provider), post->undelivered);
    counters_add(counters, COUNTER_RECEIPTS_REPEATED, post->repeated);
    counters_add(counters, COUNTER_RECEIPTS_UNMATCHED, post->unmatched);
    counters_add(counters, COUNTER_RECEIPTS_IGNORED, post->receipts.skipped);
    counters_add(counters, COUNTER_RECEIPTS_BROKEN, post->receipts.broken);
}

static void receipts_answer(struct ingest_request *request, bool replayed) {
    (void)replayed;
    receipts_count(request, post_of(request));
    response_empty(request, request->way_in->status);
}

// ---- The calls

static void receipts_send_next(struct ingest_request *request);

static void receipts_log_taken(const struct ingest_request *request, const struct receipt *receipt) {
    char id[UUID_TEXT_SIZE];
    uuid_format(&receipt->message_id, id);
    struct log_line *line = log_begin(LOG_INFO, "parked_delivered");
    log_str(line, "correlation_id", request->id);
    log_str(line, "message_id", id);
    log_str(line, "provider", provider_name(post_provider(request)));
    log_str(line, "message", "it was to be sent again, and has arrived");
    log_end(line);
}

// What Redis says of one; false where that is an error.
static bool receipts_note_one(const struct ingest_request *request, const struct receipt *receipt,
                              const redisReply *reply) {
    struct post *post = post_of(request);
    enum library_word word = library_word(reply);
    if (word == WORD_SEEN) {
        post->repeated++;
    } else if (word == WORD_OK || word == WORD_TAKEN) {
        post->delivered += receipt->status == RECEIPT_DELIVERED;
        post->undelivered += receipt->status == RECEIPT_UNDELIVERED;
        if (word == WORD_TAKEN) {
            receipts_log_taken(request, receipt);
        }
    } else {
        return false;
    }
    return true;
}

static void receipts_note_all(struct ingest_request *request, const redisReply *reply) {
    struct post *post = post_of(request);
    if (reply->elements != post->behind - post->first) {
        redis_failure_answer(request, REDIS_LINK_OK, reply);
        return;
    }
    for (size_t i = 0; i < reply->elements; i++) {
        const redisReply *one = reply->element[i];
        if (!receipts_note_one(request, post->addressed[post->first + i].receipt, one)) {
            redis_failure_answer(request, one->type == REDIS_REPLY_ERROR ? REDIS_LINK_ERROR : REDIS_LINK_OK, one);
            return;
        }
    }
    post->first = post->behind;
    receipts_send_next(request);
}

static void receipts_on_reply(void *argument, enum redis_result result, const redisReply *reply) {
    struct ingest_request *request = argument;
    if (!request_reply_came(request)) {
        return;
    }
    if (result == REDIS_LINK_OK && reply->type == REDIS_REPLY_ARRAY) {
        receipts_note_all(request, reply);
        return;
    }
    if (result == REDIS_LINK_OK && library_word(reply) == WORD_SEEN) {
        rate_limit_ask(request); // it comes again to receipts_take, counted
    } else {
        redis_failure_answer(request, result, reply);
    }
}

// A call as it is put together.
struct command {
    const char **words;
    size_t *lengths;
    int count;
};

static void receipts_put(struct command *command, const void *bytes, size_t length) {
    command->words[command->count] = bytes;
    command->lengths[command->count++] = length;
}

static void receipts_put_text(struct command *command, const char *text) {
    receipts_put(command, text, strlen(text));
}

// What the provider calls it, and what it says: both, for it may call two things alike. Returns the bytes.
static size_t receipts_digest(const struct ingest_request *request, const struct receipt *receipt,
                              uint8_t out[SIGNATURE_ID_SIZE]) {
    uint8_t digest[SHA256_SIZE];
    struct buf named = {0};
    if (receipt->event_id == NULL) {
        return 0;
    }
    buf_puts(&named, "receipt");
    buf_append(&named, receipt->message_id.bytes, sizeof receipt->message_id.bytes);
    buf_puts(&named, provider_name(post_provider(request)));
    buf_putc(&named, '\0');
    buf_puts(&named, receipt_status_name(receipt->status));
    buf_putc(&named, '\0');
    buf_puts(&named, receipt->event_id);
    crypto_sha256(named.data, named.length, digest);
    buf_free(&named);
    memcpy(out, digest, SIGNATURE_ID_SIZE);
    return SIGNATURE_ID_SIZE;
}

// What stands for one in a call.
struct packed {
    char id[UUID_TEXT_SIZE];
    uint8_t digest[SIGNATURE_ID_SIZE];
    size_t digest_length;
    size_t begin, end; // of its payload
};

static void receipts_pack(const struct ingest_request *request, const struct receipt *receipt, struct buf *payloads,
                          struct packed *out) {
    const struct receipt_entry entry = {
        .provider = post_provider(request),
        .status = receipt->status,
        .at_ms = receipt->occurred_ms,
        .code = receipt->code,
        .reason = receipt->reason,
        .provider_message_id = receipt->provider_message_id,
    };
    uuid_format(&receipt->message_id, out->id);
    out->digest_length = receipts_digest(request, receipt, out->digest);
    out->begin = payloads->length;
    receipt_entry_encode(&entry, payloads);
    out->end = payloads->length;
}

// Those of one partition from post->first on, as many as a call takes: up to post->behind.
static void receipts_pack_all(const struct ingest_request *request, struct post *post, struct buf *payloads,
                              struct packed *packed) {
    post->behind = post->first;
    while (post->behind < post->count && post->behind - post->first < MOST_IN_CALL &&
           payloads->length < MOST_CALL_BYTES &&
           post->addressed[post->behind].partition == post->addressed[post->first].partition) {
        receipts_pack(request, post->addressed[post->behind].receipt, payloads, &packed[post->behind - post->first]);
        post->behind++;
    }
}

// Those of one day are remembered, whatever becomes of the messages: see call.c.
static bool receipts_are_remembered(const struct ingest_resources *with) {
    return redis_link_memory_pct(with->redis) < with->settings->redis_memory_pct / 2;
}

// Whether the call is the first of a request that is signed and wasn't counted for its address.
static bool receipts_show_signature(const struct ingest_request *request, const struct post *post) {
    return post->first == 0 && request->is_signed && request->limit == LIMIT_NONE;
}

static int receipts_call(struct ingest_request *request, struct post *post, const struct buf *payloads,
                         const struct packed *packed, struct command *command) {
    const struct settings *settings = request->with->settings;
    struct partition_keys keys;
    partition_keys_of(post_provider(request), post->count > 0 ? post->addressed[post->first].partition : 0, &keys);
    receipts_put_text(command, "FCALL");
    receipts_put_text(command, library_function(LIBRARY_RECEIPTS));
    receipts_put_text(command, "4");
    receipts_put_text(command, keys.events);
    receipts_put_text(command, keys.parked);
    receipts_put_text(command, keys.parked_due);
    receipts_put_text(command, keys.refused);
    receipts_put_text(command, DECIMAL(settings->stream_max_backlog));
    receipts_put_text(command, DECIMAL(redis_link_now_ms(request->with->redis) + settings->redis_timeout_ms));
    receipts_put_text(command, receipts_are_remembered(request->with) ? "1" : "0");
    receipts_put(command, request->signature, receipts_show_signature(request, post) ? SIGNATURE_ID_SIZE : 0);
    for (size_t i = 0; i < post->behind - post->first; i++) {
        receipts_put_text(command, packed[i].id);
        receipts_put_text(command, receipt_status_name(post->addressed[post->first + i].receipt->status));
        receipts_put(command, packed[i].digest, packed[i].digest_length);
        receipts_put(command, payloads->data + packed[i].begin, packed[i].end - packed[i].begin);
    }
    return redis_link_call(request->with->redis, receipts_on_reply, request, command->count, command->words,
                           command->lengths);
}

static void receipts_send(struct ingest_request *request, struct post *post) {
    size_t most = post->count - post->first < MOST_IN_CALL ? post->count - post->first : MOST_IN_CALL;
    size_t words = RECEIPTS_WORDS_BEFORE + most * RECEIPTS_WORDS_EACH;
    struct command command = {xcalloc(words, sizeof *command.words), xcalloc(words, sizeof *command.lengths), 0};
    struct packed *packed = xcalloc(most + 1, sizeof *packed);
    struct buf payloads = {0};
    receipts_pack_all(request, post, &payloads, packed);
    acceptor_sent(request, receipts_call(request, post, &payloads, packed, &command));
    buf_free(&payloads);
    free(packed);
    free(command.words);
    free(command.lengths);
}

static void receipts_on_opted(struct ingest_request *request, bool everywhere) {
    if (everywhere) {
        acceptor_answer(request, false, receipts_answer);
    } else {
        response_unavailable(request, "who opted out could not be written into each partition", RETRY_SOON_SECS, true);
    }
}

static void receipts_send_next(struct ingest_request *request) {
    struct post *post = post_of(request);
    if (post->first < post->count) {
        receipts_send(request, post);
    } else {
        opt_outs_set(request, post->opt_outs, post->opt_out_count, false, receipts_on_opted);
    }
}

// ---- Partitions that aren't this process's own: another number of them was set when the message was sent

static bool receipts_is_member(const redisReply *members, const char *tag) {
    for (size_t i = 0; i < members->elements; i++) {
        const redisReply *member = members->element[i];
        if (member->str != NULL && strcmp(member->str, tag) == 0) {
            return true;
        }
    }
    return false;
}

// Nobody reads a partition that isn't in the set: what names one is recorded where its sender belongs.
static void receipts_check_partitions(const struct ingest_request *request, struct post *post,
                                      const redisReply *members) {
    unsigned own = (unsigned)request->with->settings->stream_partitions;
    for (size_t i = 0; i < post->count; i++) {
        struct addressed *addressed = &post->addressed[i];
        struct partition_keys keys;
        partition_keys_of(post_provider(request), addressed->partition, &keys);
        if (addressed->partition >= own && !receipts_is_member(members, keys.tag)) {
            addressed->partition = partition_by_sender(request, addressed->receipt);
        }
    }
    receipts_sort(post);
}

static void receipts_on_partitions(void *argument, enum redis_result result, const redisReply *reply) {
    struct ingest_request *request = argument;
    if (!request_reply_came(request)) {
        return;
    }
    if (result == REDIS_LINK_OK && reply->type == REDIS_REPLY_ARRAY) {
        receipts_check_partitions(request, post_of(request), reply);
        post_of(request)->partitions_asked = true;
        receipts_send(request, post_of(request));
    } else {
        response_unavailable(request, "Redis doesn't say which partitions there are", RETRY_SOON_SECS, false);
    }
}

static void receipts_ask_partitions(struct ingest_request *request) {
    const char *command[] = {"SMEMBERS", KEY_PARTITIONS};
    acceptor_sent(request, redis_link_call(request->with->redis, receipts_on_partitions, request, 2, command, NULL));
}

// ---- The door

static void receipts_begin(struct ingest_request *request, struct post *post) {
    post->first = post->behind = 0;
    post->delivered = post->undelivered = post->repeated = 0;
    if (!post->partitions_asked && receipts_has_foreign(request, post)) {
        receipts_ask_partitions(request);
    } else if (post->count > 0 || receipts_show_signature(request, post)) {
        receipts_send(request, post);
    } else {
        receipts_send_next(request);
    }
}

static bool receipts_has_entries(const struct ingest_request *request, const struct post *post) {
    return post->count > 0 || (post->opt_out_count > 0 && request->with->settings->opt_out);
}

// Nothing of it is to be recorded, not even that its signature came.
static bool receipts_is_nothing(const struct ingest_request *request, const struct post *post) {
    return !receipts_has_entries(request, post) && !receipts_show_signature(request, post);
}

void receipts_take(struct ingest_request *request) {
    struct post *post = request_state(request, sizeof *post);
    size_t length;
    (void)http_body(request->http, &length);
    if (!http_hold(request->http, 2 * length)) { // for what is read, and what goes to Redis
        response_crowded(request);
        return;
    }
    if (!post->is_read && !receipts_read(request, post)) {
        return;
    }
    if (receipts_has_entries(request, post) && format_wait_for(request, RECEIPT_FORMAT)) {
        return;
    }
    if (receipts_has_entries(request, post) && format_to_write() < RECEIPT_FORMAT) {
        response_unavailable(request, "an older release is running, which can't read receipts", RETRY_FULL_SECS, false);
    } else if (receipts_is_nothing(request, post)) {
        receipts_answer(request, false);
    } else if (acceptor_is_open(request)) {
        receipts_begin(request, post);
    }
}
