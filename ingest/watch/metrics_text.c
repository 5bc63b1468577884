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

static void metrics_write_receipts_of(enum provider provider, enum receipt_status status, const char *code,
                                      int64_t count, struct buf *out) {
    buf_printf(out, PREFIX "receipts_total{provider=\"%s\",status=\"%s\",code=\"%s\"} %" PRId64 "\n",
               provider_name(provider), receipt_status_name(status), code, count);
}

// Those without a code are always there, so that a rate of them never looks at nothing.
static void metrics_write_receipts_without_code(const struct counter_values *values, enum provider provider,
                                                enum receipt_status status, struct buf *out) {
    int64_t count = 0;
    for (size_t i = 0; i < values->receipt_count; i++) {
        const struct counter_receipts *one = &values->receipts[i];
        bool is_one = one->provider == provider && one->status == status && one->code[0] == '\0';
        count = is_one ? one->count : count;
    }
    metrics_write_receipts_of(provider, status, "", count, out);
}

static void metrics_write_receipts(const struct counter_values *values, const char *suffix, struct buf *out) {
    write_head(
        out, "receipts", suffix, "counter",
        "Receipts of providers, each once, by status and the provider's code (other: one that isn't documented)");
    for (int provider = 0; provider < PROVIDER_COUNT; provider++) {
        metrics_write_receipts_without_code(values, (enum provider)provider, RECEIPT_DELIVERED, out);
        metrics_write_receipts_without_code(values, (enum provider)provider, RECEIPT_UNDELIVERED, out);
    }
    for (size_t i = 0; i < values->receipt_count; i++) {
        const struct counter_receipts *one = &values->receipts[i];
        if (one->code[0] != '\0') {
            metrics_write_receipts_of(one->provider, one->status, one->code, one->count, out);
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

static double held_messages(const struct pipeline_partition *sum) {
    return (double)sum->held;
}

static double held_oldest(const struct pipeline_partition *sum) {
    return seconds(sum->held_oldest_ms);
}

static double held_overdue_age(const struct pipeline_partition *sum) {
    return seconds(sum->held_overdue_ms);
}

static double scheduled_messages(const struct pipeline_partition *sum) {
    return (double)sum->scheduled;
}

static double scheduled_bytes(const struct pipeline_partition *sum) {
    return (double)sum->scheduled_bytes;
}

static double scheduled_due_messages(const struct pipeline_partition *sum) {
    return (double)sum->scheduled_overdue;
}

static double scheduled_overdue_age(const struct pipeline_partition *sum) {
    return seconds(sum->scheduled_longest_overdue_ms);
}

static double held_senders(const struct pipeline_partition *sum) {
    return (double)sum->held_senders;
}

static double opted_out(const struct pipeline_partition *sum) {
    return (double)sum->opted_out;
}

static const struct {
    const char *name, *help;
    double (*of)(const struct pipeline_partition *sum);
} waiting_gauges[] = {
    {"parked_messages", "Messages that wait for a retry", parked_messages},
    {"parked_overdue_messages", "Messages whose retry is due and has not begun", parked_overdue},
    {"parked_overdue_seconds", "For how long the first of them has been due", parked_overdue_age},
    {"parked_oldest_age_seconds", "Age of the oldest message among the 100 of each partition that are due next",
     parked_oldest},
    {"held_messages", "Messages that wait for an earlier one of their conversation", held_messages},
    {"held_oldest_age_seconds", "Age of the oldest message among the first of 100 conversations of each partition",
     held_oldest},
    {"held_overdue_seconds", "For how long one of them should have had its turn", held_overdue_age},
    {"scheduled_messages", "Messages that are to be sent later", scheduled_messages},
    {"scheduled_bytes", "Bytes that they take", scheduled_bytes},
    {"scheduled_overdue_messages", "Those whose time has come and that have not begun", scheduled_due_messages},
    {"scheduled_overdue_seconds", "For how long the first of them has been due", scheduled_overdue_age},
    {"held_senders", "Senders whose messages wait because their provider refuses them", held_senders},
    {"opted_out_pairs", "Pairs of our addresses and theirs that have opted out", opted_out},
};

static void write_waiting_gauges(const struct pipeline *pipeline, struct buf *out) {
    for (size_t i = 0; i < sizeof waiting_gauges / sizeof *waiting_gauges; i++) {
        write_head(out, waiting_gauges[i].name, "", "gauge", waiting_gauges[i].help);
        for (int provider = 0; provider < PROVIDER_COUNT; provider++) {
            struct pipeline_partition sum;
            pipeline_sum(pipeline, (enum provider)provider, &sum);
            buf_printf(out, PREFIX "%s{provider=\"%s\"} %.15g\n", waiting_gauges[i].name,
                       provider_name((enum provider)provider), waiting_gauges[i].of(&sum));
        }
    }
}

static void write_scheduled_bounds(const struct flow *flow, struct buf *out) {
    write_head(out, "scheduled_max_messages", "", "gauge", "Most messages that may be scheduled in one partition");
    buf_printf(out, PREFIX "scheduled_max_messages %" PRId64 "\n", flow->max_scheduled);
    write_head(out, "scheduled_max_bytes", "", "gauge", "Most bytes that they may take; 0: no limit");
    buf_printf(out, PREFIX "scheduled_max_bytes %" PRId64 "\n", flow->max_scheduled_bytes);
    write_head(out, "scheduled_full_ratio", "", "gauge",
               "How much of the nearer bound the fullest partition has, 0 to 1");
    for (int provider = 0; provider < PROVIDER_COUNT; provider++) {
        buf_printf(out, PREFIX "scheduled_full_ratio{provider=\"%s\"} %.15g\n", provider_name((enum provider)provider),
                   (double)flow->scheduled_pct[provider] / 100);
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
    int64_t oldest_ms = pipeline->counters.retention_oldest_ms;
    write_head(
        out, "retention_oldest_age_seconds", "", "gauge",
        "Age of the oldest message that is stored, by the latest look of the persister that deletes them; 0: none");
    buf_printf(out, PREFIX "retention_oldest_age_seconds %.15g\n",
               oldest_ms > 0 && oldest_ms < pipeline->now_ms ? seconds(pipeline->now_ms - oldest_ms) : 0);
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
    metrics_write_receipts(&pipeline->counters, suffix, out);
    write_histograms(pipeline, out);
    write_stream_gauges(pipeline, out);
    write_waiting_gauges(pipeline, out);
    write_scheduled_bounds(flow, out);
    write_breaker_states(pipeline, out);
    write_breaker_waits(pipeline, out);
    metrics_text_write_rest(pipeline, out);
    write_client_bytes(client_bytes, out);
    write_troubles(flow, out);
    if (openmetrics) {
        buf_puts(out, "# EOF\n");
    }
}
