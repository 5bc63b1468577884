// SPDX-License-Identifier: MIT
#ifndef TESTS_SUPPORT_TARGET_H
#define TESTS_SUPPORT_TARGET_H

#include "shared/redis/target.h"

// Where a URL leads, for a test's links: without files. It lives as long as the process.
struct redis_target *target_at(const char *url);

#endif
