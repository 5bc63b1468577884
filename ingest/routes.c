// SPDX-License-Identifier: MIT
#include "ingest/routes.h"

#include <stdbool.h>
#include <string.h>

#include "ingest/accept/intake.h"
#include "ingest/accept/receipts.h"
#include "ingest/batch/batch.h"
#include "ingest/cancel/cancel.h"
#include "ingest/console/static_files.h"
#include "ingest/dead_letters/dead_letters.h"
#include "ingest/dead_letters/replay_many.h"
#include "ingest/dead_letters/replay_one.h"
#include "ingest/erase/erase.h"
#include "ingest/mock/control.h"
#include "ingest/opt_outs/opt_outs_change.h"
#include "ingest/opt_outs/opt_outs_list.h"
#include "ingest/read/conversations.h"
#include "ingest/read/messages.h"
#include "ingest/watch/events.h"
#include "ingest/watch/health.h"
#include "ingest/watch/metrics.h"

static const char health_pattern[] = "HEALTH_PATH"; // the setting's value stands here
static const char parameter_mark[] = "{id}";

// clang-format off
static const struct route routes[] = {
    {"POST", "/api/messages/sms",                intake_send_sms,        SCOPE_SEND,  ROUTE_BODY | ROUTE_INCOMING | ROUTE_MESSAGE | ROUTE_SEND},
    {"POST", "/api/messages/email",              intake_send_email,      SCOPE_SEND,  ROUTE_BODY | ROUTE_INCOMING | ROUTE_MESSAGE | ROUTE_SEND},
    {"POST", "/api/messages/batch",              batch_send,             SCOPE_SEND,  ROUTE_BODY | ROUTE_INCOMING | ROUTE_SEND | ROUTE_LIST},
    {"POST", "/api/webhooks/sms",                intake_webhook,         SCOPE_NONE,  ROUTE_BODY | ROUTE_INCOMING | ROUTE_MESSAGE | ROUTE_WEBHOOK_SMS},
    {"POST", "/api/webhooks/email",              intake_webhook,         SCOPE_NONE,  ROUTE_BODY | ROUTE_INCOMING | ROUTE_MESSAGE | ROUTE_WEBHOOK_EMAIL},
    {"POST", "/api/webhooks/sms/status",         receipts_take,          SCOPE_NONE,  ROUTE_BODY | ROUTE_INCOMING | ROUTE_WEBHOOK_SMS | ROUTE_RECEIPTS},
    {"POST", "/api/webhooks/email/events",       receipts_take,          SCOPE_NONE,  ROUTE_BODY | ROUTE_INCOMING | ROUTE_WEBHOOK_EMAIL | ROUTE_RECEIPTS},
    {"POST", "/api/provider/mock/inbound",       intake_mock_inbound,    SCOPE_ADMIN, ROUTE_BODY | ROUTE_INCOMING | ROUTE_MESSAGE},
    {"GET",  "/api/provider/mock/config",        mock_control_show,      SCOPE_ADMIN, ROUTE_JSON},
    {"PUT",  "/api/provider/mock/config",        mock_control_change,    SCOPE_ADMIN, ROUTE_BODY},
    {"GET",  "/api/messages/{id}",               messages_show,          SCOPE_READ,  ROUTE_JSON},
    {"DELETE", "/api/messages/{id}",             cancel_message,         SCOPE_SEND,  ROUTE_INCOMING},
    {"GET",  "/api/conversations",               conversations_list,     SCOPE_READ,  ROUTE_JSON},
    {"DELETE", "/api/conversations/{id}",        erase_conversation,     SCOPE_ADMIN, ROUTE_INCOMING},
    {"GET",  "/api/conversations/{id}/messages", messages_list,          SCOPE_READ,  ROUTE_JSON},
    {"GET",  "/api/dead-letters",                dead_letters_list,      SCOPE_ADMIN, ROUTE_JSON},
    {"POST", "/api/dead-letters/replay",         replay_many,            SCOPE_ADMIN, ROUTE_BODY | ROUTE_INCOMING},
    {"GET",  "/api/dead-letters/{id}",           dead_letters_show,      SCOPE_ADMIN, ROUTE_JSON},
    {"POST", "/api/dead-letters/{id}/replay",    replay_one,             SCOPE_ADMIN, ROUTE_BODY | ROUTE_EMPTY_BODY | ROUTE_INCOMING},
    {"GET",  "/api/opt-outs",                    opt_outs_list,          SCOPE_ADMIN, ROUTE_JSON},
    {"PUT",  "/api/opt-outs",                    opt_outs_put,           SCOPE_ADMIN, ROUTE_BODY},
    {"DELETE", "/api/opt-outs",                  opt_outs_delete,        SCOPE_ADMIN, 0},
    {"GET",  health_pattern,                     health_alive,           SCOPE_NONE,  ROUTE_JSON},
    {"GET",  "/readyz",                          health_ready,           SCOPE_NONE,  ROUTE_JSON},
    {"GET",  "/metrics",                         metrics_show,           SCOPE_NONE,  0},
    {"GET",  "/",                                static_files_page,      SCOPE_NONE,  ROUTE_PAGE},
    {"GET",  "/console.css",                     static_files_style,     SCOPE_NONE,  0},
    {"GET",  "/console.js",                      static_files_script,    SCOPE_NONE,  0},
    {"GET",  "/api/events",                      events_show,            SCOPE_READ,  ROUTE_EVENTS},
    {"GET",  "/openapi.yaml",                    static_files_openapi,   SCOPE_NONE,  0},
};
// clang-format on

static const size_t route_count = sizeof routes / sizeof *routes;

static bool matches_literally(const struct route *route, const char *path, const char *health_path) {
    return strcmp(path, route->pattern == health_pattern ? health_path : route->pattern) == 0;
}

// {id} stands for one non-empty segment; one too long for an id of any kind matches nothing.
static bool matches_pattern(const struct route *route, const char *path, char parameter[ROUTE_PARAMETER_SIZE]) {
    const char *mark = strstr(route->pattern, parameter_mark);
    if (mark == NULL || strncmp(path, route->pattern, (size_t)(mark - route->pattern)) != 0) {
        return false;
    }
    const char *segment = path + (mark - route->pattern);
    size_t length = strcspn(segment, "/");
    if (length == 0 || length >= ROUTE_PARAMETER_SIZE ||
        strcmp(segment + length, mark + sizeof parameter_mark - 1) != 0) {
        return false;
    }
    memcpy(parameter, segment, length);
    parameter[length] = '\0';
    return true;
}

static bool serves(const struct route *route, const char *method) {
    return strcmp(method, route->method) == 0 || (strcmp(method, "HEAD") == 0 && strcmp(route->method, "GET") == 0);
}

static void add_allowed(char allow[ROUTE_ALLOW_SIZE], const char *method) {
    if (allow[0] != '\0') {
        strcat(allow, ", ");
    }
    strcat(allow, strcmp(method, "GET") == 0 ? "GET, HEAD" : method);
}

static void route_take_row(const struct route *route, const char *method, struct route_match *out) {
    add_allowed(out->allow, route->method);
    if (serves(route, method)) {
        out->route = route;
    }
}

static void allow_all(char allow[ROUTE_ALLOW_SIZE]) {
    for (size_t i = 0; i < route_count; i++) {
        if (strstr(allow, routes[i].method) == NULL) {
            add_allowed(allow, routes[i].method);
        }
    }
}

// The first pattern that fits, in each row that has it.
static void route_find_pattern(const char *method, const char *path, struct route_match *out) {
    const char *found = NULL;
    for (size_t i = 0; i < route_count; i++) {
        bool fits =
            found == NULL ? matches_pattern(&routes[i], path, out->parameter) : strcmp(routes[i].pattern, found) == 0;
        if (fits) {
            found = routes[i].pattern;
            route_take_row(&routes[i], method, out);
        }
    }
}

enum route_result route_find(const char *method, const char *path, const char *health_path, struct route_match *out) {
    *out = (struct route_match){0};
    if (strcmp(path, "*") == 0) {
        allow_all(out->allow);
    }
    for (size_t i = 0; i < route_count; i++) {
        if (matches_literally(&routes[i], path, health_path)) {
            route_take_row(&routes[i], method, out);
        }
    }
    if (out->allow[0] == '\0') {
        route_find_pattern(method, path, out);
    }
    if (out->route != NULL) {
        return ROUTE_FOUND;
    }
    return out->allow[0] != '\0' ? ROUTE_OTHER_METHOD : ROUTE_UNKNOWN;
}
