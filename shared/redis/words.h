// SPDX-License-Identifier: MIT
#ifndef SHARED_REDIS_WORDS_H
#define SHARED_REDIS_WORDS_H

#include <hiredis/hiredis.h>

// The words in which the functions of redis/messaging.lua answer.

enum library_word {
    WORD_OTHER,  // none of these, or a reply of another shape
    WORD_OK,     // renew, give_back, quarantine, settle, replay_keep: done
    WORD_LOST,   // and admit: the entry, or the job, is another's by now
    WORD_LATE,   // settle: LOST, but the success is recorded
    WORD_PARKED, // settle, of a refusal: it is tried again
    WORD_FAILED, // settle, of a refusal: it is final
    WORD_GO,     // admit, breaker_probe: it may be called
    WORD_LATER,  // admit: it was put among the parked
    WORD_PROBE,  // breaker_probe: only so many calls
    WORD_NO,     // breaker_probe: none
    WORD_JOB,    // replay_take: here is one
};

// That of a reply which is a text, or a list that begins with one.
enum library_word library_word(const redisReply *reply);

#endif
