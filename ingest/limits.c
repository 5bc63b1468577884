// SPDX-License-Identifier: MIT
#include "ingest/limits.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ingest/client_address.h"
#include "ingest/request.h"
#include "ingest/request_log.h"
#include "ingest/resources.h"
#include "shared/library.h"

static void on_limit(void *argument, enum redis_result result, const redisReply *reply);

static int send_call(struct ingest_request *request) {
    char address[CLIENT_LIMIT_KEY_SIZE], key[CLIENT_LIMIT_KEY_SIZE + sizeof "rate:key:{}"], limit[24];
    client_address_limit_key(request->client, address);
    // What isn't granted is counted apart: as a guess.
    snprintf(key, sizeof key, "rate:%s:{%s}", request->access == ACCESS_GRANTED ? "ip" : "key", address);
    snprintf(limit, sizeof limit, "%" PRId64, request->window.limit);
    const char *arguments[] = {"FCALL", library_function(LIBRARY_LIMIT), "1", key, limit, LIMIT_WINDOW_MS_TEXT};
    return redis_link_call(request->with->redis, on_limit, request, 6, arguments, NULL);
}

static enum limit_state read_reply(const redisReply *reply, struct rate_window *window) {
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 2) {
        return LIMIT_UNKNOWN;
    }
    if (strcmp(reply->element[0]->str, "OK") != 0) {
        window->left = 0;
        window->reset_secs = reply->element[1]->integer;
        return LIMIT_REFUSED;
    }
    window->left = reply->element[1]->integer;
    window->reset_secs = reply->element[2]->integer;
    return LIMIT_ADMITTED;
}

static void on_limit(void *argument, enum redis_result result, const redisReply *reply) {
    struct ingest_request *request = argument;
    if (!ingest_request_reply_came(request)) {
        return;
    }
    request->limit = LIMIT_UNKNOWN;
    if (result == REDIS_LINK_OK) {
        request->limit = read_reply(reply, &request->window);
    } else if (result == REDIS_LINK_NO_LIBRARY && !request->limit_repeated) {
        request->limit_repeated = true;
        if (send_call(request) == 0) {
            request->limit = LIMIT_ASKED;
            ingest_request_expect_reply(request);
        }
    } else if (result == REDIS_LINK_ERROR) {
        ingest_request_log_trouble(request, LOG_WARN, "limit_refused", reply->str);
    }
    ingest_request_proceed(request);
}

static void ask(struct ingest_request *request, int64_t limit) {
    // Until Redis says otherwise, nothing is left: that is what an answer shows while it is away.
    request->window = (struct rate_window){limit, 0, 1};
    request->limit = LIMIT_UNKNOWN;
    if (send_call(request) == 0) {
        request->limit = LIMIT_ASKED;
        ingest_request_expect_reply(request);
    }
}

void limit_ask(struct ingest_request *request) {
    ask(request, request->with->settings->rate_limit_per_ip_per_min);
}

void limit_ask_failures(struct ingest_request *request) {
    ask(request, request->with->settings->api_key_failures_per_min);
}
