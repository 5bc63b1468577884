// SPDX-License-Identifier: MIT
#include "ingest/accept/redis_failure.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "ingest/accept/acceptance.h"
#include "ingest/accept/format_wait.h"
#include "ingest/accept/scheduled.h"
#include "ingest/request/log.h"
#include "ingest/request/request.h"
#include "ingest/request/resources.h"
#include "ingest/request/response.h"
#include "shared/base/log.h"
#include "shared/redis/reply.h"
#include "shared/redis/words.h"

#define RETRY_SOON_SECS 1
#define RETRY_FULL_SECS 5 // a backlog doesn't shrink within a second

// Errors that Redis gives before it runs a function. Another one, from within, may have left something written.
static bool wrote_nothing(const char *error) {
    static const char *const codes[] = {
        "OOM ",    "READONLY ", "LOADING ",    "MASTERDOWN ", "NOREPLICAS ", "MISCONF ", "NOAUTH ",
        "NOPERM ", "BUSY ",     "CLUSTERDOWN", "MOVED ",      "ASK ",        "TRYAGAIN", "CROSSSLOT ",
    };
    if (strstr(error, "script: ") != NULL) {
        return false;
    }
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        if (strncmp(error, codes[i], strlen(codes[i])) == 0) {
            return true;
        }
    }
    return false;
}

static void answer_error_reply(struct ingest_request *request, const char *error) {
    bool ambiguous = !wrote_nothing(error);
    request_log_trouble(request, ambiguous ? LOG_ERROR : LOG_WARN, "call_refused", error);
    response_unavailable(request, "Redis refused the call", RETRY_SOON_SECS, ambiguous);
}

// {FULL, left, reset, of what}, or FULL alone.
static void answer_full(struct ingest_request *request, const redisReply *reply) {
    const char *what = redis_reply_text(reply, 3, "");
    if (strcmp(what, "scheduled") == 0) {
        scheduled_refuse(request);
    } else if (strcmp(what, "format") == 0) { // it was agreed on another one between the look at it and the call
        format_wait_refuse(request);
    } else {
        response_unavailable(request, "the backlog is full", RETRY_FULL_SECS, false);
    }
}

static void answer_word(struct ingest_request *request, enum library_word word, const redisReply *reply) {
    if (word == WORD_FULL) {
        answer_full(request, reply);
    } else if (word == WORD_LATE) {
        redis_link_doubt_time(request->with->redis); // its clock may have been set
        response_unavailable(request, "Redis answered too late", RETRY_SOON_SECS, false);
    } else {
        answer_error_reply(request, "the reply has another shape");
    }
}

void redis_failure_answer(struct ingest_request *request, enum redis_result result, const redisReply *reply) {
    struct acceptance *acceptance = request->state;
    switch (result) {
    case REDIS_LINK_OK:
        answer_word(request, reply != NULL ? library_word(reply) : WORD_OTHER, reply);
        break;
    case REDIS_LINK_ERROR:
        answer_error_reply(request, reply->str);
        break;
    case REDIS_LINK_NO_LIBRARY: // nothing was written: from the payload on once more
        if (acceptance->call_repeated) {
            response_unavailable(request, "Redis has no function library", RETRY_SOON_SECS, false);
        } else {
            acceptance->call_repeated = true;
            request->match.route->handle(request);
        }
        break;
    case REDIS_LINK_LOST:
        response_unavailable(request, "the connection to Redis broke before it answered", RETRY_SOON_SECS, true);
        break;
    }
}
