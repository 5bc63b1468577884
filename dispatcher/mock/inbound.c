// SPDX-License-Identifier: MIT
#include "dispatcher/mock/inbound.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "dispatcher/mock/arrival.h"
#include "dispatcher/mock/sendgrid_events.h"
#include "dispatcher/mock/twilio_form.h"
#include "dispatcher/mock/waiter.h"
#include "shared/base/json.h"
#include "shared/base/mem.h"
#include "shared/base/uuid.h"

enum { MOST_UNDER_WAY = 64, MOST_HEADERS = 8 };

struct mock_inbound {
    const struct mock_teller *teller;
    struct mock_poster *poster;
};

// One that waits for its webhook's answer.
struct inbound_wait {
    struct mock_waiter waiter; // first
    struct http_request *http; // NULL: gone
};

static void mock_inbound_fail(struct http_request *http, unsigned status, const char *message) {
    struct buf body = {0};
    buf_putc(&body, '{');
    json_write_member(&body, "message", message);
    buf_putc(&body, '}');
    http_reply(http, status, "application/json", body.data, body.length);
    buf_free(&body);
}

static void mock_inbound_on_gone(struct mock_waiter *waiter) {
    ((struct inbound_wait *)(void *)waiter)->http = NULL;
}

static void mock_inbound_on_posted(void *argument, const struct mock_posted *posted) {
    struct inbound_wait *wait = argument;
    struct http_request *http = wait->http;
    if (http != NULL) {
        http_set_context(http, NULL);
    }
    if (http != NULL && posted->status >= 200) {
        bool empty = posted->length == 0;
        http_reply(http, (unsigned)posted->status, empty ? NULL : posted->content_type, posted->body, posted->length);
    } else if (http != NULL) {
        char *message = xasprintf("WEBHOOK_PUBLIC_URL's webhook did not answer: %s", posted->error);
        mock_inbound_fail(http, 502, message);
        free(message);
    }
    free(wait);
}

// What is posted; all of it owned.
struct inbound_post {
    char *url;
    struct buf body;
    char *headers[MOST_HEADERS];
    size_t header_count;
};

static void mock_inbound_free_post(struct inbound_post *post) {
    free(post->url);
    buf_free(&post->body);
    for (size_t i = 0; i < post->header_count; i++) {
        free(post->headers[i]);
    }
}

static void write_sms(const struct mock_teller *teller, const struct mock_arrival *arrival, struct inbound_post *out) {
    const char *secret = teller->settings->webhook_secrets[PROVIDER_SMS_MMS][0];
    out->url = xasprintf("%s/api/webhooks/sms", teller->settings->webhook_public_url);
    mock_arrival_write_form(arrival, teller->settings->provider_sms_account, &out->body);
    out->headers[out->header_count++] = xstrdup("Content-Type: application/x-www-form-urlencoded; charset=UTF-8");
    out->headers[out->header_count++] = xstrdup("User-Agent: TwilioProxy/1.1");
    if (*secret != '\0') {
        char *signature = mock_form_signature(secret, out->url, &out->body);
        out->headers[out->header_count++] = xasprintf("X-Twilio-Signature: %s", signature);
        free(signature);
    }
}

static void write_mail(const struct mock_teller *teller, const struct mock_arrival *arrival, struct inbound_post *out) {
    char boundary[UUID_TEXT_SIZE]; // so that no body holds it
    struct uuid uuid = uuid_v7();
    uuid_format(&uuid, boundary);
    out->url = xasprintf("%s/api/webhooks/email", teller->settings->webhook_public_url);
    mock_arrival_write_mail(arrival, boundary, &out->body);
    out->headers[out->header_count++] = xasprintf("Content-Type: multipart/form-data; boundary=%s", boundary);
    out->headers[out->header_count++] = xstrdup("User-Agent: Sendlib/1.0 server.sendgrid.net");
    out->header_count += mock_events_sign(teller, out->body.data, out->body.length, out->headers + out->header_count);
}

static void mock_inbound_pass_on(struct mock_inbound *inbound, struct http_request *http,
                                 const struct mock_arrival *arrival) {
    struct inbound_post post = {0};
    struct inbound_wait *wait = xcalloc(1, sizeof *wait);
    const char *headers[MOST_HEADERS + 1] = {0};
    (arrival->is_email ? write_mail : write_sms)(inbound->teller, arrival, &post);
    for (size_t i = 0; i < post.header_count; i++) {
        headers[i] = post.headers[i];
    }
    *wait = (struct inbound_wait){.waiter = {mock_inbound_on_gone}, .http = http};
    http_set_context(http, &wait->waiter);
    mock_poster_send(
        inbound->poster,
        &(struct mock_post){.url = post.url, .headers = headers, .body = post.body.data, .length = post.body.length},
        mock_inbound_on_posted, wait);
    mock_inbound_free_post(&post);
}

// A page of another origin can't say this of a body without being asked for leave first, which the mock never gives.
static bool mock_inbound_is_json(const char *content_type) {
    static const char json[] = "application/json";
    size_t length = strlen(json);
    return content_type != NULL && strncasecmp(content_type, json, length) == 0 &&
           strchr("; \t", content_type[length]) != NULL;
}

void mock_inbound_serve(struct mock_inbound *inbound, struct http_request *http, enum http_body_state state) {
    if (!mock_inbound_is_json(http_header(http, "Content-Type"))) {
        mock_inbound_fail(http, 415, "Content-Type must be application/json");
        return;
    }
    if (state != HTTP_BODY_OK) {
        mock_inbound_fail(http, 413, "the body is too large");
        return;
    }
    size_t length;
    const char *body = http_body(http, &length), *error;
    cJSON *document = json_parse(body, length, &error);
    struct mock_arrival arrival = {0};
    error = document != NULL ? mock_arrival_read(document, &arrival) : error;
    if (error != NULL) {
        mock_inbound_fail(http, 400, error);
    } else if (*inbound->teller->settings->webhook_public_url == '\0') {
        mock_inbound_fail(http, 503, "WEBHOOK_PUBLIC_URL is not set: the mock doesn't know whose webhooks to call");
    } else {
        mock_inbound_pass_on(inbound, http, &arrival);
    }
    cJSON_Delete(document);
}

struct mock_inbound *mock_inbound_create(uv_loop_t *loop, const struct mock_teller *teller) {
    struct mock_poster *poster = mock_poster_create(loop, teller->settings, MOST_UNDER_WAY);
    if (poster == NULL) {
        return NULL;
    }
    struct mock_inbound *inbound = xcalloc(1, sizeof *inbound);
    inbound->teller = teller;
    inbound->poster = poster;
    return inbound;
}

void mock_inbound_destroy(struct mock_inbound *inbound) {
    mock_poster_destroy(inbound->poster);
    free(inbound);
}
