// SPDX-License-Identifier: MIT
#include "ingest/request/webhook.h"

#include <stdlib.h>

#include "ingest/request/request.h"
#include "ingest/request/resources.h"
#include "shared/provider/provider.h"
#include "shared/settings/live.h"

bool webhook_is_route(const struct route *route) {
    return (route->flags & (ROUTE_WEBHOOK_SMS | ROUTE_WEBHOOK_EMAIL)) != 0;
}

enum provider webhook_provider(const struct route *route) {
    return route->flags & ROUTE_WEBHOOK_SMS ? PROVIDER_SMS_MMS : PROVIDER_EMAIL;
}

enum provider_route webhook_route(const struct route *route) {
    return route->flags & ROUTE_RECEIPTS ? PROVIDER_ROUTE_RECEIPTS : PROVIDER_ROUTE_MESSAGES;
}

void webhook_find_way_in(struct ingest_request *request) {
    const struct route *route = request->match.route;
    request->way_in = provider_way_in(request->with->settings, webhook_provider(route), webhook_route(route),
                                      http_header(request->http, "Content-Type"));
}

static const char *webhook_header(const void *context, const char *name) {
    const struct ingest_request *request = context;
    return http_header(request->http, name);
}

static const char *webhook_parameter(const void *context, const char *name) {
    const struct ingest_request *request = context;
    return http_query(request->http, name, NULL);
}

void webhook_post_of(const struct ingest_request *request, struct webhook_post *out) {
    const char *base = request->with->settings->webhook_public_url, *target = http_target(request->http);
    *out = (struct webhook_post){.post = {.content_type = http_header(request->http, "Content-Type"),
                                          .sums = request->sums,
                                          .header = webhook_header,
                                          .parameter = webhook_parameter,
                                          .context = request}};
    if (base[0] != '\0' && target != NULL) {
        out->url = xasprintf("%s%s", base, target);
    }
    out->post.url = out->url;
    out->post.body = http_body(request->http, &out->post.length);
}

void webhook_take_body(struct ingest_request *request) {
    const struct provider_way_in *way = request->way_in;
    const struct settings *settings = request->with->settings;
    if (way == NULL) {
        return;
    }
    if (way->max_body != NULL) {
        http_set_max_body(request->http, (uint64_t)way->max_body(settings));
    }
    if (way->take_body != NULL) {
        struct provider_body body = {.sums = NULL};
        struct webhook_post post;
        webhook_post_of(request, &post);
        const struct settings *now = settings_live_take(request->with->now);
        way->take_body(now, &post.post, &body);
        settings_live_give_back(request->with->now, now);
        webhook_post_free(&post);
        http_set_filter(request->http, &body.filter);
        request->sums = body.sums;
    }
}

void webhook_post_free(struct webhook_post *post) {
    free(post->url);
}
