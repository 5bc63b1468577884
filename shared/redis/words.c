// SPDX-License-Identifier: MIT
#include "shared/redis/words.h"

#include <stdbool.h>
#include <string.h>

enum library_word library_word(const redisReply *reply) {
    static const char *const words[] = {
        [WORD_OK] = "OK",           [WORD_LOST] = "LOST",         [WORD_LATE] = "LATE",
        [WORD_PARKED] = "PARKED",   [WORD_FAILED] = "FAILED",     [WORD_GO] = "GO",
        [WORD_LATER] = "LATER",     [WORD_PROBE] = "PROBE",       [WORD_NO] = "NO",
        [WORD_JOB] = "JOB",         [WORD_REPLAY] = "REPLAY",     [WORD_REUSED] = "REUSED",
        [WORD_FULL] = "FULL",       [WORD_ALREADY] = "ALREADY",   [WORD_ADDRESS] = "ADDRESS",
        [WORD_LIMITED] = "LIMITED", [WORD_SEEN] = "SEEN",         [WORD_OVER] = "OVER",
        [WORD_TAKEN] = "TAKEN",     [WORD_UNFILLED] = "UNFILLED", [WORD_OPTED_OUT] = "OPTED_OUT",
        [WORD_ERASED] = "ERASED",
    };
    if (reply->type == REDIS_REPLY_ARRAY) {
        return reply->elements > 0 && reply->element[0]->type != REDIS_REPLY_ARRAY ? library_word(reply->element[0])
                                                                                   : WORD_OTHER;
    }
    bool is_text = reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS;
    for (size_t i = WORD_OK; is_text && i < sizeof words / sizeof *words; i++) {
        if (strcmp(reply->str, words[i]) == 0) {
            return (enum library_word)i;
        }
    }
    return WORD_OTHER;
}
