// SPDX-License-Identifier: MIT
#include "shared/loop/reload.h"

#include <stdbool.h>
#include <stdlib.h>

#include "shared/base/log.h"

struct reload {
    uv_loop_t *loop;
    struct settings_live *live;
    const struct reload_plan *plan;
    void *argument;
    struct settings_change change;           // while it is under way
    const struct reload_trial *const *trial; // that runs, or ran last; NULL: nothing is under way
    void *running;                           // the trial's; NULL: none runs
    bool again;                              // it was asked for once more meanwhile
    bool stopped;
};

static void reload_end(struct reload *reload) {
    reload->trial = NULL;
    if (reload->again && !reload->stopped) {
        reload->again = false;
        reload_ask(reload);
    }
}

static void reload_refuse(struct reload *reload, const char *why) {
    log_error("reload_refused", "%s; nothing was changed", why);
    settings_change_free(&reload->change);
    reload_end(reload);
}

// error is freed.
static void reload_refuse_owned(struct reload *reload, char *error) {
    reload_refuse(reload, error);
    free(error);
}

static void reload_take(struct reload *reload) {
    const char *taken = reload->change.taken;
    char *error = *taken != '\0' ? reload->plan->take(reload->argument, &reload->change) : NULL;
    if (error != NULL) {
        reload_refuse_owned(reload, error);
        return;
    }
    if (*reload->change.waiting != '\0') {
        log_warn("reload_waits", "changed, and waits for a restart: %s", reload->change.waiting);
    }
    log_info("reloaded", "%s", *taken != '\0' ? taken : "nothing has changed that a running program takes");
    bool anything = *taken != '\0';
    settings_live_accept(reload->live, &reload->change);
    if (anything && reload->plan->taken != NULL) {
        reload->plan->taken(reload->argument);
    }
    reload_end(reload);
}

static void reload_on_tried(void *argument, const char *error);

// From reload->trial on.
static void reload_try(struct reload *reload) {
    while (*reload->trial != NULL && !settings_change_has_any(&reload->change, (*reload->trial)->settings)) {
        reload->trial++;
    }
    if (*reload->trial == NULL) {
        reload_take(reload);
    } else {
        reload->running = (*reload->trial)->start(reload->loop, &reload->change.next, reload_on_tried, reload);
    }
}

static void reload_on_tried(void *argument, const char *error) {
    struct reload *reload = argument;
    reload->running = NULL;
    if (error != NULL) {
        reload_refuse(reload, error);
    } else {
        reload->trial++;
        reload_try(reload);
    }
}

void reload_ask(struct reload *reload) {
    if (reload->stopped || reload->trial != NULL) {
        reload->again = true;
        return;
    }
    reload->trial = reload->plan->trials;
    char *error = settings_live_read(reload->live, &reload->change);
    if (error == NULL) {
        error = reload->plan->check(&reload->change.fresh);
    }
    if (error != NULL) {
        reload_refuse_owned(reload, error);
    } else {
        reload_try(reload);
    }
}

void reload_stop(struct reload *reload) {
    reload->stopped = true;
    if (reload->running != NULL) {
        (*reload->trial)->cancel(reload->running);
        reload->running = NULL;
        settings_change_free(&reload->change);
    }
}

struct reload *reload_create(uv_loop_t *loop, struct settings_live *live, const struct reload_plan *plan,
                             void *argument) {
    struct reload *reload = xcalloc(1, sizeof *reload);
    reload->loop = loop;
    reload->live = live;
    reload->plan = plan;
    reload->argument = argument;
    return reload;
}

void reload_free(struct reload *reload) {
    free(reload);
}
