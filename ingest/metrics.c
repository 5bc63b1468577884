// SPDX-License-Identifier: MIT
#include "ingest/metrics.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/answer.h"
#include "ingest/media_type.h"
#include "ingest/request.h"
#include "ingest/resources.h"
#include "shared/clock.h"
#include "shared/counters.h"
#include "shared/json.h"
#include "shared/keys.h"
#include "shared/redis_link.h"

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

// HGETALL's reply is a flat list of names and values; a counter that nobody has raised isn't in it.
static void read_values(const redisReply *reply, int64_t values[COUNTER_COUNT]) {
    memset(values, 0, COUNTER_COUNT * sizeof *values);
    for (size_t i = 0; i + 1 < reply->elements; i += 2) {
        for (int counter = 0; counter < COUNTER_COUNT; counter++) {
            if (strcmp(reply->element[i]->str, counter_name((enum counter)counter)) == 0) {
                values[counter] = strtoll(reply->element[i + 1]->str, NULL, 10);
            }
        }
    }
}

static void write_json(struct buf *out, const int64_t values[COUNTER_COUNT]) {
    buf_putc(out, '{');
    json_write_member_int(out, "ts_unix_ms", clock_unix_ms());
    for (int counter = 0; counter < COUNTER_COUNT; counter++) {
        json_write_member_int(out, counter_name((enum counter)counter), values[counter]);
    }
    buf_putc(out, '}');
}

// Prometheus describes a counter under its sample's name, OpenMetrics under that name without _total.
static void write_text(struct buf *out, const int64_t values[COUNTER_COUNT], enum format format) {
    const char *suffix = format == FORMAT_OPENMETRICS ? "" : "_total";
    for (int counter = 0; counter < COUNTER_COUNT; counter++) {
        const char *name = counter_name((enum counter)counter);
        buf_printf(out, "# HELP messaging_%s%s %s\n", name, suffix, counter_help((enum counter)counter));
        buf_printf(out, "# TYPE messaging_%s%s counter\n", name, suffix);
        buf_printf(out, "messaging_%s_total %" PRId64 "\n", name, values[counter]);
    }
    if (format == FORMAT_OPENMETRICS) {
        buf_puts(out, "# EOF\n");
    }
}

static void answer_values(struct ingest_request *request, const redisReply *reply) {
    enum format format = choose_format(http_header(request->http, "Accept"));
    int64_t values[COUNTER_COUNT];
    read_values(reply, values);
    struct buf *out = &request->with->answer;
    buf_clear(out);
    if (format == FORMAT_JSON) {
        write_json(out, values);
        answer_json(request, 200, out);
        return;
    }
    write_text(out, values, format);
    answer_content(request, 200,
                   format == FORMAT_OPENMETRICS ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                                : "text/plain; version=0.0.4; charset=utf-8",
                   out->data, out->length);
}

static void on_values(void *argument, enum redis_result result, const redisReply *reply) {
    struct ingest_request *request = argument;
    if (!ingest_request_reply_came(request)) {
        return;
    }
    if (result == REDIS_LINK_OK) {
        answer_values(request, reply);
    } else {
        answer_unavailable(request, "Redis is unreachable", 1, false);
    }
}

void metrics_show(struct ingest_request *request) {
    if (choose_format(http_header(request->http, "Accept")) == FORMAT_NONE) {
        answer_error(request, API_NOT_ACCEPTABLE, "this resource is application/json, text/plain or OpenMetrics");
        return;
    }
    counters_flush(request->with->counters); // so that what this thread counted is in the reply
    const char *arguments[] = {"HGETALL", KEY_METRICS};
    if (redis_link_call(request->with->redis, on_values, request, 2, arguments, NULL) != 0) {
        answer_unavailable(request, "Redis is unreachable", 1, false);
        return;
    }
    ingest_request_expect_reply(request);
}
