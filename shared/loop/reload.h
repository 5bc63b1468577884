// SPDX-License-Identifier: MIT
#ifndef SHARED_LOOP_RELOAD_H
#define SHARED_LOOP_RELOAD_H

#include <uv.h>

#include "shared/settings/live.h"

// What SIGHUP does to a running program: its settings are read again, checked, tried, and taken, as a whole or not at
// all. One log line says how that went: `reloaded` (info, which settings are taken) or `reload_refused` (error, why);
// another, `reload_waits` (warn), names those that have changed but wait for the next start. No line has a value.

// A look whether a server takes what is new, by a connection of its own. Ends in done, once, never from within start;
// error: one line without secrets, or NULL where all is well. Not after cancel.
typedef void (*reload_tried)(void *argument, const char *error);
struct reload_trial {
    const char *settings; // those a change of which asks for it, joined by ", "
    void *(*start)(uv_loop_t *loop, const struct settings *settings, reload_tried done, void *argument);
    void (*cancel)(void *trial); // nothing after done
};

// What a program makes of it; kept by the caller, as constants mostly.
struct reload_plan {
    // What the table can't see, as at the start: NULL, or the one-line error (owned by the caller).
    char *(*check)(const struct settings *settings);
    const struct reload_trial *const *trials; // the last is NULL
    // Takes change->next; argument is the program's. NULL, or the one-line error (owned by the caller): nothing has
    // changed then.
    char *(*take)(void *argument, const struct settings_change *change);
    // It was taken, and is what settings_live_take gives. May be NULL.
    void (*taken)(void *argument);
};

struct reload; // one program's

// live and plan are kept by the caller; argument is what plan->take gets.
struct reload *reload_create(uv_loop_t *loop, struct settings_live *live, const struct reload_plan *plan,
                             void *argument);
// Reads them again. While that is under way, once more after it.
void reload_ask(struct reload *reload);
// Nothing is taken any more; ends what is under way. The memory stays until reload_free.
void reload_stop(struct reload *reload);
void reload_free(struct reload *reload); // stopped; may be NULL

#endif
