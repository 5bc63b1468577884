// SPDX-License-Identifier: MIT
#ifndef TESTS_SUPPORT_TARGET_H
#define TESTS_SUPPORT_TARGET_H

#include "shared/redis/target.h"

// Where a URL leads, for a test's links. It lives as long as the process.
struct redis_target *target_at(const char *url);
// The same with these files, in the folder; NULL: not that one.
struct redis_target *target_with(const char *url, const char *folder, const char *ca, const char *certificate,
                                 const char *key);
// It leads there from now on.
void target_change(struct redis_target *target, const char *url, const char *folder, const char *ca,
                   const char *certificate, const char *key);

#endif
