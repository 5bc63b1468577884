// SPDX-License-Identifier: MIT
#include "persister/janitor.h"

#include <stdbool.h>
#include <stdlib.h>

#include "gen/persister/embedded.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"

#define HOUR_MS (3600 * 1000)
#define START_MS (2 * 1000) // after start: the link is up by then
#define SOON_MS (60 * 1000) // after a sweep that failed

struct persister_janitor {
    uv_timer_t timer;
    struct pg_link *link;
    bool sweeping;
    long long deleted; // by this sweep
};

static void janitor_on_timer(uv_timer_t *timer) {
    persister_janitor_sweep(timer->data);
}

static void end_sweep(struct persister_janitor *janitor, uint64_t again_ms) {
    if (janitor->deleted > 0) {
        log_info("dead_letters_expired", "%lld dead letters older than 30 days were deleted", janitor->deleted);
    }
    janitor->sweeping = false;
    janitor->deleted = 0;
    if (!uv_is_closing((uv_handle_t *)&janitor->timer)) {
        uv_timer_start(&janitor->timer, janitor_on_timer, again_ms, 0);
    }
}

static void delete_some(struct persister_janitor *janitor);

static void janitor_on_deleted(void *argument, enum pg_outcome outcome, const PGresult *result) {
    struct persister_janitor *janitor = argument;
    if (outcome != PG_LINK_OK) {
        end_sweep(janitor, SOON_MS);
        return;
    }
    long long count = atoll(PQcmdTuples((PGresult *)(uintptr_t)result));
    janitor->deleted += count;
    if (count > 0) {
        delete_some(janitor);
    } else {
        end_sweep(janitor, HOUR_MS);
    }
}

static void delete_some(struct persister_janitor *janitor) {
    if (pg_link_script(janitor->link, persister_sql_expire_sql, janitor_on_deleted, janitor) != 0) {
        end_sweep(janitor, SOON_MS);
    }
}

struct persister_janitor *persister_janitor_create(uv_loop_t *loop, struct pg_link *link) {
    struct persister_janitor *janitor = xcalloc(1, sizeof *janitor);
    janitor->link = link;
    janitor->timer.data = janitor;
    uv_timer_init(loop, &janitor->timer);
    uv_timer_start(&janitor->timer, janitor_on_timer, START_MS, 0);
    return janitor;
}

void persister_janitor_sweep(struct persister_janitor *janitor) {
    if (!janitor->sweeping) {
        janitor->sweeping = true;
        delete_some(janitor);
    }
}

static void janitor_on_closed(uv_handle_t *handle) {
    free(handle->data);
}

void persister_janitor_destroy(struct persister_janitor *janitor) {
    uv_close((uv_handle_t *)&janitor->timer, janitor_on_closed);
}
