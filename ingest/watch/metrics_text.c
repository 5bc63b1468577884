// SPDX-License-Identifier: MIT
#include "ingest/watch/metrics_text.h"

#include <inttypes.h>
#include <string.h>

#define PREFIX "messaging_"

// ---- Counters

static void write_head(struct buf *out, const char *name, const char *suffix, const char *type, const char *help) {
    buf_printf(out, "# HELP " PREFIX "%s%s %s\n# TYPE " PREFIX "%s%s %s\n", name, suffix, help, name, suffix, type);
}

static void write_counters(const struct pipeline *pipeline, const char *suffix, struct buf *out) {
    for (int i = 0; i < COUNTER_FIRST_OF_PROVIDERS; i++) {
        const char *name = counter_name((enum counter)i);
        write_head(out, name, suffix, "counter", counter_help((enum counter)i));
        buf_printf(out, PREFIX "%s_total %" PRId64 "\n", name, pipeline->counters.counter[i]);
    }
}

// The same counters, apart by provider, under names of their own: a sum over a name must not count anything twice.
static void write_provider_counters(const struct pipeline *pipeline, const char *suffix, struct buf *out) {
    for (int i = COUNTER_BREAKER_OPEN; i <= COUNTER_BREAKER_TRANSITIONS; i++) {
        buf_printf(out, "# HELP " PREFIX "provider_%s%s %s, by provider\n", counter_name((enum counter)i), suffix,
                   counter_help((enum counter)i));
        buf_printf(out, "# TYPE " PREFIX "provider_%s%s counter\n", counter_name((enum counter)i), suffix);
        for (int provider = 0; provider < PROVIDER_COUNT; provider++) {
            enum counter of = counter_of_provider((enum counter)i, (enum provider)provider);
            buf_printf(out, PREFIX "provider_%s_total{provider=\"%s\"} %" PRId64 "\n", counter_name((enum counter)i),
                       provider_name((enum provider)provider), pipeline->counters.counter[of]);
        }
    }
}

// ---- Histograms

static void write_histogram(const struct pipeline *pipeline, enum histogram histogram, struct buf *out) {
    const int64_t *parts = pipeline->counters.histogram[histogram];
    const char *name = histogram_name(histogram), *labels = histogram_labels(histogram);
    const char *comma = *labels ? "," : "", *open = *labels ? "{" : "", *close = *labels ? "}" : "";
    int64_t count = 0;
    for (unsigned bucket = 0; bucket < HISTOGRAM_BOUND_COUNT; bucket++) {
        count += parts[bucket];
        buf_printf(out, PREFIX "%s_seconds_bucket{%s%sle=\"%g\"} %" PRId64 "\n", name, labels, comma,
                   (double)histogram_bound_us(bucket) / 1e6, count);
    }
    count += parts[HISTOGRAM_ABOVE];
    buf_printf(out, PREFIX "%s_seconds_bucket{%s%sle=\"+Inf\"} %" PRId64 "\n", name, labels, comma, count);
    buf_printf(out, PREFIX "%s_seconds_sum%s%s%s %.6f\n", name, open, labels, close,
               (double)parts[HISTOGRAM_SUM] / 1e6);
    buf_printf(out, PREFIX "%s_seconds_count%s%s%s %" PRId64 "\n", name, open, labels, close, count);
}

// Those of one name stand together under one head.
static void write_histograms(const struct pipeline *pipeline, struct buf *out) {
    const char *last = "";
    for (int i = 0; i < HISTOGRAM_COUNT; i++) {
        const char *name = histogram_name((enum histogram)i);
        if (strcmp(name, last) != 0) {
            write_head(out, name, "_seconds", "histogram", histogram_help((enum histogram)i));
        }
        write_histogram(pipeline, (enum histogram)i, out);
        last = name;
    }
}

// ---- Gauges: of each stream, of each partition, of each provider

static double seconds(int64_t ms) {
    return ms > 0 ? (double)ms / 1e3 : 0; // nothing waits: no age
}

static double stream_length(const struct pipeline_stream *stream) {
    return (double)stream->length;
}

static double stream_lag(const struct pipeline_stream *stream) {
    return (double)(stream->length - stream->pending);
}

static double stream_pending(const struct pipeline_stream *stream) {
    return (double)stream->pending;
}

static double stream_consumers(const struct pipeline_stream *stream) {
    return (double)stream->consumers;
}

static double stream_oldest(const struct pipeline_stream *stream) {
    return seconds(stream->oldest_ms);
}

static const struct {
    const char *name, *help;
    double (*of)(const struct pipeline_stream *stream);
} stream_gauges[] = {
    {"stream_entries", "Entries of a stream that are not done", stream_length},
    {"stream_lag_entries", "Entries of a stream that nobody has read yet", stream_lag},
    {"stream_pending_entries", "Entries of a stream that a consumer holds", stream_pending},
    {"stream_consumers", "Consumers that the stream's group knows", stream_consumers},
    {"stream_oldest_age_seconds", "Age of the message in a stream's first entry; 0 where the stream is empty",
     stream_oldest},
};

static void write_stream_gauges(const struct pipeline *pipeline, struct buf *out) {
    for (size_t i = 0; i < sizeof stream_gauges / sizeof *stream_gauges; i++) {
        write_head(out, stream_gauges[i].name, "", "gauge", stream_gauges[i].help);
        for (size_t p = 0; p < pipeline->partition_count; p++) {
            const struct pipeline_partition *partition = &pipeline->partitions[p];
            const struct pipeline_stream *streams[] = {&partition->outbound, &partition->events};
            static const char *const names[] = {"outbound", "events"};
            for (size_t s = 0; s < sizeof streams / sizeof *streams; s++) {
                buf_printf(out, PREFIX "%s{stream=\"%s\",provider=\"%s\",partition=\"%s\"} %.15g\n",
                           stream_gauges[i].name, names[s], provider_name(partition->provider),
                           strchr(partition->keys.tag, ':') + 1, stream_gauges[i].of(streams[s]));
            }
        }
    }
}

static double parked_messages(const struct pipeline_partition *sum) {
    return (double)sum->parked;
}

static double parked_overdue(const struct pipeline_partition *sum) {
    return (double)sum->overdue;
}

static double parked_overdue_age(const struct pipeline_partition *sum) {
    return seconds(sum->longest_overdue_ms);
}

static double parked_oldest(const struct pipeline_partition *sum) {
    return seconds(sum->parked_oldest_ms);
}

static double held_senders(const struct pipeline_partition *sum) {
    return (double)sum->held_senders;
}

static const struct {
    const char *name, *help;
    double (*of)(const struct pipeline_partition *sum);
} parked_gauges[] = {
    {"parked_messages", "Messages that wait for a retry", parked_messages},
    {"parked_overdue_messages", "Messages whose retry is due and has not begun", parked_overdue},
    {"parked_overdue_seconds", "For how long the first of them has been due", parked_overdue_age},
    {"parked_oldest_age_seconds", "Age of the oldest message among the 100 of each partition that are due next",
     parked_oldest},
    {"held_senders", "Senders whose messages wait because their provider refuses them", held_senders},
};

static void write_parked_gauges(const struct pipeline *pipeline, struct buf *out) {
    for (size_t i = 0; i < sizeof parked_gauges / sizeof *parked_gauges; i++) {
        write_head(out, parked_gauges[i].name, "", "gauge", parked_gauges[i].help);
        for (int provider = 0; provider < PROVIDER_COUNT; provider++) {
            struct pipeline_partition sum;
            pipeline_sum(pipeline, (enum provider)provider, &sum);
            buf_printf(out, PREFIX "%s{provider=\"%s\"} %.15g\n", parked_gauges[i].name,
                       provider_name((enum provider)provider), parked_gauges[i].of(&sum));
        }
    }
}

static void write_breaker_states(const struct pipeline *pipeline, struct buf *out) {
    static const char *const states[] = {"closed", "open", "half-open"};
    write_head(out, "breaker_state", "", "gauge",
               "1 for the state that the provider's breaker is in, 0 for the others");
    for (int provider = 0; provider < PROVIDER_COUNT; provider++) {
        for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
            buf_printf(out, PREFIX "breaker_state{provider=\"%s\",state=\"%s\"} %d\n",
                       provider_name((enum provider)provider), states[i],
                       strcmp(pipeline->breakers[provider].state, states[i]) == 0);
        }
    }
}

static void write_breaker_waits(const struct pipeline *pipeline, struct buf *out) {
    write_head(out, "breaker_reopens_in_seconds", "", "gauge", "Until an open breaker lets probes through; 0: it does");
    for (int provider = 0; provider < PROVIDER_COUNT; provider++) {
        buf_printf(out, PREFIX "breaker_reopens_in_seconds{provider=\"%s\"} %.15g\n",
                   provider_name((enum provider)provider), seconds(pipeline->breakers[provider].reopens_in_ms));
    }
    write_head(out, "provider_paused_until_seconds", "", "gauge",
               "Unix time until which a 429 has paused the provider; 0: it hasn't");
    for (int provider = 0; provider < PROVIDER_COUNT; provider++) {
        int64_t paused = pipeline->breakers[provider].paused_ms;
        buf_printf(out, PREFIX "provider_paused_until_seconds{provider=\"%s\"} %.15g\n",
                   provider_name((enum provider)provider), paused > 0 ? seconds(pipeline->now_ms + paused) : 0);
    }
}

static void metrics_text_write_rest(const struct pipeline *pipeline, struct buf *out) {
    write_head(out, "worker_latency_max_seconds", "", "gauge", "The longest that an event waited to be recorded, ever");
    buf_printf(out, PREFIX "worker_latency_max_seconds %.6f\n", (double)pipeline->counters.worker_latency_max_us / 1e6);
    write_head(out, "processes_alive", "", "gauge", "Processes that were heard of within the last 5 seconds");
    for (int program = 0; program < PROGRAM_COUNT; program++) {
        buf_printf(out, PREFIX "processes_alive{program=\"%s\"} %" PRId64 "\n",
                   pipeline_program_name((enum pipeline_program)program), pipeline->alive[program]);
    }
    write_head(out, "redis_memory_used_bytes", "", "gauge", "Memory that Redis uses");
    buf_printf(out, PREFIX "redis_memory_used_bytes %" PRId64 "\n", pipeline->memory_used);
    write_head(out, "redis_memory_max_bytes", "", "gauge", "Memory that Redis may use; 0: no limit");
    buf_printf(out, PREFIX "redis_memory_max_bytes %" PRId64 "\n", pipeline->memory_max);
}

// Each code is always there, so that an alert that selects it never looks at nothing.
static void write_troubles(const struct flow *flow, struct buf *out) {
    write_head(out, "trouble", "", "gauge", "1 where something doesn't flow, 0 where it does; by code");
    for (int code = 0; code < FLOW_CODE_COUNT; code++) {
        const char *name = flow_code_name((enum flow_code)code);
        if (!flow_code_is_of_provider((enum flow_code)code)) {
            buf_printf(out, PREFIX "trouble{code=\"%s\"} %d\n", name, flow_has(flow, (enum flow_code)code, -1));
            continue;
        }
        for (int provider = 0; provider < PROVIDER_COUNT; provider++) {
            buf_printf(out, PREFIX "trouble{code=\"%s\",provider=\"%s\"} %d\n", name,
                       provider_name((enum provider)provider), flow_has(flow, (enum flow_code)code, provider));
        }
    }
}

static void write_client_bytes(size_t client_bytes, struct buf *out) {
    write_head(out, "client_held_bytes", "", "gauge",
               "Bodies and unsent answers that the ingest which answers holds for its clients");
    buf_printf(out, PREFIX "client_held_bytes %zu\n", client_bytes);
}

void metrics_text_write(const struct pipeline *pipeline, const struct flow *flow, size_t client_bytes, bool openmetrics,
                        struct buf *out) {
    const char *suffix = openmetrics ? "" : "_total";
    write_counters(pipeline, suffix, out);
    write_provider_counters(pipeline, suffix, out);
    write_histograms(pipeline, out);
    write_stream_gauges(pipeline, out);
    write_parked_gauges(pipeline, out);
    write_breaker_states(pipeline, out);
    write_breaker_waits(pipeline, out);
    metrics_text_write_rest(pipeline, out);
    write_client_bytes(client_bytes, out);
    write_troubles(flow, out);
    if (openmetrics) {
        buf_puts(out, "# EOF\n");
    }
}
