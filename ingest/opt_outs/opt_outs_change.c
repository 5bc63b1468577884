// SPDX-License-Identifier: MIT
#include "ingest/opt_outs/opt_outs_change.h"

#include <stdlib.h>
#include <string.h>

#include "ingest/accept/acceptance.h"
#include "ingest/accept/format_wait.h"
#include "ingest/accept/opt_out.h"
#include "ingest/opt_outs/pair.h"
#include "ingest/read/paging.h"
#include "ingest/request/request.h"
#include "ingest/request/resources.h"
#include "ingest/request/response.h"
#include "shared/base/json.h"
#include "shared/message/format.h"
#include "shared/message/opt_out.h"
#include "shared/redis/opt_out_call.h"

#define RETRY_SOON_SECS 1
#define RETRY_UPGRADE_SECS 5

struct change {
    struct acceptance acceptance; // format_wait.h's
    struct opt_out opt_out;
};

static void change_forget(struct ingest_request *request) {
    struct change *change = request->state;
    opt_out_free(&change->opt_out);
}

static void change_on_set(struct ingest_request *request, bool everywhere) {
    const struct opt_out *opt_out = &((const struct change *)request->state)->opt_out;
    if (!everywhere) {
        response_unavailable(request, "Redis doesn't have it in every partition yet: repeat the request",
                             RETRY_SOON_SECS, false);
        return;
    }
    struct buf *json = &request->with->answer;
    buf_clear(json);
    buf_putc(json, '{');
    json_write_member(json, "channel", channel_name(opt_out->provider == PROVIDER_EMAIL ? CHANNEL_EMAIL : CHANNEL_SMS));
    json_write_member(json, "our_address", opt_out->our_address);
    json_write_member(json, "their_address", opt_out->their_address);
    json_write_member(json, "state", opt_out_state_name(opt_out->state));
    json_write_member_time(json, "since", opt_out->at_ms * 1000);
    json_write_member(json, "by", opt_out_by_name(opt_out->by));
    buf_putc(json, '}');
    response_json(request, 200, json);
}

static void change_set(struct ingest_request *request) {
    struct change *change = request->state;
    if (!request->with->settings->opt_out) {
        response_error(request, API_CONFLICT, "OPT_OUT is off: nothing here holds to what is set");
    } else if (format_wait_for(request, OPT_OUT_FORMAT)) {
        return;
    } else if (format_to_write() < OPT_OUT_FORMAT) {
        response_unavailable(request, "a program of an older release, which can't record it, is still running",
                             RETRY_UPGRADE_SECS, false);
    } else {
        change->opt_out.at_ms = change->opt_out.came_ms = redis_link_now_ms(request->with->redis);
        opt_outs_set(request, &change->opt_out, 1, false, change_on_set);
    }
}

// Takes the pair of these texts into the request's state, or has answered 400.
static bool change_take(struct ingest_request *request, const char *channel_text, const char *ours, const char *theirs,
                        enum opt_out_state state) {
    const struct phone_region *region = request->with->settings->phone_region;
    struct change *change = request_state(request, sizeof *change);
    struct pair_error error = {.field = "channel", .reason = "must be sms or email"};
    enum channel channel;
    bool sends = state == OPT_OUT_OUT;
    opt_out_free(&change->opt_out); // of a run before
    request->leave = change_forget;
    if (pair_channel(channel_text, &channel) == 0 &&
        (change->opt_out.our_address = pair_identity(channel, ADDRESS_FROM, ours, sends, region, &error)) != NULL &&
        (change->opt_out.their_address = pair_identity(channel, ADDRESS_TO, theirs, sends, region, &error)) != NULL) {
        change->opt_out.provider = channel == CHANNEL_EMAIL ? PROVIDER_EMAIL : PROVIDER_SMS_MMS;
        change->opt_out.state = state;
        change->opt_out.by = OPT_OUT_BY_OPERATOR;
        return true;
    }
    response_bad_field(request, error.field, error.reason);
    return false;
}

static const char *const pair_fields[] = {"channel", "our_address", "their_address"};
enum { PAIR_FIELDS = 3 };

static bool read_body_fields(struct ingest_request *request, const cJSON *root, const char *out[PAIR_FIELDS]) {
    for (size_t i = 0; i < PAIR_FIELDS; i++) {
        const cJSON *member = json_member(root, pair_fields[i]);
        if (!cJSON_IsString(member)) {
            bool absent = member == NULL || cJSON_IsNull(member);
            response_bad_field(request, pair_fields[i], absent ? "is required" : "must be a string");
            return false;
        }
        out[i] = member->valuestring;
    }
    return true;
}

void opt_outs_put(struct ingest_request *request) {
    size_t length;
    const char *error = NULL, *body = http_body(request->http, &length), *texts[PAIR_FIELDS];
    cJSON *root = json_parse(body, length, &error);
    if (root == NULL) {
        response_error(request, API_BAD_REQUEST, error);
    } else if (!cJSON_IsObject(root)) {
        response_error(request, API_BAD_REQUEST, "The document must be an object.");
    } else if (read_body_fields(request, root, texts) &&
               change_take(request, texts[0], texts[1], texts[2], OPT_OUT_OUT)) {
        change_set(request);
    }
    cJSON_Delete(root);
}

static bool read_query_fields(struct ingest_request *request, char *out[PAIR_FIELDS]) {
    for (size_t i = 0; i < PAIR_FIELDS; i++) {
        struct paging_error error;
        const char *value;
        if (paging_read_once(request->http, pair_fields[i], &value, &error) != 0) {
            response_bad_field(request, error.parameter, error.reason);
            return false;
        }
        if (value == NULL) {
            response_bad_field(request, pair_fields[i], "is required");
            return false;
        }
        out[i] = pair_of_query(value);
    }
    return true;
}

void opt_outs_delete(struct ingest_request *request) {
    char *texts[PAIR_FIELDS] = {NULL};
    if (read_query_fields(request, texts) && change_take(request, texts[0], texts[1], texts[2], OPT_OUT_IN)) {
        change_set(request);
    }
    for (size_t i = 0; i < PAIR_FIELDS; i++) {
        free(texts[i]);
    }
}
