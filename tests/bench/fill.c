// SPDX-License-Identifier: MIT
// site_fill, site_schedule: streams as ingest would have left them.

#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/base/uuid.h"
#include "shared/message/format.h"
#include "shared/message/message.h"
#include "shared/redis/library.h"
#include "tests/bench/lib/traffic.h"
#include "tests/bench/site.h"

#define IN_A_PIPELINE 500
#define OCCURRED_MS 1730469600000 // TRAFFIC_TIME

// Members are texts of the program's, nothing is owned.
static void write_payload(size_t number, int64_t due_ms, struct buf *out) {
    char sender[TRAFFIC_SENDER_SIZE], to[] = TRAFFIC_TO, body[] = TRAFFIC_BODY, request[UUID_TEXT_SIZE];
    struct uuid asked = uuid_v7();
    uuid_format(&asked, request);
    traffic_sender(number, sender);
    message_encode(&(struct message){.type = MESSAGE_SMS,
                                     .direction = MESSAGE_OUTBOUND,
                                     .from = sender,
                                     .to = to,
                                     .sender = sender,
                                     .recipient = to,
                                     .body = body,
                                     .occurred_ms = OCCURRED_MS,
                                     .accepted_ms = clock_unix_ms(),
                                     .send_at_ms = due_ms,
                                     .request_id = request},
                   out);
}

static void send_accept(redisContext *redis, size_t number, int64_t due_ms) {
    char id[UUID_TEXT_SIZE], token[2 * UUID_BYTES] = {0};
    struct uuid message = uuid_v7();
    struct buf payload = {0};
    uuid_format(&message, id);
    memcpy(token, message.bytes, UUID_BYTES);
    write_payload(number, due_ms, &payload);
    int status = redisAppendCommand(redis,
                                    "FCALL %s 5 outbound:{sms-mms:0} events:{sms-mms:0} parked:{sms-mms:0} "
                                    "idem:{sms-mms:0}: rate:{sms-mms:0} 100000000 99999999999999 1 0 0 1 100000000 0 "
                                    "accepted %s %b %b 0 %s %s %s %lld",
                                    library_function(LIBRARY_ACCEPT), id, token, sizeof token, payload.data,
                                    payload.length, "", "", "", (long long)due_ms);
    ck_assert_int_eq(status, REDIS_OK);
    buf_free(&payload);
}

static void take_reply(redisContext *redis) {
    void *reply = NULL;
    ck_assert_msg(redisGetReply(redis, &reply) == REDIS_OK, "Redis: %s", redis->errstr);
    const redisReply *answer = reply;
    ck_assert_msg(answer->type == REDIS_REPLY_ARRAY && strcmp(answer->element[0]->element[0]->str, "OK") == 0,
                  "accept: %s", answer->type == REDIS_REPLY_ERROR ? answer->str : "refused");
    freeReplyObject(reply);
}

static void fill(struct site *site, size_t count, int64_t due_ms) {
    redisContext *redis = redisConnect("127.0.0.1", stack_port(site->stack, "redis"));
    ck_assert_msg(redis != NULL && redis->err == 0, "no connection to Redis");
    freeReplyObject(redisCommand(redis, "FUNCTION LOAD %s", library_text)); // an error: it is there already
    for (size_t first = 0; first < count; first += IN_A_PIPELINE) {
        size_t end = first + IN_A_PIPELINE < count ? first + IN_A_PIPELINE : count;
        if (due_ms > 0) {
            format_looked(STREAM_FORMAT, 0, clock_boot_ms()); // or it is forgotten
        }
        for (size_t i = first; i < end; i++) {
            send_accept(redis, i, due_ms);
        }
        for (size_t i = first; i < end; i++) {
            take_reply(redis);
        }
    }
    redisFree(redis);
}

void site_fill(struct site *site, size_t count) {
    fill(site, count, 0);
}

void site_schedule(struct site *site, size_t count, int64_t due_ms) {
    int64_t now_ms = clock_boot_ms();
    format_looked(STREAM_FORMAT, 0, now_ms - FORMAT_SETTLE_MS); // nobody here reads an older one
    format_looked(STREAM_FORMAT, 0, now_ms);
    fill(site, count, due_ms);
}
