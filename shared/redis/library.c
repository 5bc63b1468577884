// SPDX-License-Identifier: MIT
#include "shared/redis/library.h"

#include <pthread.h>
#include <stdio.h>

#include "shared/message/format.h"

#define NAME_SIZE 64

static const char *const functions[LIBRARY_FUNCTION_COUNT] = {
    [LIBRARY_ACCEPT] = "accept",
    [LIBRARY_LIMIT] = "limit",
    [LIBRARY_KEEP] = "keep",
    [LIBRARY_REREAD] = "reread",
    [LIBRARY_RECEIPTS] = "receipts",
    [LIBRARY_OPT_OUT] = "opt_out",
    [LIBRARY_SETTLE] = "settle",
    [LIBRARY_ADMIT] = "admit",
    [LIBRARY_UNPARK] = "unpark",
    [LIBRARY_CANCEL] = "cancel",
    [LIBRARY_ERASE] = "erase",
    [LIBRARY_QUARANTINE] = "quarantine",
    [LIBRARY_CLAIM] = "claim",
    [LIBRARY_RENEW] = "renew",
    [LIBRARY_GIVE_BACK] = "give_back",
    [LIBRARY_DONE] = "done",
    [LIBRARY_REAP] = "reap",
    [LIBRARY_REPLAY] = "replay",
    [LIBRARY_REPLAY_ASK] = "replay_ask",
    [LIBRARY_REPLAY_TAKE] = "replay_take",
    [LIBRARY_REPLAY_KEEP] = "replay_keep",
    [LIBRARY_BREAKER_PROBE] = "breaker_probe",
    [LIBRARY_BREAKER_REFUND] = "breaker_refund",
    [LIBRARY_BREAKER_RECORD] = "breaker_record",
    [LIBRARY_BREAKER_MODE] = "breaker_mode",
    [LIBRARY_BREAKER_RESUME] = "breaker_resume",
    [LIBRARY_ADD_COUNTS] = "count",
    [LIBRARY_LOOK] = "look",
};

// A constant in all but name: the version is known only to the linker, so the names are put together at first use.
static char names[STREAM_FORMAT + 1][LIBRARY_FUNCTION_COUNT][NAME_SIZE]; // by the format that the function writes
static pthread_once_t names_once = PTHREAD_ONCE_INIT;

static void make_names(void) {
    for (int i = 0; i < LIBRARY_FUNCTION_COUNT; i++) {
        snprintf(names[STREAM_FORMAT_OLDEST][i], NAME_SIZE, "%s_%.40s", functions[i], library_version);
        for (int format = STREAM_FORMAT_OLDEST + 1; format <= STREAM_FORMAT; format++) {
            snprintf(names[format][i], NAME_SIZE, "%s_%.40s_f%d", functions[i], library_version, format);
        }
    }
}

const char *library_function(enum library_function function) {
    pthread_once(&names_once, make_names);
    return names[format_to_write()][function];
}
