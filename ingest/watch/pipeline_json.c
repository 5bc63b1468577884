// SPDX-License-Identifier: MIT
#include "ingest/watch/pipeline_json.h"

#include "shared/base/clock.h"
#include "shared/base/json.h"
#include "shared/redis/counters.h"

static void write_age(struct buf *out, const char *name, int64_t age_ms) {
    if (age_ms < 0) {
        json_write_name(out, name);
        buf_puts(out, "null");
    } else {
        json_write_member_int(out, name, age_ms);
    }
}

static void write_stream(struct buf *out, const char *name, const struct pipeline_stream *stream) {
    json_write_name(out, name);
    buf_putc(out, '{');
    json_write_member_int(out, "length", stream->length);
    json_write_member_int(out, "added", stream->added);
    json_write_member_int(out, "lag", stream->length - stream->pending);
    json_write_member_int(out, "pending", stream->pending);
    json_write_member_int(out, "consumers", stream->consumers);
    write_age(out, "oldest_ms", stream->oldest_ms);
    buf_putc(out, '}');
}

static void write_breaker(struct buf *out, const struct pipeline_breaker *breaker) {
    json_write_name(out, "breaker");
    buf_putc(out, '{');
    json_write_member(out, "state", breaker->state);
    json_write_member(out, "mode", breaker->mode);
    json_write_member(out, "reason", breaker->reason);
    json_write_member_int(out, "fails", breaker->fails);
    json_write_member_int(out, "reopens_in_ms", breaker->reopens_in_ms);
    json_write_member_int(out, "paused_ms", breaker->paused_ms);
    buf_putc(out, '}');
}

static void write_waiting(struct buf *out, const struct pipeline_partition *sum, int64_t scheduled_pct) {
    json_write_member_int(out, "held", sum->held);
    write_age(out, "held_oldest_ms", sum->held_oldest_ms);
    write_age(out, "held_overdue_ms", sum->held_overdue_ms);
    json_write_member_int(out, "scheduled", sum->scheduled);
    json_write_member_int(out, "scheduled_bytes", sum->scheduled_bytes);
    json_write_member_int(out, "scheduled_pct", scheduled_pct);
    json_write_member_int(out, "scheduled_overdue", sum->scheduled_overdue);
    write_age(out, "scheduled_longest_overdue_ms", sum->scheduled_longest_overdue_ms);
}

static void write_provider(struct buf *out, const struct pipeline *pipeline, const struct flow *flow,
                           enum provider provider) {
    struct pipeline_partition sum;
    pipeline_sum(pipeline, provider, &sum);
    json_write_name(out, provider_name(provider));
    buf_putc(out, '{');
    write_stream(out, "outbound", &sum.outbound);
    write_stream(out, "events", &sum.events);
    json_write_member_int(out, "parked", sum.parked);
    json_write_member_int(out, "overdue", sum.overdue);
    json_write_member_int(out, "held_senders", sum.held_senders);
    json_write_member_int(out, "opted_out", sum.opted_out);
    write_age(out, "longest_overdue_ms", sum.longest_overdue_ms);
    write_age(out, "parked_oldest_ms", sum.parked_oldest_ms);
    write_waiting(out, &sum, flow->scheduled_pct[provider]);
    write_breaker(out, &pipeline->breakers[provider]);
    buf_putc(out, '}');
}

static void write_members(const struct pipeline *pipeline, const struct flow *flow, struct buf *out) {
    json_write_name(out, "providers");
    buf_putc(out, '{');
    for (int provider = 0; provider < PROVIDER_COUNT; provider++) {
        write_provider(out, pipeline, flow, (enum provider)provider);
    }
    buf_puts(out, "}");
    json_write_name(out, "processes");
    buf_putc(out, '{');
    for (int program = 0; program < PROGRAM_COUNT; program++) {
        json_write_member_int(out, pipeline_program_name((enum pipeline_program)program), pipeline->alive[program]);
    }
    buf_puts(out, "}");
    json_write_name(out, "redis");
    buf_putc(out, '{');
    json_write_member_int(out, "memory_used_bytes", pipeline->memory_used);
    json_write_member_int(out, "memory_max_bytes", pipeline->memory_max);
    buf_putc(out, '}');
}

static void pipeline_json_write_receipts(const struct counter_values *values, struct buf *out) {
    json_write_name(out, "receipts");
    buf_putc(out, '[');
    for (size_t i = 0; i < values->receipt_count; i++) {
        const struct counter_receipts *one = &values->receipts[i];
        buf_puts(out, i == 0 ? "{" : ",{");
        json_write_member(out, "provider", provider_name(one->provider));
        json_write_member(out, "status", receipt_status_name(one->status));
        json_write_member(out, "code", one->code[0] != '\0' ? one->code : NULL);
        json_write_member_int(out, "count", one->count);
        buf_putc(out, '}');
    }
    buf_putc(out, ']');
}

static int64_t pipeline_json_average(const int64_t parts[HISTOGRAM_PART_COUNT]) {
    int64_t count = 0;
    for (int bucket = 0; bucket <= HISTOGRAM_ABOVE; bucket++) {
        count += parts[bucket];
    }
    return count > 0 ? parts[HISTOGRAM_SUM] / count : 0;
}

// One member for each counter; then the pipeline, and what doesn't flow.
void pipeline_write_json(const struct pipeline *pipeline, const struct flow *flow, size_t client_bytes,
                         struct buf *out) {
    const struct counter_values *values = &pipeline->counters;
    buf_putc(out, '{');
    json_write_member_int(out, "ts_unix_ms", clock_unix_ms());
    for (int counter = 0; counter < COUNTER_COUNT; counter++) {
        json_write_member_int(out, counter_name((enum counter)counter), values->counter[counter]);
    }
    json_write_member_int(out, "worker_latency_avg_us",
                          pipeline_json_average(values->histogram[HISTOGRAM_WORKER_LATENCY]));
    json_write_member_int(out, "worker_latency_max_us", values->worker_latency_max_us);
    for (int provider = 0; provider < PROVIDER_COUNT; provider++) {
        json_write_member_int(
            out, provider == PROVIDER_EMAIL ? "email_sent_to_delivered_avg_us" : "sms_mms_sent_to_delivered_avg_us",
            pipeline_json_average(values->histogram[provider == PROVIDER_EMAIL ? HISTOGRAM_SENT_TO_DELIVERED_EMAIL
                                                                               : HISTOGRAM_SENT_TO_DELIVERED_SMS_MMS]));
    }
    pipeline_json_write_receipts(values, out);
    json_write_member_int(out, "retention_oldest_unix_ms", values->retention_oldest_ms);
    json_write_member_int(out, "client_bytes_held", (int64_t)client_bytes);
    json_write_member_int(out, "scheduled_max", flow->max_scheduled);
    json_write_member_int(out, "scheduled_max_bytes", flow->max_scheduled_bytes);
    write_members(pipeline, flow, out);
    flow_write_members(flow, out);
    buf_putc(out, '}');
}
