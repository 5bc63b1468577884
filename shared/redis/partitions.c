// SPDX-License-Identifier: MIT
#include "shared/redis/partitions.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/log.h"
#include "shared/redis/keys.h"

enum { MOST_DIGITS = 6 };

struct partition {
    char tag[KEY_SIZE];
    void *object;
};

struct partitions {
    struct partitions_options options;
    struct partition *all;
    size_t count;
    bool asking, stopped;
    bool complained; // about a tag that can't be served
};

int partition_parse(const char *tag, size_t length, enum provider *out) {
    char name[KEY_SIZE / 2];
    size_t colon = strcspn(tag, ":"), digits = tag[colon] == ':' ? strspn(tag + colon + 1, "0123456789") : 0;
    if (digits < 1 || digits > MOST_DIGITS || colon >= sizeof name || colon + 1 + digits != length) {
        return -1;
    }
    snprintf(name, sizeof name, "%.*s", (int)colon, tag);
    return provider_parse(name, out);
}

unsigned partition_number(const char *tag) {
    return (unsigned)strtoul(strchr(tag, ':') + 1, NULL, 10);
}

static bool partitions_has(const struct partitions *partitions, const char *tag) {
    for (size_t i = 0; i < partitions->count; i++) {
        if (strcmp(partitions->all[i].tag, tag) == 0) {
            return true;
        }
    }
    return false;
}

static void partitions_serve(struct partitions *partitions, const char *tag, size_t length) {
    enum provider provider;
    if (partitions_has(partitions, tag)) {
        return;
    }
    if (partition_parse(tag, length, &provider) != 0 || partitions->count == PARTITIONS_MOST) {
        if (!partitions->complained) {
            log_warn("partition_ignored", "the set %s holds '%s', which can't be a partition in use", KEY_PARTITIONS,
                     tag);
        }
        partitions->complained = true;
        return;
    }
    partitions->all = xrealloc(partitions->all, (partitions->count + 1) * sizeof *partitions->all);
    struct partition *partition = &partitions->all[partitions->count++];
    snprintf(partition->tag, sizeof partition->tag, "%s", tag);
    partition->object = partitions->options.serve(partitions->options.argument, tag, provider);
    heartbeat_serve(partitions->options.heartbeat, tag);
}

static void partitions_on_members(void *argument, enum redis_result result, const redisReply *reply) {
    struct partitions *partitions = argument;
    partitions->asking = false;
    if (result == REDIS_LINK_ERROR) {
        log_error("partitions_failed", "SMEMBERS %s: %s", KEY_PARTITIONS, reply->str);
    }
    if (result != REDIS_LINK_OK || partitions->stopped || reply->type != REDIS_REPLY_ARRAY) {
        return;
    }
    for (size_t i = 0; i < reply->elements; i++) {
        if (reply->element[i]->str != NULL) {
            partitions_serve(partitions, reply->element[i]->str, reply->element[i]->len);
        }
    }
}

void partitions_look(struct partitions *partitions) {
    const char *argv[] = {"SMEMBERS", KEY_PARTITIONS};
    if (!partitions->asking && !partitions->stopped) {
        partitions->asking =
            redis_link_call(partitions->options.link, partitions_on_members, partitions, 2, argv, NULL) == 0;
    }
}

size_t partitions_count(const struct partitions *partitions) {
    return partitions->count;
}

void *partitions_at(const struct partitions *partitions, size_t index) {
    return partitions->all[index].object;
}

struct partitions *partitions_create(const struct partitions_options *options, unsigned own) {
    struct partitions *partitions = xcalloc(1, sizeof *partitions);
    struct partition_keys keys;
    partitions->options = *options;
    for (unsigned partition = 0; partition < own; partition++) {
        for (int provider = 0; provider < PROVIDER_COUNT; provider++) {
            partition_keys_of((enum provider)provider, partition, &keys);
            partitions_serve(partitions, keys.tag, strlen(keys.tag));
        }
    }
    return partitions;
}

void partitions_stop(struct partitions *partitions) {
    partitions->stopped = true;
}

void partitions_destroy(struct partitions *partitions) {
    free(partitions->all);
    free(partitions);
}
