// SPDX-License-Identifier: MIT
#include "shared/message/opt_out.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/json.h"
#include "shared/message/entry.h"

static const char *const states[] = {[OPT_OUT_OUT] = "out", [OPT_OUT_IN] = "in"};
static const char *const sources[] = {
    [OPT_OUT_BY_RECIPIENT] = "recipient", [OPT_OUT_BY_PROVIDER] = "provider", [OPT_OUT_BY_OPERATOR] = "operator"};

const char *opt_out_state_name(enum opt_out_state state) {
    return states[state];
}

int opt_out_state_parse(const char *text, enum opt_out_state *out) {
    for (enum opt_out_state state = OPT_OUT_OUT; state <= OPT_OUT_IN; state++) {
        if (strcmp(text, states[state]) == 0) {
            *out = state;
            return 0;
        }
    }
    return -1;
}

const char *opt_out_by_name(enum opt_out_by by) {
    return sources[by];
}

void opt_out_encode(const struct opt_out *opt_out, struct buf *out) {
    buf_putc(out, '{');
    json_write_member(out, "provider", provider_name(opt_out->provider));
    json_write_member(out, "our", opt_out->our_address);
    json_write_member(out, "their", opt_out->their_address);
    json_write_member(out, "state", opt_out_state_name(opt_out->state));
    json_write_member_int(out, "at", opt_out->at_ms);
    json_write_member_int(out, "came", opt_out->came_ms);
    json_write_member(out, "by", opt_out_by_name(opt_out->by));
    buf_putc(out, '}');
}

static char *take_address(const cJSON *object, const char *name) {
    const char *text = json_string(object, name);
    bool is_one = text != NULL && *text != '\0' && strlen(text) <= MESSAGE_IDENTITY_MAX;
    return is_one ? xstrdup(text) : NULL;
}

static bool take_source(const char *text, enum opt_out_by *out) {
    for (enum opt_out_by by = OPT_OUT_BY_RECIPIENT; text != NULL && by <= OPT_OUT_BY_OPERATOR; by++) {
        if (strcmp(text, sources[by]) == 0) {
            *out = by;
            return true;
        }
    }
    return false;
}

static bool opt_out_take_time(const cJSON *object, const char *name, int64_t *out) {
    return json_integer(object, name, out) && *out >= ENTRY_MIN_MS && *out <= ENTRY_MAX_MS;
}

static const char *opt_out_take(const cJSON *object, struct opt_out *out) {
    const char *provider = json_string(object, "provider"), *state = json_string(object, "state");
    if (provider == NULL || provider_parse(provider, &out->provider) != 0) {
        return "provider is not sms-mms or email";
    }
    out->our_address = take_address(object, "our");
    out->their_address = take_address(object, "their");
    if (out->our_address == NULL || out->their_address == NULL) {
        return "our or their is not a string of 1 to 1024 bytes";
    }
    if (state == NULL || opt_out_state_parse(state, &out->state) != 0) {
        return "state is not out or in";
    }
    if (!opt_out_take_time(object, "at", &out->at_ms) || !opt_out_take_time(object, "came", &out->came_ms)) {
        return "at or came is not a time of the years 1 to 9999 in milliseconds since 1970";
    }
    return take_source(json_string(object, "by"), &out->by) ? NULL : "by is not recipient, provider or operator";
}

const char *opt_out_read(const cJSON *object, struct opt_out *out) {
    *out = (struct opt_out){0};
    const char *error = cJSON_IsObject(object) ? opt_out_take(object, out) : "the payload is not an object";
    if (error != NULL) {
        opt_out_free(out);
    }
    return error;
}

const char *opt_out_decode(const char *text, size_t length, struct opt_out *out) {
    *out = (struct opt_out){0};
    const char *error;
    cJSON *object = json_parse(text, length, &error);
    if (object == NULL) {
        return error;
    }
    error = opt_out_read(object, out);
    cJSON_Delete(object);
    return error;
}

void opt_out_free(struct opt_out *opt_out) {
    free(opt_out->our_address);
    free(opt_out->their_address);
    *opt_out = (struct opt_out){0};
}

void opt_out_pair(const char *our_address, const char *their_address, struct buf *out) {
    buf_append(out, our_address, strlen(our_address) + 1);
    buf_puts(out, their_address);
}
