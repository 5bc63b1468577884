// SPDX-License-Identifier: MIT
#include "dispatcher/mock/hold.h"

#include <stdbool.h>
#include <stdlib.h>

#include "dispatcher/mock/waiter.h"
#include "shared/base/decimal.h"

struct hold {
    struct mock_waiter waiter; // first
    struct mock_holds *holds;
    struct hold *next, **back;
    uv_timer_t timer;
    struct http_request *request;
    struct mock_answer answer; // status 0: silence
    const char *content_type;
};

struct mock_holds {
    uv_loop_t *loop;
    struct hold *first;
};

static void send_answer(struct http_request *request, const struct mock_answer *answer, const char *content_type) {
    if (answer->retry_after_secs >= 0) {
        http_add_header(request, "Retry-After", DECIMAL(answer->retry_after_secs));
    }
    if (answer->message_id != NULL) {
        http_add_header(request, "X-Message-Id", answer->message_id);
    }
    bool empty = answer->body.length == 0;
    http_reply(request, answer->status, empty ? NULL : content_type, empty ? "" : answer->body.data,
               answer->body.length);
}

static void mock_hold_on_closed(uv_handle_t *handle) {
    free(handle->data);
}

static void mock_hold_let_go(struct hold *hold) {
    http_set_context(hold->request, NULL);
    *hold->back = hold->next;
    if (hold->next != NULL) {
        hold->next->back = hold->back;
    }
    mock_answer_free(&hold->answer);
    uv_close((uv_handle_t *)&hold->timer, mock_hold_on_closed);
}

static void mock_hold_finish(struct hold *hold) {
    struct http_request *request = hold->request;
    if (hold->answer.status > 0) {
        send_answer(request, &hold->answer, hold->content_type);
    } else {
        http_reply_and_close(request, 504, NULL, "", 0);
    }
    mock_hold_let_go(hold);
}

static void mock_hold_on_timer(uv_timer_t *timer) {
    mock_hold_finish(timer->data);
}

static void mock_hold_on_gone(struct mock_waiter *waiter) {
    mock_hold_let_go((struct hold *)(void *)waiter);
}

static void mock_hold_keep(struct mock_holds *holds, struct http_request *request, const struct mock_answer *answer,
                           const char *content_type, int64_t delay_ms) {
    struct hold *hold = xcalloc(1, sizeof *hold);
    *hold = (struct hold){.waiter = {mock_hold_on_gone},
                          .holds = holds,
                          .request = request,
                          .answer = *answer,
                          .content_type = content_type};
    hold->next = holds->first;
    hold->back = &holds->first;
    if (hold->next != NULL) {
        hold->next->back = &hold->next;
    }
    holds->first = hold;
    hold->timer.data = hold;
    http_set_context(request, &hold->waiter);
    uv_timer_init(holds->loop, &hold->timer);
    uv_timer_start(&hold->timer, mock_hold_on_timer, (uint64_t)delay_ms, 0);
}

void mock_hold_answer(struct mock_holds *holds, struct http_request *request, struct mock_answer *answer,
                      const char *content_type, int64_t delay_ms) {
    if (delay_ms == 0) {
        send_answer(request, answer, content_type);
        mock_answer_free(answer);
        return;
    }
    mock_hold_keep(holds, request, answer, content_type, delay_ms);
    *answer = (struct mock_answer){.retry_after_secs = -1};
}

void mock_hold_silent(struct mock_holds *holds, struct http_request *request, int64_t delay_ms) {
    mock_hold_keep(holds, request, &(struct mock_answer){.retry_after_secs = -1}, NULL, delay_ms);
}

void mock_holds_release(struct mock_holds *holds) {
    while (holds->first != NULL) {
        mock_hold_finish(holds->first);
    }
}

struct mock_holds *mock_holds_create(uv_loop_t *loop) {
    struct mock_holds *holds = xcalloc(1, sizeof *holds);
    holds->loop = loop;
    return holds;
}

void mock_holds_destroy(struct mock_holds *holds) {
    free(holds);
}
