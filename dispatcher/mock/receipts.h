// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_MOCK_RECEIPTS_H
#define DISPATCHER_MOCK_RECEIPTS_H

#include <stdbool.h>
#include <uv.h>

#include "dispatcher/mock/config.h"
#include "dispatcher/mock/outbox.h"
#include "dispatcher/mock/stats.h"
#include "dispatcher/mock/teller.h"
#include "dispatcher/mock/wire.h"

// What becomes of the messages that the mock has accepted, and that it is told.

struct mock_receipts;

// Checks the settings that receipts go by: NULL, or what is wrong with which, owned by the caller.
char *mock_receipts_check(const struct settings *settings) MUST_CHECK;
// settings have been checked, WEBHOOK_PUBLIC_URL too; they, config and stats must outlive it. NULL with errno set where
// MOCK_RECEIPT_FILE can't be opened or libcurl can't begin.
struct mock_receipts *mock_receipts_create(uv_loop_t *loop, const struct settings *settings,
                                           const struct mock_behaviour *config, struct mock_stats *stats);
// The sequences of fates start over.
void mock_receipts_restart(struct mock_receipts *receipts);
// A message was accepted for the first time, with this answer. key: its idempotency key, or NULL.
void mock_receipts_follow(struct mock_receipts *receipts, enum provider provider, const struct mock_request *request,
                          const struct mock_answer *answer, const char *key);
const struct mock_outbox *mock_receipts_outbox(const struct mock_receipts *receipts);
const struct mock_teller *mock_receipts_teller(const struct mock_receipts *receipts);
void mock_receipts_destroy(struct mock_receipts *receipts);

#endif
