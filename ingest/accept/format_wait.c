// SPDX-License-Identifier: MIT
#include "ingest/accept/format_wait.h"

#include <stdint.h>
#include <stdlib.h>

#include "ingest/accept/acceptance.h"
#include "ingest/request/request.h"
#include "ingest/request/resources.h"
#include "ingest/request/response.h"
#include "shared/base/clock.h"
#include "shared/message/format.h"

enum {
    LOOK_AGAIN_MS = 100,
    MOST_WAIT_MS = FORMAT_SETTLE_MS + 3000, // providers wait for 15 s
    RETRY_UPGRADE_SECS = 5,
};

struct format_waits {
    uv_timer_t timer;
    struct ingest_request *first; // by next_held, the last one that came before the others
};

static void format_waits_on_timer(uv_timer_t *timer) {
    struct format_waits *waits = timer->data;
    struct ingest_request *request = waits->first, *next;
    waits->first = NULL;
    for (; request != NULL; request = next) {
        next = ((struct acceptance *)request->state)->next_held;
        if (request_reply_came(request)) {
            request->match.route->handle(request); // may wait again
        }
    }
}

bool format_wait_for(struct ingest_request *request, int format) {
    struct format_waits *waits = request->with->format_waits;
    struct acceptance *acceptance = request->state;
    int64_t now_ms = clock_boot_ms();
    if (format_to_write() >= format || !format_is_coming(format, now_ms)) {
        return false;
    }
    acceptance->waits_ms = acceptance->waits_ms == 0 ? now_ms : acceptance->waits_ms;
    if (now_ms - acceptance->waits_ms > MOST_WAIT_MS) {
        return false;
    }
    acceptance->next_held = waits->first;
    waits->first = request;
    request_expect_reply(request);
    if (!uv_is_active((uv_handle_t *)&waits->timer)) {
        uv_timer_start(&waits->timer, format_waits_on_timer, LOOK_AGAIN_MS, 0);
    }
    return true;
}

void format_wait_refuse(struct ingest_request *request) {
    response_unavailable(request, "a program of an older release, which can't read this message, is still running",
                         RETRY_UPGRADE_SECS, false);
}

struct format_waits *format_waits_create(uv_loop_t *loop) {
    struct format_waits *waits = xcalloc(1, sizeof *waits);
    waits->timer.data = waits;
    uv_timer_init(loop, &waits->timer);
    return waits;
}

static void format_waits_on_closed(uv_handle_t *handle) {
    free(handle->data);
}

void format_waits_destroy(struct format_waits *waits) {
    for (struct ingest_request *request = waits->first, *next; request != NULL; request = next) {
        next = ((struct acceptance *)request->state)->next_held;
        if (request_reply_came(request)) {
            response_unavailable(request, "this process is being stopped", 1, false);
        }
    }
    uv_close((uv_handle_t *)&waits->timer, format_waits_on_closed);
}
