// SPDX-License-Identifier: MIT
#ifndef PERSISTER_TOLD_H
#define PERSISTER_TOLD_H

#include "shared/redis/counters.h"

// Counts the receipts that were new in a batch, as sql/batch.sql tells them: a line each, "<provider> <status> <for how
// long the message had been sent, in microseconds, or -> <code, or ->". text may be "". A code that isn't one of those
// that vendors document counts as "other": whoever may send receipts must not make metrics without end.
void told_count(struct counters *counters, const char *text);

#endif
