// SPDX-License-Identifier: MIT
#ifndef TESTS_SUPPORT_WORKSPACE_H
#define TESTS_SUPPORT_WORKSPACE_H

#include <stdbool.h>

// What tests/support needs to know, in the environment: PROJECT_ROOT (the working folder), BUILD_DIR (made absolute;
// "build" unless it is set) and TEST_ROOT, a new folder that Postgres's user may pass.

// name begins the new folder's name. False, with errno, when it can't be made.
bool workspace_create(const char *name);
// Removes TEST_ROOT; with KEEP in the environment it says where it is instead.
void workspace_remove(void);

#endif
