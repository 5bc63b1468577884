// SPDX-License-Identifier: MIT
#ifndef TESTS_SUPPORT_PORT_H
#define TESTS_SUPPORT_PORT_H

#include <stdint.h>

// A port on which nobody listens and which no other test of this machine is given before this process, and those that
// it has forked without exec, have ended. Fails the test when there is none.
uint16_t free_port(void);

#endif
