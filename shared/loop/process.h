// SPDX-License-Identifier: MIT
#ifndef SHARED_LOOP_PROCESS_H
#define SHARED_LOOP_PROCESS_H

#include <stdint.h>
#include <uv.h>

#include "shared/loop/reload.h"
#include "shared/settings/settings.h"

// What the four programs' main() have in common: the log, the signals as loop events, the drain.

struct process {
    uv_loop_t *loop;
    // SIGTERM or SIGINT: take no new work and finish what is in flight; when done, call process_finished.
    void (*on_drain)(void *argument);
    // A second signal, or the drain took longer than DRAIN_TIMEOUT_SECS: let go of everything now, then
    // process_finished.
    void (*on_hurry)(void *argument);
    // What SIGHUP does after the log was opened again, with the settings that it changes; kept by the caller. NULL:
    // nothing more.
    const struct reload_plan *plan;
    struct settings_live *live;
    void *argument; // of all of these
    // its own
    uv_signal_t terminate, interrupt, hangup;
    uv_timer_t limit;
    struct reload *reload; // NULL: there is no plan
    int64_t drain_timeout_ms;
    int asked; // how often it was asked to stop
};

// Opens the log as the settings say, ignores SIGPIPE, lets cJSON end the process where there is no memory, names the
// instance. Ends the process with one line when the log file can't be written. Signals wait for process_watch from here
// on.
void process_start(const struct settings *settings, const char *program);
// Begins to listen for signals on loop (SIGHUP reopens the log). The caller has set loop, on_drain, on_hurry, argument,
// and plan and live where there are any.
void process_watch(struct process *process, const struct settings *settings);
// Lets go of the signal handles, so that the loop can end. argument is the process: it stands as a callback, too.
void process_finished(void *argument);
// The stable instance id: INSTANCE_ID, else "<host>-<program>-<n>" with the first n that no live process on this host
// has (held by binding an abstract socket of that name, which the kernel frees at death). Static.
const char *process_instance(void);
// Raises the soft limit of open files to wanted, and the hard one too where the process may (root, CAP_SYS_RESOURCE).
// Returns how many may be open now.
uint64_t process_raise_descriptors(uint64_t wanted);
// Closes what is left on the loop, runs it out, and reports a leak of handles in debug builds. Returns exit status 0.
int process_end(uv_loop_t *loop);

#endif
