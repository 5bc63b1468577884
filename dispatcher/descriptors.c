// SPDX-License-Identifier: MIT
#include "dispatcher/descriptors.h"

#include <sys/resource.h>

#include "shared/log.h"

// A call needs one: libcurl keeps no more connections for later than there were calls at once. Five hundred calls share
// a multi handle (transport.c), which has two of its own.
enum { CALLS_A_MULTI = 500, DESCRIPTORS_A_MULTI = 2 };

static size_t multis(size_t calls) {
    return (calls + CALLS_A_MULTI - 1) / CALLS_A_MULTI;
}

// Raises the soft limit, and the hard one too where the process may (root, CAP_SYS_RESOURCE). What it came to.
static rlim_t raise_to(rlim_t needed) {
    struct rlimit now;
    if (getrlimit(RLIMIT_NOFILE, &now) != 0)
        return RLIM_INFINITY; // it can't be known: the calls will tell
    if (now.rlim_cur >= needed)
        return now.rlim_cur;
    struct rlimit wanted = {.rlim_cur = needed, .rlim_max = now.rlim_max > needed ? now.rlim_max : needed};
    if (setrlimit(RLIMIT_NOFILE, &wanted) == 0)
        return needed;
    struct rlimit most = {.rlim_cur = now.rlim_max, .rlim_max = now.rlim_max};
    return setrlimit(RLIMIT_NOFILE, &most) == 0 ? most.rlim_cur : now.rlim_cur;
}

size_t descriptors_raise(size_t wanted, size_t providers, size_t others) {
    rlim_t needed = providers * (wanted + DESCRIPTORS_A_MULTI * multis(wanted)) + others;
    rlim_t limit = raise_to(needed);
    if (limit >= needed)
        return wanted;
    size_t room = limit > others ? (limit - others) / providers : 0;
    size_t own = DESCRIPTORS_A_MULTI * multis(room);
    size_t fit = room > own ? room - own : 1;
    log_warn("in_flight_lowered",
             "DISPATCH_MAX_IN_FLIGHT is %zu, but only %zu calls a provider fit the limit of %llu open "
             "files (ulimit -n)",
             wanted, fit, (unsigned long long)limit);
    return fit;
}
