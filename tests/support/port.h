// SPDX-License-Identifier: MIT
#ifndef TESTS_SUPPORT_PORT_H
#define TESTS_SUPPORT_PORT_H

#include <stdint.h>

// A port of this machine's loopback on which nobody listens. Fails the test when there is none.
uint16_t free_port(void);

#endif
