// SPDX-License-Identifier: MIT
#include "ingest/watch/metrics.h"

#include "ingest/request/request.h"
#include "ingest/request/resources.h"
#include "ingest/request/response.h"
#include "ingest/watch/flow_here.h"
#include "ingest/watch/metrics_text.h"
#include "ingest/watch/pipeline.h"
#include "ingest/watch/pipeline_json.h"
#include "shared/http/budget.h"
#include "shared/http/media_type.h"
#include "shared/redis/counters.h"

enum format { FORMAT_NONE, FORMAT_JSON, FORMAT_PROMETHEUS, FORMAT_OPENMETRICS };

// The one that Accept wants most; JSON where it wants none more.
static enum format choose_format(const char *accept) {
    static const struct {
        enum format format;
        const char *type, *subtype;
    } offers[] = {
        {FORMAT_JSON, "application", "json"},
        {FORMAT_OPENMETRICS, "application", "openmetrics-text"},
        {FORMAT_PROMETHEUS, "text", "plain"},
    };
    enum format best = FORMAT_NONE;
    int best_quality = 0;
    for (size_t i = 0; i < sizeof offers / sizeof *offers; i++) {
        int quality = media_type_quality(accept, offers[i].type, offers[i].subtype);
        if (quality > best_quality) {
            best_quality = quality;
            best = offers[i].format;
        }
    }
    return best;
}

static void answer_values(struct ingest_request *request, const struct pipeline *pipeline, const struct flow *flow) {
    enum format format = choose_format(http_header(request->http, "Accept"));
    size_t client_bytes = http_budget_used(request->with->budget);
    struct buf *out = &request->with->answer;
    buf_clear(out);
    if (format == FORMAT_JSON) {
        pipeline_write_json(pipeline, flow, client_bytes, out);
        response_json(request, 200, out);
        return;
    }
    metrics_text_write(pipeline, flow, client_bytes, format == FORMAT_OPENMETRICS, out);
    response_content(request, 200,
                     format == FORMAT_OPENMETRICS ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                                  : "text/plain; version=0.0.4; charset=utf-8",
                     out);
}

static void metrics_on_read(void *argument, struct pipeline *pipeline, const char *why) {
    struct ingest_request *request = argument;
    if (!request_reply_came(request)) {
        // Nobody waits for the answer.
    } else if (pipeline != NULL) {
        struct flow flow;
        flow_judge_here(request->with, pipeline, why, &flow);
        answer_values(request, pipeline, &flow);
        flow_free(&flow);
    } else {
        response_unavailable(request, "Redis is unreachable", 1, false);
    }
    pipeline_free(pipeline);
}

void metrics_show(struct ingest_request *request) {
    if (choose_format(http_header(request->http, "Accept")) == FORMAT_NONE) {
        response_error(request, API_NOT_ACCEPTABLE, "this resource is application/json, text/plain or OpenMetrics");
        return;
    }
    counters_flush(request->with->counters); // so that what this thread counted is in the answer
    if (pipeline_read(request->with->redis, metrics_on_read, request) != 0) {
        response_unavailable(request, "Redis is unreachable", 1, false);
        return;
    }
    request_expect_reply(request);
}
