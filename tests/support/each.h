// SPDX-License-Identifier: MIT
#ifndef TESTS_SUPPORT_EACH_H
#define TESTS_SUPPORT_EACH_H

#include <check.h>

// For an assertion that is made thousands of times: ck_assert tells the runner of each one it passes, which takes
// longer than what is tested; this one speaks only when it fails.
#define ASSERT_EACH(condition)                                                                                         \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            ck_abort_msg("not so: %s", #condition);                                                                    \
    } while (0)

#endif
