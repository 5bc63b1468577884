// SPDX-License-Identifier: MIT
#ifndef TESTS_BENCH_LIB_TRAFFIC_H
#define TESTS_BENCH_LIB_TRAFFIC_H

#include <stddef.h>

// The sends that every stage and every ceiling uses: number i is an SMS from one of `senders` numbers to always the
// same one, so that there are as many conversations as senders.

#define TRAFFIC_SENDERS 10000
#define TRAFFIC_TO "+18045551234"
#define TRAFFIC_BODY "Hello! This is a test SMS message."
#define TRAFFIC_TIME "2024-11-01T14:00:00Z"
#define TRAFFIC_SENDER_SIZE 16

void traffic_sender(size_t number, char out[TRAFFIC_SENDER_SIZE]);

#endif
