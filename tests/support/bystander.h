// SPDX-License-Identifier: MIT
#ifndef TESTS_SUPPORT_BYSTANDER_H
#define TESTS_SUPPORT_BYSTANDER_H

#include <stdint.h>

// An ordinary client in the background, while others misbehave: sends and reads in turn, each over a connection of its
// own.

struct bystander;

struct bystander_result {
    unsigned requests;
    unsigned unserved;      // of them: any answer but 200 and 202
    long last_unserved;     // the status of the last such answer; 0: there was none
    int64_t p50_ms, p99_ms; // from connecting to the whole answer
};

struct bystander *bystander_start(uint16_t port);
// How many requests were served up to now.
unsigned bystander_served(struct bystander *bystander);
// Lets it end its request, and frees it.
struct bystander_result bystander_stop(struct bystander *bystander);

#endif
