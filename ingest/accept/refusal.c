// SPDX-License-Identifier: MIT
#include "ingest/accept/refusal.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "ingest/request/request.h"
#include "ingest/request/resources.h"
#include "ingest/request/response.h"

// Fields that say from whom to whom by which way.
static bool is_routing(const char *field) {
    static const char *const names[] = {"from", "to", "type", "channel"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(field, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

void refusal_answer(struct ingest_request *request, const char *field, const char *reason) {
    if (is_routing(field)) {
        counters_add(request->with->counters, COUNTER_INVALID_ROUTING, 1);
    }
    if (field[0] != '\0') {
        response_bad_field(request, field, reason);
    } else {
        response_error(request, API_BAD_REQUEST, reason);
    }
}
