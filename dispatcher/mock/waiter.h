// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_MOCK_WAITER_H
#define DISPATCHER_MOCK_WAITER_H

// What hangs on a request (http_set_context) whose answer is still to come; embedded first in whoever is to give it.
struct mock_waiter {
    void (*gone)(struct mock_waiter *waiter); // the request has ended without it: it must not be answered any more
};

#endif
