// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_PROVIDER_DESCRIPTORS_H
#define DISPATCHER_PROVIDER_DESCRIPTORS_H

#include <stddef.h>

// Raises the limit of open files so that `wanted` calls of each of `providers` fit beside `others`. Returns how many
// calls of each do fit: wanted, or fewer (at least 1), which is logged.
size_t descriptors_raise(size_t wanted, size_t providers, size_t others);

#endif
