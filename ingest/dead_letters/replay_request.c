// SPDX-License-Identifier: MIT
#include "ingest/dead_letters/replay_request.h"

#include "shared/base/json.h"

static int replay_request_refuse(struct replay_request_error *error, const char *field, const char *reason) {
    *error = (struct replay_request_error){field, reason};
    return -1;
}

// null counts as absent.
static const cJSON *given(const cJSON *root, const char *name) {
    const cJSON *member = json_member(root, name);
    return cJSON_IsNull(member) ? NULL : member;
}

static int parse_filter(const cJSON *root, struct dead_letter_filter *filter, struct replay_request_error *error) {
    dead_letter_filter_init(filter);
    for (size_t i = 0; dead_letter_filter_names[i] != NULL; i++) {
        const char *name = dead_letter_filter_names[i];
        const cJSON *member = given(root, name);
        if (member == NULL) {
            continue;
        }
        if (!cJSON_IsString(member)) {
            return replay_request_refuse(error, name, "must be a text");
        }
        const char *reason = dead_letter_filter_set(filter, name, member->valuestring);
        if (reason != NULL) {
            return replay_request_refuse(error, name, reason);
        }
    }
    return 0;
}

static int parse_dry_run(const cJSON *root, bool *out, struct replay_request_error *error) {
    const cJSON *member = given(root, "dry_run");
    if (member != NULL && !cJSON_IsBool(member)) {
        return replay_request_refuse(error, "dry_run", "must be true or false");
    }
    *out = cJSON_IsTrue(member);
    return 0;
}

static int parse_pace(const cJSON *root, const struct settings *settings, int64_t *out,
                      struct replay_request_error *error) {
    int64_t most = settings->replay_max_per_second;
    if (given(root, "per_second") == NULL) {
        *out = settings->replay_per_second < most ? settings->replay_per_second : most;
        return 0;
    }
    if (!json_integer(root, "per_second", out) || *out < 1 || *out > most) {
        return replay_request_refuse(error, "per_second",
                                     "must be an integer from 1 to the setting API_REPLAY_MAX_PER_SECOND");
    }
    return 0;
}

int replay_request_parse(const char *text, size_t length, const struct settings *settings, struct replay_request *out,
                         struct replay_request_error *error) {
    *out = (struct replay_request){0};
    *error = (struct replay_request_error){0};
    cJSON *root = json_parse(text, length, &error->reason);
    if (root == NULL) {
        return -1;
    }
    int result = cJSON_IsObject(root) ? 0 : replay_request_refuse(error, NULL, "The document must be an object.");
    if (result == 0) {
        result = parse_filter(root, &out->filter, error);
    }
    if (result == 0) {
        result = parse_dry_run(root, &out->dry_run, error);
    }
    if (result == 0) {
        result = parse_pace(root, settings, &out->per_second, error);
    }
    cJSON_Delete(root);
    return result;
}
