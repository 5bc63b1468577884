// SPDX-License-Identifier: MIT
#ifndef TESTS_CHAOS_PLANT_H
#define TESTS_CHAOS_PLANT_H

#include "tests/chaos/run.h"

// An audit that finds nothing proves something only if it would find it. With CHAOS_PLANT=1, faults are made by hand
// before the audit, and the run succeeds when each of them, and nothing else, was found.

// Once all is settled: in Postgres, in Redis, in the mock's ledger.
void plant_faults(struct run *run);
// Once the programs have ended: in a log.
void plant_lines(struct run *run);
// Fails the test unless each was found.
void plant_check(struct run *run);

#endif
