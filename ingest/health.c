// SPDX-License-Identifier: MIT
#include "ingest/health.h"

#include "ingest/answer.h"
#include "ingest/readiness.h"
#include "ingest/request.h"
#include "ingest/resources.h"
#include "shared/json.h"

void health_alive(struct ingest_request *request) {
    static const char body[] = "{\"status\":\"healthy\"}";
    answer_content(request, 200, "application/json", body, sizeof body - 1);
}

// Without Redis nothing can be accepted; without Postgres only reads fail. Where too few replicas follow no ingest can
// accept anything, so that a proxy has no better one.
static const char *readiness(bool ended, bool redis, bool rest) {
    if (ended) {
        return "draining";
    }
    if (!redis) {
        return "unavailable";
    }
    return rest ? "ready" : "degraded";
}

void health_ready(struct ingest_request *request) {
    const struct ingest_resources *with = request->with;
    bool redis = readiness_has_redis(with->readiness), postgres = readiness_has_postgres(with->readiness);
    bool ended = readiness_has_ended(with->readiness), replicas = readiness_has_replicas(with->readiness);
    struct buf *json = &request->with->answer;
    buf_clear(json);
    buf_putc(json, '{');
    json_write_member(json, "status", readiness(ended, redis, postgres && replicas));
    json_write_member(json, "redis", redis ? "up" : "down");
    json_write_member(json, "postgres", postgres ? "up" : "down");
    if (with->settings->redis_wait_replicas > 0) {
        json_write_member(json, "replicas", replicas ? "follow" : "missing");
    }
    buf_putc(json, '}');
    bool ready = redis && !ended;
    if (!ready) {
        http_add_header(request->http, "Retry-After", "1");
    }
    answer_json(request, ready ? 200 : 503, json);
}
