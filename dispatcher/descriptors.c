// SPDX-License-Identifier: MIT
#include "dispatcher/descriptors.h"

#include <sys/resource.h>

#include "shared/log.h"

// A call needs one, and a connection that waits to be used again may stand beside it.
enum { DESCRIPTORS_A_CALL = 2 };

size_t descriptors_raise(size_t wanted, size_t providers, size_t others) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return wanted;
    rlim_t needed = wanted * providers * DESCRIPTORS_A_CALL + others;
    if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < needed) {
        limit.rlim_cur = limit.rlim_max == RLIM_INFINITY || limit.rlim_max > needed ? needed : limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0 && getrlimit(RLIMIT_NOFILE, &limit) != 0)
            return wanted;
    }
    if (limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= needed)
        return wanted;
    size_t room = limit.rlim_cur > others ? limit.rlim_cur - others : 0;
    size_t fit = room / (providers * DESCRIPTORS_A_CALL);
    fit = fit > 0 ? fit : 1;
    log_warn("in_flight_lowered",
             "DISPATCH_MAX_IN_FLIGHT is %zu, but only %zu calls a provider fit the limit of %llu open "
             "files (ulimit -n)",
             wanted, fit, (unsigned long long)limit.rlim_cur);
    return fit;
}
