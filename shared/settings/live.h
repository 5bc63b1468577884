// SPDX-License-Identifier: MIT
#ifndef SHARED_SETTINGS_LIVE_H
#define SHARED_SETTINGS_LIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/mem.h"
#include "shared/settings/settings.h"

// The settings of a running program. Read again, those that the table marks (SETTING_RELOADED) count at once if they
// are accepted, all together; every other waits for the next start, and until then is what it was at this one.

struct settings_live; // safe to use from several threads, but for read and accept, which are one thread's

// What a further reading has brought.
struct settings_change {
    struct settings fresh; // all settings, as a start would take them now
    struct settings next;  // what counts once it is accepted: the marked ones as in fresh, all others as they were
    char *taken;           // names of those that this changes, or whose files hold something else, joined by ", "
    char *waiting;         // names of those that have changed and wait for the next start, likewise
    uint8_t *files;        // its own
};

// settings, which are copied, were read by settings_from_command_line; program is one FOR_* bit.
struct settings_live *settings_live_create(const struct settings *settings, int program);
// The same where they were read by settings_load, with these arguments; the paths are kept by the caller.
struct settings_live *settings_live_create_from(const struct settings *settings, int program,
                                                settings_lookup environment, const char *dotenv_path,
                                                const char *config_path);
void settings_live_free(struct settings_live *live); // may be NULL

// The settings as they are now; whoever took them gives them back. They don't change meanwhile.
const struct settings *settings_live_take(struct settings_live *live) MUST_CHECK;
void settings_live_give_back(struct settings_live *live, const struct settings *settings);

// Reads them again. Returns NULL with *out filled, for one of the two below; or the error as settings_load has it
// (owned by the caller), with *out empty.
char *settings_live_read(struct settings_live *live, struct settings_change *out) MUST_CHECK;
// From here on the change's `next` counts; the change is released.
void settings_live_accept(struct settings_live *live, struct settings_change *change);
void settings_change_free(struct settings_change *change);
// Whether `taken` names it.
bool settings_change_has(const struct settings_change *change, const char *name);
// Whether it names any of those, which are joined by ", ".
bool settings_change_has_any(const struct settings_change *change, const char *names);

// Gives `settings` the marked ones of `next`; the others stay. For settings of one thread, whose strings nobody keeps.
void settings_take_over(struct settings *settings, const struct settings *next);

#endif
