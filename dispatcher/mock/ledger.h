// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_MOCK_LEDGER_H
#define DISPATCHER_MOCK_LEDGER_H

#include "dispatcher/mock/stats.h"
#include "shared/message/message.h"

// A file that gains one line a call before the call is answered: milliseconds since 1970, provider, idempotency key
// ("-" where there was none), outcome. What a test compares with what was accepted; it outlives the mock's own memory.

struct mock_ledger;

// Appends to path. "" gives a ledger that keeps nothing; NULL with errno set when the file can't be opened.
struct mock_ledger *mock_ledger_open(const char *path);
void mock_ledger_close(struct mock_ledger *ledger);
// key may be NULL.
void mock_ledger_add(struct mock_ledger *ledger, enum provider provider, const char *key, enum mock_verdict verdict);
// Appends lines of the caller's own, each ended by '\n', with the time before each.
void mock_ledger_note(struct mock_ledger *ledger, const char *lines);

#endif
