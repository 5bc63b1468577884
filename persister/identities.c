// SPDX-License-Identifier: MIT
#include "persister/identities.h"

#include <stdlib.h>

#include "gen/persister/embedded.h"
#include "shared/base/mem.h"
#include "shared/message/identify.h"

#define FIRST_MS 500 // after start: the link is up by then
#define LOOK_MS 3000

struct identities {
    uv_timer_t timer;
    struct pg_link *link;
    struct heartbeat *heartbeat;
};

char *identities_setup(const struct phone_region *region) {
    return xasprintf(
        "SELECT set_config('messaging.rules', '%d', false), set_config('messaging.region', '%s', false);\n%s",
        IDENTITY_RULES, phone_region_code(region), persister_sql_identities_sql);
}

static void identities_on_looked(void *argument, enum pg_outcome outcome, const PGresult *result) {
    struct identities *identities = argument;
    if (outcome == PG_LINK_OK && PQntuples(result) == 1) {
        bool due = *PQgetvalue(result, 0, 0) == 't';
        heartbeat_trouble(identities->heartbeat, "rekey_due",
                          due ? "what is stored was made by other rules or another PHONE_REGION: run persister --rekey"
                              : NULL);
    }
}

static void identities_on_timer(uv_timer_t *timer) {
    struct identities *identities = timer->data;
    (void)!pg_link_script(identities->link, persister_sql_identities_due_sql, identities_on_looked, identities);
}

struct identities *identities_create(uv_loop_t *loop, struct pg_link *link, struct heartbeat *heartbeat) {
    struct identities *identities = xcalloc(1, sizeof *identities);
    identities->link = link;
    identities->heartbeat = heartbeat;
    identities->timer.data = identities;
    uv_timer_init(loop, &identities->timer);
    uv_timer_start(&identities->timer, identities_on_timer, FIRST_MS, LOOK_MS);
    return identities;
}

static void identities_on_closed(uv_handle_t *handle) {
    free(handle->data);
}

void identities_destroy(struct identities *identities) {
    uv_close((uv_handle_t *)&identities->timer, identities_on_closed);
}
