// SPDX-License-Identifier: MIT
#include "tests/bench/lib/traffic.h"

#include <stdio.h>

void traffic_sender(size_t number, char out[TRAFFIC_SENDER_SIZE]) {
    snprintf(out, TRAFFIC_SENDER_SIZE, "+1201666%04u", (unsigned)(number % TRAFFIC_SENDERS));
}
