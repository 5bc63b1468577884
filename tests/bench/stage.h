// SPDX-License-Identifier: MIT
#ifndef TESTS_BENCH_STAGE_H
#define TESTS_BENCH_STAGE_H

#include "tests/bench/site.h"

// What can be measured by itself (main.c has the table). Each stage starts the programs it needs at the site and ends
// them; it fails the test when a message went missing. Where there is a ceiling, short rounds of measurement and
// ceiling take turns, and the medians are reported.

void stage_accept(struct site *site);
void stage_accept_latency(struct site *site);
void stage_batch(struct site *site);
void stage_persist(struct site *site);
void stage_dispatch(struct site *site);
void stage_in_flight(struct site *site);
void stage_end_to_end(struct site *site);
void stage_scheduled(struct site *site);
void stage_latency(struct site *site);
void stage_tls(struct site *site);
void stage_reads(struct site *site);
void stage_retention(struct site *site);
void stage_memory(struct site *site);
void stage_growth(struct site *site);

#endif
