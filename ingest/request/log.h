// SPDX-License-Identifier: MIT
#ifndef INGEST_REQUEST_LOG_H
#define INGEST_REQUEST_LOG_H

#include "shared/base/log.h"

struct ingest_request;

// The line that every request leaves. status 0: the client went away before the answer.
void request_log(const struct ingest_request *request, unsigned status);

// An event of the mock's controls, marked mock=true so that simulated flows stand out: "mock_inbound",
// "mock_config_get", "mock_config_put".
void request_log_mock(const struct ingest_request *request, const char *event);

// Something that went wrong while the request was served.
void request_log_trouble(const struct ingest_request *request, enum log_level level, const char *event,
                         const char *message);

#endif
