// SPDX-License-Identifier: MIT
#ifndef PERSISTER_REKEY_H
#define PERSISTER_REKEY_H

#include "shared/redis/target.h"
#include "shared/settings/settings.h"

// `persister --rekey`: makes the participants of all conversations anew, by this release's rules and by PHONE_REGION.

#define REKEY_IS_DUE 3 // exit status of rekey_ask; bin/start.sh knows it

// Does it, beside running programs, and prints how far it has come. Returns 0: done, or not due; ends the program with
// status 1 and one line on stderr where it may not begin or can't go on. Killed at any instant, it goes on the next
// time from where it was.
int rekey_run(const struct settings *settings, struct redis_target *target);
// Only says whether one is due, and for how many messages: REKEY_IS_DUE or 0.
int rekey_ask(const struct settings *settings);

#endif
