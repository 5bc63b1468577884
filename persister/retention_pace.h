// SPDX-License-Identifier: MIT
#ifndef PERSISTER_RETENTION_PACE_H
#define PERSISTER_RETENTION_PACE_H

#include <stdbool.h>
#include <stdint.h>

// How many messages are deleted in one transaction, and how long is the rest after it. A transaction shall be over
// before a batch of the persister that waits for its locks notices, and its rest shall leave the server to others for
// most of the time.

struct retention_pace {
    int rows;       // of the next transaction
    int rest_times; // so many times what a transaction took is the rest after it
};

void retention_pace_start(struct retention_pace *pace);
// At times: whether what is deleted now has been due for longer than what was deleted the last time. Then more comes in
// than goes, and the rests get shorter.
void retention_pace_judge(struct retention_pace *pace, bool falls_behind);
// A transaction of so many rows took so long: sets the rows of the next one, and returns for how many ms to rest before
// it. busy: more waits to be stored than the persister takes at a time.
int64_t retention_pace_next(struct retention_pace *pace, int64_t seen, int64_t took_us, bool busy);

#endif
