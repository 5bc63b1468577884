// SPDX-License-Identifier: MIT
#ifndef TESTS_CHAOS_LOAD_H
#define TESTS_CHAOS_LOAD_H

#include <stdint.h>

#include "tests/chaos/ledger.h"
#include "tests/chaos/options.h"

// The clients: threads that post the messages of content.h one after the other, as many as it takes for the wanted
// number of acceptances since the start. A refused message is posted again until it is accepted. One whose fate is
// unknown is posted again where that is safe: under its Idempotency-Key as long as that is remembered, or as a webhook.
// Some that were accepted are posted once more later on, as impatient clients and providers do.

struct load;

#define IDEMPOTENCY_SECS 30 // what ingest is told to remember
#define LOAD_LEAST 200      // messages that must have been accepted, for the audit to look at

struct load *load_begin(const struct options *options, struct ledger *ledger, const uint16_t *ports, int port_count);
// No further messages once LOAD_LEAST have been accepted, or after 30 s; waits until those under way have been
// answered.
void load_end(struct load *load);

// One more mail, of a sender whom nobody refuses, once the load has ended. Returns once it is accepted.
void load_post_mail(const struct options *options, struct ledger *ledger, uint16_t port);

#endif
