// SPDX-License-Identifier: MIT
#ifndef SHARED_MESSAGE_SPAN_H
#define SHARED_MESSAGE_SPAN_H

#include <stddef.h>

// A stretch of somebody else's text, without a NUL behind it.
struct span {
    const char *text;
    size_t length; // bytes
};

// What is left behind `skipped` bytes.
struct span span_tail(struct span span, size_t skipped);
// Without white space (Unicode's) and marks that aren't seen (unicode_is_invisible) at both ends.
struct span span_trim(struct span span);

#endif
