// SPDX-License-Identifier: MIT
#ifndef SHARED_REDIS_LIBRARY_H
#define SHARED_REDIS_LIBRARY_H

// redis/messaging.lua as the build embeds it. Its functions carry the content's version, so that two releases
// run side by side: LIBRARY_ACCEPT is "accept_<version>".

extern const char library_text[];    // for FUNCTION LOAD
extern const char library_version[]; // 12 hexadecimal digits of the file's SHA-256

enum library_function {
    LIBRARY_ACCEPT,
    LIBRARY_LIMIT,
    LIBRARY_KEEP,
    LIBRARY_REREAD,
    LIBRARY_RECEIPTS,
    LIBRARY_OPT_OUT,
    LIBRARY_SETTLE,
    LIBRARY_ADMIT,
    LIBRARY_UNPARK,
    LIBRARY_CANCEL,
    LIBRARY_ERASE,
    LIBRARY_QUARANTINE,
    LIBRARY_CLAIM,
    LIBRARY_RENEW,
    LIBRARY_GIVE_BACK,
    LIBRARY_DONE,
    LIBRARY_REAP,
    LIBRARY_REPLAY,
    LIBRARY_REPLAY_ASK,
    LIBRARY_REPLAY_TAKE,
    LIBRARY_REPLAY_KEEP,
    LIBRARY_BREAKER_PROBE,
    LIBRARY_BREAKER_REFUND,
    LIBRARY_BREAKER_RECORD,
    LIBRARY_BREAKER_MODE,
    LIBRARY_BREAKER_RESUME,
    LIBRARY_ADD_COUNTS,
    LIBRARY_LOOK,
    LIBRARY_FUNCTION_COUNT
};

// "accept_0123456789ab", or "accept_0123456789ab_f2" where entries are to be written in format 2 (format_to_write).
// Static.
const char *library_function(enum library_function function);

#endif
