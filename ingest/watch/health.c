// SPDX-License-Identifier: MIT
#include "ingest/watch/health.h"

#include "ingest/read/database.h"
#include "ingest/request/request.h"
#include "ingest/request/resources.h"
#include "ingest/request/response.h"
#include "ingest/watch/flow_here.h"
#include "ingest/watch/lookout.h"
#include "ingest/watch/readiness.h"
#include "shared/base/json.h"

void health_alive(struct ingest_request *request) {
    static const char body[] = "{\"status\":\"healthy\"}";
    response_constant(request, "application/json", body);
}

// Without Redis nothing can be accepted, and another ingest may have its own. What stands behind Redis stands for all
// of them: a proxy that turned away for it would have nobody left.
static const char *readiness_name(const struct ingest_resources *with, bool redis, bool flows) {
    if (readiness_has_ended(with->readiness)) {
        return "draining";
    }
    if (!redis) {
        return "unavailable";
    }
    return flows ? "ready" : "degraded";
}

static void answer_flow(struct ingest_request *request, const struct pipeline *pipeline, const char *why) {
    struct ingest_resources *with = request->with;
    char refused[READINESS_TEXT_SIZE];
    bool redis = readiness_has_redis(with->readiness) && !readiness_is_refused(with->readiness, refused);
    bool ready = redis && !readiness_has_ended(with->readiness);
    struct flow flow;
    struct buf *json = &with->answer;
    flow_judge_here(with, pipeline, why, &flow);
    buf_clear(json);
    buf_putc(json, '{');
    json_write_member(json, "status", readiness_name(with, redis, flow.count == flow.notes));
    json_write_member(json, "redis", redis ? "up" : "down");
    json_write_member(json, "postgres", readiness_has_postgres(with->readiness) ? "up" : "down");
    if (database_has_replica(with->database)) {
        json_write_member(json, "reads", readiness_reads_from_replica(with->readiness) ? "replica" : "primary");
    }
    if (with->settings->redis_wait_replicas > 0) {
        json_write_member(json, "replicas", readiness_has_replicas(with->readiness) ? "follow" : "missing");
    }
    flow_write_members(&flow, json);
    buf_putc(json, '}');
    flow_free(&flow);
    if (!ready) {
        http_add_header(request->http, "Retry-After", "1");
    }
    response_json(request, ready ? 200 : 503, json);
}

static void health_on_pipeline(void *argument, const struct pipeline *pipeline, const char *why) {
    struct ingest_request *request = argument;
    if (request_reply_came(request)) {
        answer_flow(request, pipeline, why);
    }
}

void health_ready(struct ingest_request *request) {
    request_expect_reply(request);
    lookout_ask(request->with->lookout, health_on_pipeline, request);
}
