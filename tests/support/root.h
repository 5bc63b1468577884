// SPDX-License-Identifier: MIT
#ifndef TESTS_SUPPORT_ROOT_H
#define TESTS_SUPPORT_ROOT_H

#include <stdbool.h>

// Sets PROJECT_ROOT (the working folder), BUILD_DIR (absolute) and TEST_ROOT, a new folder that Postgres's user may
// pass, in the environment, for the rest of tests/support. Returns false with errno set where that can't be done.
bool root_prepare(void);
// Removes that folder; with keep, or with KEEP in the environment, says where it is instead.
void root_clean_up(bool keep);

#endif
