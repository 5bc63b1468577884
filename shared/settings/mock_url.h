// SPDX-License-Identifier: MIT
#ifndef SHARED_SETTINGS_MOCK_URL_H
#define SHARED_SETTINGS_MOCK_URL_H

#include <stdbool.h>
#include <stdint.h>

// Whether a PROVIDER_*_URL is the mock's: its port, on this machine or on the host of the mock's name in
// docker-compose.yml. What is no http:// or https:// URL isn't.
bool mock_url_is(const char *url, int64_t mock_port);

#endif
