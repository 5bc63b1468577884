// SPDX-License-Identifier: MIT
#include "dispatcher/mock/stats.h"

#include "shared/base/json.h"

const char *mock_verdict_name(enum mock_verdict verdict) {
    static const char *const names[MOCK_VERDICT_COUNT] = {
        [MOCK_VERDICT_ACCEPTED] = "accepted",         [MOCK_VERDICT_REPEATED] = "repeated",
        [MOCK_VERDICT_TIMEOUT] = "timeout",           [MOCK_VERDICT_ERROR] = "error",
        [MOCK_VERDICT_RATE_LIMITED] = "rate_limited", [MOCK_VERDICT_REJECTED] = "rejected",
        [MOCK_VERDICT_UNAUTHORIZED] = "unauthorized", [MOCK_VERDICT_REFUSED] = "refused",
    };
    return names[verdict];
}

static void write_receipts(const struct mock_receipt_counts *counts, struct buf *out) {
    uint64_t ended = counts->told + counts->given_up + counts->dropped;
    json_write_name(out, "receipts");
    buf_putc(out, '{');
    json_write_member_int(out, "scheduled", (int64_t)counts->scheduled);
    json_write_member_int(out, "told", (int64_t)counts->told);
    json_write_member_int(out, "given_up", (int64_t)counts->given_up);
    json_write_member_int(out, "dropped", (int64_t)counts->dropped);
    json_write_member_int(out, "waiting", (int64_t)(counts->scheduled - ended));
    buf_putc(out, '}');
}

static void write_counts(const struct mock_counts *counts, struct buf *out) {
    buf_putc(out, '{');
    json_write_member_int(out, "calls", (int64_t)counts->calls);
    json_write_member_int(out, "accepted", (int64_t)counts->by_verdict[MOCK_VERDICT_ACCEPTED]);
    json_write_member_int(out, "distinct_keys", (int64_t)counts->distinct_keys);
    json_write_member_int(out, "repeats", (int64_t)counts->repeats);
    json_write_name(out, "by_outcome");
    buf_putc(out, '{');
    for (int i = 0; i < MOCK_VERDICT_COUNT; i++) {
        json_write_member_int(out, mock_verdict_name((enum mock_verdict)i), (int64_t)counts->by_verdict[i]);
    }
    buf_putc(out, '}');
    write_receipts(&counts->receipts, out);
    buf_putc(out, '}');
}

void mock_stats_write(const struct mock_stats *stats, struct buf *out) {
    buf_puts(out, "{\"providers\":{");
    for (int i = 0; i < PROVIDER_COUNT; i++) {
        json_write_name(out, provider_name((enum provider)i));
        write_counts(&stats->providers[i], out);
    }
    buf_puts(out, "}}");
}
