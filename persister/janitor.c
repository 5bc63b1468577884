// SPDX-License-Identifier: MIT
#include "persister/janitor.h"

#include <stdbool.h>
#include <stdlib.h>

#include "gen/persister/embedded.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/redis/counters.h"

#define HOUR_MS (3600 * 1000)
#define START_MS (2 * 1000) // after start: the link is up by then
#define SOON_MS (60 * 1000) // after a sweep that failed
#define TIDY_MS (5 * 1000)  // between two looks at a thousand rows

struct persister_janitor {
    uv_timer_t timer, tidy;
    struct pg_link *link;
    struct counters *counters;
    bool sweeping, tidying;
    bool looks_at_ids;           // the next look is at ids, else at strays
    bool closed;                 // one of the timers is
    long long letters, receipts; // deleted by this sweep
};

static void janitor_on_timer(uv_timer_t *timer) {
    persister_janitor_sweep(timer->data);
}

static void end_sweep(struct persister_janitor *janitor, uint64_t again_ms) {
    if (janitor->letters > 0) {
        log_info("dead_letters_expired", "%lld dead letters older than 30 days were deleted", janitor->letters);
    }
    if (janitor->receipts > 0) {
        log_warn("receipts_expired", "%lld receipts whose message didn't come for a day were deleted",
                 janitor->receipts);
    }
    janitor->sweeping = false;
    janitor->letters = janitor->receipts = 0;
    if (!uv_is_closing((uv_handle_t *)&janitor->timer)) {
        uv_timer_start(&janitor->timer, janitor_on_timer, again_ms, 0);
    }
}

static void janitor_delete_receipts(struct persister_janitor *janitor);

static void janitor_on_receipts_deleted(void *argument, enum pg_outcome outcome, const PGresult *result) {
    struct persister_janitor *janitor = argument;
    if (outcome != PG_LINK_OK || PQntuples(result) != 1) {
        end_sweep(janitor, SOON_MS);
        return;
    }
    long long seen = atoll(PQgetvalue(result, 0, 0)), deleted = atoll(PQgetvalue(result, 0, 1));
    janitor->receipts += deleted;
    counters_add(janitor->counters, COUNTER_RECEIPTS_EXPIRED, (uint64_t)deleted);
    if (seen > 0) {
        janitor_delete_receipts(janitor);
    } else {
        end_sweep(janitor, HOUR_MS);
    }
}

static void janitor_delete_receipts(struct persister_janitor *janitor) {
    if (pg_link_script(janitor->link, persister_sql_expire_receipts_sql, janitor_on_receipts_deleted, janitor) != 0) {
        end_sweep(janitor, SOON_MS);
    }
}

static void janitor_delete_letters(struct persister_janitor *janitor);

static void janitor_on_letters_deleted(void *argument, enum pg_outcome outcome, const PGresult *result) {
    struct persister_janitor *janitor = argument;
    if (outcome != PG_LINK_OK) {
        end_sweep(janitor, SOON_MS);
        return;
    }
    long long count = atoll(PQcmdTuples((PGresult *)(uintptr_t)result));
    janitor->letters += count;
    if (count > 0) {
        janitor_delete_letters(janitor);
    } else {
        janitor_delete_receipts(janitor);
    }
}

static void janitor_delete_letters(struct persister_janitor *janitor) {
    if (pg_link_script(janitor->link, persister_sql_expire_sql, janitor_on_letters_deleted, janitor) != 0) {
        end_sweep(janitor, SOON_MS);
    }
}

// ---- A little at a time

static void janitor_on_tidied(void *argument, enum pg_outcome outcome, const PGresult *result) {
    struct persister_janitor *janitor = argument;
    janitor->tidying = false;
    if (outcome == PG_LINK_OK && PQntuples(result) == 1 && atoll(PQgetvalue(result, 0, 1)) > 0) {
        log_warn("strays_deleted", "what was recorded 30 days ago of %s messages that are not stored was deleted",
                 PQgetvalue(result, 0, 1));
    }
}

static void janitor_on_tidy(uv_timer_t *timer) {
    struct persister_janitor *janitor = timer->data;
    if (janitor->tidying) {
        return;
    }
    janitor->looks_at_ids = !janitor->looks_at_ids;
    const char *sql = janitor->looks_at_ids ? persister_sql_expire_erased_sql : persister_sql_expire_strays_sql;
    janitor->tidying = pg_link_script(janitor->link, sql, janitor_on_tidied, janitor) == 0;
}

struct persister_janitor *persister_janitor_create(uv_loop_t *loop, struct pg_link *link, struct counters *counters) {
    struct persister_janitor *janitor = xcalloc(1, sizeof *janitor);
    janitor->link = link;
    janitor->counters = counters;
    janitor->timer.data = janitor;
    uv_timer_init(loop, &janitor->timer);
    uv_timer_start(&janitor->timer, janitor_on_timer, START_MS, 0);
    janitor->tidy.data = janitor;
    uv_timer_init(loop, &janitor->tidy);
    uv_timer_start(&janitor->tidy, janitor_on_tidy, START_MS, TIDY_MS);
    return janitor;
}

void persister_janitor_sweep(struct persister_janitor *janitor) {
    if (!janitor->sweeping) {
        janitor->sweeping = true;
        janitor_delete_letters(janitor);
    }
}

static void janitor_on_closed(uv_handle_t *handle) {
    struct persister_janitor *janitor = handle->data;
    if (janitor->closed) {
        free(janitor);
    } else {
        janitor->closed = true;
    }
}

void persister_janitor_destroy(struct persister_janitor *janitor) {
    uv_close((uv_handle_t *)&janitor->timer, janitor_on_closed);
    uv_close((uv_handle_t *)&janitor->tidy, janitor_on_closed);
}
