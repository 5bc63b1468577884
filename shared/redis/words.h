// SPDX-License-Identifier: MIT
#ifndef SHARED_REDIS_WORDS_H
#define SHARED_REDIS_WORDS_H

#include <hiredis/hiredis.h>

// The words in which the functions of redis/messaging.lua answer.

enum library_word {
    WORD_OTHER,     // none of these, or a reply of another shape
    WORD_OK,        // all but admit and breaker_probe: done
    WORD_LOST,      // and admit: the entry, or the job, is another's by now
    WORD_LATE,      // settle: LOST, but the success is recorded; accept: its deadline has passed
    WORD_PARKED,    // settle, of a refusal: it is tried again
    WORD_FAILED,    // settle, of a refusal: it is final
    WORD_GO,        // admit, breaker_probe: it may be called
    WORD_LATER,     // admit: it was put among the parked
    WORD_PROBE,     // breaker_probe: only so many calls
    WORD_NO,        // breaker_probe: none
    WORD_UNFILLED,  // admit: who has opted out isn't known
    WORD_OPTED_OUT, // admit, accept, replay: its pair has
    WORD_ERASED,    // admit: its conversation was, and it has ended
    WORD_JOB,       // replay_take: here is one
    // accept, keep, replay, reread, replay_ask
    WORD_REPLAY,  // the same request under its Idempotency-Key, or of the provider's id; keep: it is kept already
    WORD_REUSED,  // another request under that key
    WORD_FULL,    // the backlog is at its cap, or too many jobs wait
    WORD_ALREADY, // this generation has begun before
    WORD_ADDRESS, // its address's limit
    WORD_LIMITED, // its sender's limit
    WORD_SEEN,    // its signature came before; receipts: so did it
    WORD_OVER,    // keep: as many are kept as may be
    WORD_TAKEN,   // receipts: OK, and the message was parked
};

// That of a reply which is a text, or a list that begins with one.
enum library_word library_word(const redisReply *reply);

#endif
