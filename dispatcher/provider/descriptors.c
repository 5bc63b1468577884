// SPDX-License-Identifier: MIT
#include "dispatcher/provider/descriptors.h"

#include <inttypes.h>

#include "shared/base/log.h"
#include "shared/loop/process.h"

// A call needs one: libcurl keeps no more connections for later than there were calls at once. Five hundred calls share
// a multi handle (shared/loop/transport.c), which has two of its own.
enum { CALLS_A_MULTI = 500, DESCRIPTORS_A_MULTI = 2 };

static size_t multis(size_t calls) {
    return (calls + CALLS_A_MULTI - 1) / CALLS_A_MULTI;
}

size_t descriptors_raise(size_t wanted, size_t providers, size_t others) {
    uint64_t needed = providers * (wanted + DESCRIPTORS_A_MULTI * multis(wanted)) + others;
    uint64_t limit = process_raise_descriptors(needed);
    if (limit >= needed) {
        return wanted;
    }
    size_t room = limit > others ? (limit - others) / providers : 0;
    size_t own = DESCRIPTORS_A_MULTI * multis(room);
    size_t fit = room > own ? room - own : 1;
    log_warn("in_flight_lowered",
             "DISPATCH_MAX_IN_FLIGHT is %zu, but only %zu calls a provider fit the limit of %" PRIu64
             " open files (ulimit -n)",
             wanted, fit, limit);
    return fit;
}
