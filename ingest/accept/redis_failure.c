// SPDX-License-Identifier: MIT
#include "ingest/accept/redis_failure.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "ingest/accept/acceptance.h"
#include "ingest/request/log.h"
#include "ingest/request/request.h"
#include "ingest/request/response.h"
#include "shared/base/log.h"

#define RETRY_SOON_SECS 1

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

void redis_failure_answer(struct ingest_request *request, enum redis_result result, const redisReply *reply) {
    struct acceptance *acceptance = request->state;
    switch (result) {
    case REDIS_LINK_OK:
        answer_error_reply(request, "the reply has another shape");
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
