// SPDX-License-Identifier: MIT
#include "ingest/request/log.h"

#include <string.h>
#include <strings.h>

#include "ingest/request/request.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/http/server.h"

// Their names are logged, their values never.
static const char *const sensitive[] = {
    "Authorization", "Proxy-Authorization", "Cookie", "X-API-Key", "X-Signature", "X-Twilio-Signature",
};

#define SENSITIVE_SIZE 256

struct sensitive_names {
    char text[SENSITIVE_SIZE];
};

static void note_sensitive(void *argument, const char *name, const char *value) {
    (void)value;
    struct sensitive_names *names = argument;
    for (size_t i = 0; i < sizeof sensitive / sizeof *sensitive; i++) {
        if (strcasecmp(name, sensitive[i]) == 0 && strstr(names->text, sensitive[i]) == NULL) {
            if (names->text[0] != '\0') {
                strcat(names->text, ",");
            }
            strcat(names->text, sensitive[i]);
        }
    }
}

void request_log(const struct ingest_request *request, unsigned status) {
    struct log_line *line = log_begin(LOG_INFO, "request");
    if (line == NULL) {
        return;
    }
    struct sensitive_names names = {""};
    http_each_header(request->http, note_sensitive, &names);
    log_str(line, "method", http_method(request->http));
    log_str(line, "path", http_path(request->http));
    log_int(line, "status", status);
    log_int(line, "duration_us", clock_monotonic_us() - http_started_us(request->http));
    log_str(line, "client_ip", request->client);
    log_str(line, "correlation_id", request->id);
    log_str(line, "key_name", request->key_name);
    log_int(line, "header_count", http_header_count(request->http));
    log_str(line, "sensitive_headers", names.text);
    log_str(line, "message_id", request->message_id);
    log_end(line);
}

void request_log_mock(const struct ingest_request *request, const char *event) {
    struct log_line *line = log_begin(LOG_INFO, event);
    log_bool(line, "mock", true);
    log_str(line, "correlation_id", request->id);
    log_str(line, "message_id", request->message_id);
    log_end(line);
}

void request_log_trouble(const struct ingest_request *request, enum log_level level, const char *event,
                         const char *message) {
    struct log_line *line = log_begin(level, event);
    log_str(line, "correlation_id", request->id);
    log_str(line, "message_id", request->message_id);
    log_str(line, "message", message);
    log_end(line);
}
