// SPDX-License-Identifier: MIT
#include "persister/replay_job.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "shared/message/entry.h"
#include "shared/redis/reply.h"

#define MAX_PER_SECOND 10000
#define MAX_PARTITIONS 256

static const struct {
    const char *name;
    size_t offset, size; // in struct replay_job
    const char *error;
} texts[] = {
    {"provider", offsetof(struct replay_job, provider), REPLAY_JOB_TEXT_SIZE, "provider is missing or too long"},
    {"reason", offsetof(struct replay_job, class), REPLAY_JOB_TEXT_SIZE, "reason is missing or too long"},
    {"since", offsetof(struct replay_job, since), RFC3339_SIZE, "since is missing or too long"},
    {"request_id", offsetof(struct replay_job, request_id), REPLAY_JOB_TEXT_SIZE, "request_id is missing or too long"},
};

static const struct {
    const char *name;
    size_t offset;
    int64_t min, max;
    const char *error;
} numbers[] = {
    {"last", offsetof(struct replay_job, last), 0, INT64_MAX, "last is not the id of a dead letter"},
    {"matched", offsetof(struct replay_job, matched), 0, INT64_MAX, "matched is not a count"},
    {"per_second", offsetof(struct replay_job, per_second), 1, MAX_PER_SECOND, "per_second is not from 1 to 10000"},
    {"partitions", offsetof(struct replay_job, partitions), 1, MAX_PARTITIONS, "partitions is not from 1 to 256"},
};

static const char *read_fields(const redisReply *fields, struct replay_job *out) {
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const char *value = redis_reply_field(fields, texts[i].name, NULL);
        if (value == NULL || strlen(value) >= texts[i].size) {
            return texts[i].error;
        }
        strcpy((char *)out + texts[i].offset, value);
    }
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        int64_t *number = (int64_t *)(void *)((char *)out + numbers[i].offset);
        if (!entry_integer(redis_reply_field(fields, numbers[i].name, NULL), numbers[i].min, numbers[i].max, number)) {
            return numbers[i].error;
        }
    }
    int64_t since_ms;
    if (strcmp(out->since, "-infinity") != 0 && rfc3339_parse(out->since, &since_ms) != 0) {
        return "since is no time";
    }
    return NULL;
}

const char *replay_job_read(const redisReply *reply, struct replay_job *out) {
    *out = (struct replay_job){0};
    const char *entry = redis_reply_text(reply, 1, NULL);
    if (reply->elements != 6 || entry == NULL) {
        return "the reply has another shape";
    }
    snprintf(out->entry, sizeof out->entry, "%s", entry);
    if (!entry_integer(redis_reply_text(reply, 2, NULL), 0, INT64_MAX, &out->after) ||
        !entry_integer(redis_reply_text(reply, 3, NULL), 0, INT64_MAX, &out->replayed) ||
        !entry_integer(redis_reply_text(reply, 4, NULL), 0, INT64_MAX, &out->skipped)) {
        return "how far it has come is no number";
    }
    return read_fields(reply->element[5], out);
}
