// SPDX-License-Identifier: MIT
#ifndef SHARED_REDIS_RESULT_H
#define SHARED_REDIS_RESULT_H

#include <hiredis/hiredis.h>

// How a call to Redis ended.
enum redis_result {
    REDIS_LINK_OK,         // reply is set and is not an error
    REDIS_LINK_ERROR,      // reply is set and is an error: nothing is known to have been written but by its text
    REDIS_LINK_NO_LIBRARY, // "Function not found": nothing was written; the library is being loaded again over the
                           // same connection, so that a repeat of the call now comes after it
    REDIS_LINK_LOST,       // the connection broke or timed out before the reply: the call's fate is unknown
};

// reply belongs to the connection and is valid during the call only; NULL for REDIS_LINK_LOST.
typedef void (*redis_link_reply)(void *argument, enum redis_result result, const redisReply *reply);

#endif
