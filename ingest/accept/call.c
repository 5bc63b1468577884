// SPDX-License-Identifier: MIT
#include "ingest/accept/call.h"

#include <stdlib.h>
#include <string.h>

#include "ingest/accept/scheduled.h"
#include "ingest/accept/undecided.h"
#include "ingest/access/rate_limit.h"
#include "ingest/request/request.h"
#include "ingest/request/resources.h"
#include "shared/base/buf.h"
#include "shared/base/decimal.h"
#include "shared/base/mem.h"
#include "shared/loop/turn.h"
#include "shared/message/conversation.h"
#include "shared/message/opt_out.h"
#include "shared/provider/signature.h"
#include "shared/redis/library.h"
#include "shared/redis/opt_out_call.h"
#include "shared/settings/settings.h"

enum {
    // In a call; others of the turn go in the next. Redis does nothing else meanwhile: some 5 ms.
    MOST_MESSAGES = 256,
    MOST_BYTES = 256 * 1024,
    KEPT_BYTES = 64 * 1024, // of a buffer's room, from call to call
    FIRST_ROOM = 4,         // of a call, in messages
    KEYS_EACH = 3,          // of a message, and its arguments
    ARGUMENTS_EACH = 9,
    WORDS_BEFORE = 14, // FCALL, function, number of keys, and what the messages have in common: 3 keys, 8 arguments
    WORD_KEPT_SECS = 24 * 3600, // at least, when a pair opted out or in: what comes again is no new word
    MOST_WORDS = WORDS_BEFORE + MOST_MESSAGES * (KEYS_EACH + ARGUMENTS_EACH),
};

// Texts one behind the other.
struct words {
    struct buf bytes;
    struct buf ends; // size_t, one each
};

// A call: its requests in the order of its messages.
struct round {
    struct accept_calls *calls;
    size_t count, room;
    struct ingest_request **requests;
};

// What goes to one partition in this turn.
struct gathering {
    struct round *round; // NULL: nothing yet
    bool counts_address; // the call counts the messages against their addresses
    struct words keys, arguments;
};

struct accept_calls {
    struct ingest_resources *with;
    struct accept_outcomes outcomes;
    const struct partition_keys *keys;
    struct gathering *gathering; // as keys
    size_t partitions;
    struct buf payload;
    struct turn end_of_turn;
};

// ---- Replies

// A verdict has two elements at least; another one is an error.
static bool is_verdict(const redisReply *reply) {
    return reply->type == REDIS_REPLY_ARRAY && reply->elements >= 2;
}

static bool has_one_for_each(const redisReply *reply, const struct round *round) {
    bool is = reply->type == REDIS_REPLY_ARRAY && reply->elements == round->count;
    for (size_t i = 0; is && i < reply->elements; i++) {
        is = is_verdict(reply->element[i]) || reply->element[i]->type == REDIS_REPLY_ERROR;
    }
    return is;
}

static void accept_call_hand_on(const struct round *round, struct ingest_request *request, const redisReply *own) {
    enum redis_result result = is_verdict(own) ? REDIS_LINK_OK : REDIS_LINK_ERROR;
    round->calls->outcomes.replied(request, result, own);
}

static void accept_call_free(struct round *round) {
    free(round->requests);
    free(round);
}

static void accept_call_on_reply(void *argument, enum redis_result result, const redisReply *reply) {
    struct round *round = argument;
    bool each = result == REDIS_LINK_OK && has_one_for_each(reply, round);
    for (size_t i = 0; i < round->count; i++) {
        struct ingest_request *request = round->requests[i];
        if (result == REDIS_LINK_LOST) {
            undecided_note(request);
        }
        if (!request_reply_came(request)) {
            // Nobody waits for the answer.
        } else if (each) {
            accept_call_hand_on(round, request, reply->element[i]);
        } else {
            round->calls->outcomes.replied(request, result, result == REDIS_LINK_OK ? NULL : reply);
        }
    }
    accept_call_free(round);
}

static void accept_call_give_up(struct round *round) {
    for (size_t i = 0; i < round->count; i++) {
        if (request_reply_came(round->requests[i])) {
            round->calls->outcomes.not_sent(round->requests[i]);
        }
    }
    accept_call_free(round);
}

// ---- Calls

struct command {
    const char *values[MOST_WORDS];
    size_t lengths[MOST_WORDS];
    int count;
};

static void put_bytes(struct command *command, const char *bytes, size_t length) {
    command->values[command->count] = bytes;
    command->lengths[command->count++] = length;
}

static void accept_call_put_text(struct command *command, const char *text) {
    put_bytes(command, text, strlen(text));
}

static size_t words_count(const struct words *words) {
    return words->ends.length / sizeof(size_t);
}

static void put_words(struct command *command, const struct words *words) {
    size_t begin = 0;
    for (size_t i = 0; i < words_count(words); i++) {
        size_t end;
        memcpy(&end, words->ends.data + i * sizeof end, sizeof end);
        put_bytes(command, words->bytes.data + begin, end - begin);
        begin = end;
    }
}

// Signatures are kept for a day, whatever is done with the messages: at half of what closes the door no more are, or
// they would hold it shut.
static bool remembers_signatures(const struct ingest_resources *with) {
    return redis_link_memory_pct(with->redis) < with->settings->redis_memory_pct / 2;
}

static int accept_call_send(struct accept_calls *calls, const struct gathering *gathering,
                            const struct partition_keys *keys) {
    struct ingest_resources *with = calls->with;
    const struct settings *settings = with->settings;
    struct command command = {.count = 0};
    accept_call_put_text(&command, "FCALL");
    accept_call_put_text(&command, library_function(LIBRARY_ACCEPT));
    accept_call_put_text(&command, DECIMAL(3 + words_count(&gathering->keys)));
    accept_call_put_text(&command, keys->outbound);
    accept_call_put_text(&command, keys->events);
    accept_call_put_text(&command, keys->parked);
    put_words(&command, &gathering->keys);
    accept_call_put_text(&command, DECIMAL(settings->stream_max_backlog));
    accept_call_put_text(&command, DECIMAL(redis_link_now_ms(with->redis) + settings->redis_timeout_ms));
    accept_call_put_text(&command, DECIMAL(LIMIT_WINDOW_MS));
    accept_call_put_text(&command, DECIMAL(settings->rate_limit_per_sender_per_min));
    accept_call_put_text(&command, DECIMAL(gathering->counts_address ? settings->rate_limit_per_ip_per_min : 0));
    accept_call_put_text(&command, remembers_signatures(with) ? "1" : "0");
    accept_call_put_text(&command, DECIMAL(settings->scheduled_max));
    accept_call_put_text(&command, DECIMAL(scheduled_most_bytes(settings, redis_link_memory_max(with->redis))));
    put_words(&command, &gathering->arguments);
    return redis_link_call(with->redis, accept_call_on_reply, gathering->round, command.count, command.values,
                           command.lengths);
}

static void clear_buf(struct buf *buf) {
    if (buf->room > KEPT_BYTES) {
        buf_free(buf);
    } else {
        buf_clear(buf);
    }
}

static void clear_words(struct words *words) {
    clear_buf(&words->bytes);
    clear_buf(&words->ends);
}

static void accept_call_send_round(struct accept_calls *calls, struct gathering *gathering) {
    struct round *round = gathering->round;
    bool sent = accept_call_send(calls, gathering, &calls->keys[gathering - calls->gathering]) == 0;
    gathering->round = NULL;
    clear_words(&gathering->keys);
    clear_words(&gathering->arguments);
    if (!sent) {
        accept_call_give_up(round);
    }
}

static void accept_call_send_all(void *argument) {
    struct accept_calls *calls = argument;
    for (size_t i = 0; i < calls->partitions; i++) {
        if (calls->gathering[i].round != NULL) {
            accept_call_send_round(calls, &calls->gathering[i]);
        }
    }
}

// ---- Messages

static void end_word(struct words *words) {
    buf_append(&words->ends, &words->bytes.length, sizeof words->bytes.length);
}

static void add_bytes(struct words *words, const void *bytes, size_t length) {
    buf_append(&words->bytes, bytes, length);
    end_word(words);
}

static void add_word(struct words *words, const char *text) {
    add_bytes(words, text, strlen(text));
}

static void add_keys(struct words *words, const struct ingest_request *request, const struct message *message,
                     const struct accept_identity *identity) {
    if (identity->remembered) {
        add_word(words, identity->key);
    } else { // every key must be in the one slot
        buf_printf(&words->bytes, "idem:{%s}:", identity->keys->tag);
        end_word(words);
    }
    buf_printf(&words->bytes, "rate:{%s}:%s", identity->keys->tag, message->sender);
    end_word(words);
    if (request->limit == LIMIT_DEFERRED) {
        char address[LIMIT_KEY_SIZE];
        rate_limit_key(request, address);
        add_word(words, address);
    }
}

static int64_t kept_secs(const struct settings *settings, const struct message *message) {
    int64_t secs = settings->idempotency_ttl_secs;
    return message->opt_out != OPT_OUT_NONE && secs < WORD_KEPT_SECS ? WORD_KEPT_SECS : secs;
}

// A send's pair, or the place of the word by which a webhook's opts out or in.
static void add_opt_out(struct words *words, const struct settings *settings, const struct message *message) {
    if (message->opt_out != OPT_OUT_NONE) {
        char place[OPT_OUT_PLACE_SIZE];
        opt_out_place(message->opt_out_ms, message->opt_out_came_ms, place);
        buf_puts(&words->bytes, place);
    } else if (message->direction == MESSAGE_OUTBOUND && settings->opt_out) {
        opt_out_pair(message->sender, message->recipient, &words->bytes);
    }
    end_word(words);
}

// What a send's conversation is known by, from us to them.
static void add_conversation(struct words *words, const struct settings *settings, const struct message *message) {
    if (message->direction == MESSAGE_OUTBOUND && strcmp(settings->dispatch_order, "conversation") == 0) {
        char conversation[CONVERSATION_SIZE];
        conversation_name(message, conversation);
        buf_puts(&words->bytes, conversation);
    }
    end_word(words);
}

static void add_arguments(struct accept_calls *calls, struct words *words, const struct ingest_request *request,
                          const struct message *message, const struct accept_identity *identity) {
    const struct settings *settings = calls->with->settings;
    clear_buf(&calls->payload);
    message_encode(message, &calls->payload);
    add_word(words, message->direction == MESSAGE_OUTBOUND ? "accepted" : "received");
    add_word(words, request->message_id);
    add_bytes(words, identity->token, sizeof identity->token);
    add_bytes(words, calls->payload.data, calls->payload.length);
    add_word(words, DECIMAL(identity->remembered ? kept_secs(settings, message) * 1000 : 0));
    add_bytes(words, identity->signature, identity->signature != NULL ? SIGNATURE_ID_SIZE : 0);
    add_opt_out(words, settings, message);
    add_conversation(words, settings, message);
    add_word(words, DECIMAL(scheduled_due_ms(message)));
}

static void open_round(struct accept_calls *calls, struct gathering *gathering, bool counts_address) {
    struct round *round = xcalloc(1, sizeof *round);
    round->calls = calls;
    gathering->round = round;
    gathering->counts_address = counts_address;
}

static void round_add(struct round *round, struct ingest_request *request) {
    if (round->count == round->room) {
        round->room = round->room > 0 ? 2 * round->room : FIRST_ROOM;
        round->requests = xrealloc(round->requests, round->room * sizeof(*round->requests));
    }
    round->requests[round->count++] = request;
}

static bool is_full(const struct gathering *gathering) {
    return gathering->round->count == MOST_MESSAGES || gathering->arguments.bytes.length >= MOST_BYTES;
}

void accept_calls_add(struct accept_calls *calls, struct ingest_request *request, const struct message *message,
                      const struct accept_identity *identity) {
    struct gathering *gathering = &calls->gathering[identity->keys - calls->keys];
    bool counts_address = request->limit == LIMIT_DEFERRED;
    if (gathering->round != NULL && (is_full(gathering) || gathering->counts_address != counts_address)) {
        accept_call_send_round(calls, gathering);
    }
    if (gathering->round == NULL) {
        open_round(calls, gathering, counts_address);
    }
    add_keys(&gathering->keys, request, message, identity);
    add_arguments(calls, &gathering->arguments, request, message, identity);
    round_add(gathering->round, request);
    request_expect_reply(request);
    turn_at_end(&calls->end_of_turn, accept_call_send_all);
}

// ---- Life

struct accept_calls *accept_calls_create(uv_loop_t *loop, struct ingest_resources *with,
                                         const struct partition_keys *keys, size_t partitions,
                                         const struct accept_outcomes *outcomes) {
    struct accept_calls *calls = xcalloc(1, sizeof *calls);
    calls->with = with;
    calls->outcomes = *outcomes;
    calls->keys = keys;
    calls->partitions = partitions;
    calls->gathering = xcalloc(partitions, sizeof *calls->gathering);
    turn_init(loop, &calls->end_of_turn, calls);
    return calls;
}

static void words_free(struct words *words) {
    buf_free(&words->bytes);
    buf_free(&words->ends);
}

static void accept_call_on_closed(uv_handle_t *handle) {
    struct accept_calls *calls = handle->data;
    for (size_t i = 0; i < calls->partitions; i++) {
        words_free(&calls->gathering[i].keys);
        words_free(&calls->gathering[i].arguments);
    }
    buf_free(&calls->payload);
    free(calls->gathering);
    free(calls);
}

void accept_calls_destroy(struct accept_calls *calls) {
    accept_call_send_all(calls);
    uv_close((uv_handle_t *)&calls->end_of_turn.idle, accept_call_on_closed);
}
