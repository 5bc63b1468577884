// SPDX-License-Identifier: MIT
#ifndef INGEST_BATCH_PART_H
#define INGEST_BATCH_PART_H

#include <stddef.h>

#include "ingest/batch/state.h"

// One message of a batch.

// The messages' bytes of the client's budget: a part's own memory and its answer.
enum { BATCH_PART_BYTES = 2048 };

// Sends the message at that place: its answer comes within this call or later, and with it batch->answered.
void batch_part_send(struct batch *batch, size_t place);
// Sends it once more, where Redis had no library for it. Where one behind it in the list has been accepted meanwhile,
// it is refused instead.
void batch_part_again(struct batch *batch, size_t place);
// Answers it as one that the end of the process keeps from being sent.
void batch_part_stop(struct batch *batch, size_t place);

#endif
