// SPDX-License-Identifier: MIT
#ifndef PERSISTER_ACKNOWLEDGE_H
#define PERSISTER_ACKNOWLEDGE_H

#include <stddef.h>

#include "persister/batch.h"

// Entries that are recorded, and of which nothing else is to be done, leave their streams.
void acknowledge(const struct batch_entry *entries, size_t count);

#endif
