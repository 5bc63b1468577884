// SPDX-License-Identifier: MIT
#ifndef SHARED_BASE_BACKOFF_H
#define SHARED_BASE_BACKOFF_H

#include <stdint.h>

// Full-jitter exponential backoff: a uniformly random wait between 0 and min(cap, base * 2^attempt)
// ("Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
// attempt counts from 0. Result in ms, at least 1. Uses a per-thread generator seeded from libcrypto.
int64_t backoff_full_jitter_ms(unsigned attempt, int64_t base_ms, int64_t cap_ms);

#endif
