// SPDX-License-Identifier: MIT
#include "shared/redis/opt_out_call.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/decimal.h"
#include "shared/redis/library.h"

enum {
    WORDS_BEFORE = 8, // FCALL, function, number of keys, 2 keys, cap, 2 marks
    WORDS_EACH = 7,
    MOST_WORDS = WORDS_BEFORE + OPT_OUT_CALL_MOST * WORDS_EACH,
};

struct opt_out_command {
    const char *values[MOST_WORDS];
    size_t lengths[MOST_WORDS];
    int count;
    char times[2 * OPT_OUT_CALL_MOST][DECIMAL_SIZE];
};

static void opt_out_call_put(struct opt_out_command *command, const char *bytes, size_t length) {
    command->values[command->count] = length > 0 ? bytes : "";
    command->lengths[command->count++] = length;
}

static void opt_out_call_put_text(struct opt_out_command *command, const char *text) {
    opt_out_call_put(command, text, strlen(text));
}

static void put_said(struct opt_out_command *command, const struct opt_out_said *said, bool records,
                     char times[2][DECIMAL_SIZE]) {
    bool recorded = records && said->payload.length > 0;
    opt_out_call_put(command, said->pair.data, said->pair.length);
    opt_out_call_put_text(command, opt_out_state_name(said->state));
    opt_out_call_put_text(command, decimal_write(said->at_ms, times[0]));
    opt_out_call_put_text(command, decimal_write(said->came_ms, times[1]));
    opt_out_call_put_text(command, said->instead_of);
    opt_out_call_put_text(command, recorded ? said->id : "");
    opt_out_call_put(command, said->payload.data, recorded ? said->payload.length : 0);
}

int opt_out_send(struct redis_link *link, const struct opt_out_call *call, redis_link_reply done, void *argument) {
    struct opt_out_command command;
    command.count = 0;
    opt_out_call_put_text(&command, "FCALL");
    opt_out_call_put_text(&command, library_function(LIBRARY_OPT_OUT));
    opt_out_call_put_text(&command, "2");
    opt_out_call_put_text(&command, call->keys->opt_outs);
    opt_out_call_put_text(&command, call->keys->events);
    opt_out_call_put_text(&command, DECIMAL(call->records ? call->cap : 0));
    opt_out_call_put_text(&command, call->mark != NULL ? call->mark : "");
    opt_out_call_put_text(&command, call->expected != NULL ? call->expected : "");
    for (size_t i = 0; i < call->count; i++) {
        put_said(&command, &call->said[i], call->records, &command.times[2 * i]);
    }
    return redis_link_call(link, done, argument, command.count, command.values, command.lengths);
}

const char *opt_out_mark_regions(const char *mark, const char *server) {
    size_t length = strlen(server);
    return strncmp(mark, server, length) == 0 && mark[length] == '/' ? mark + length : NULL;
}

bool opt_out_regions_have(const char *regions, const char *region) {
    char *named = xasprintf("/%s/", region);
    bool have = strstr(regions, named) != NULL;
    free(named);
    return have;
}

void opt_out_place(int64_t at_ms, int64_t came_ms, char out[OPT_OUT_PLACE_SIZE]) {
    snprintf(out, OPT_OUT_PLACE_SIZE, "%" PRId64 " %" PRId64, at_ms, came_ms);
}

int opt_out_place_parse(const char *text, int64_t *at_ms, int64_t *came_ms) {
    return sscanf(text, "%" SCNd64 " %" SCNd64, at_ms, came_ms) == 2 ? 0 : -1;
}

void opt_out_said_of(const struct opt_out *opt_out, bool records, struct opt_out_said *out) {
    *out = (struct opt_out_said){.state = opt_out->state, .at_ms = opt_out->at_ms, .came_ms = opt_out->came_ms};
    opt_out_pair(opt_out->our_address, opt_out->their_address, &out->pair);
    if (records) {
        struct uuid id = uuid_v7();
        uuid_format(&id, out->id);
        opt_out_encode(opt_out, &out->payload);
    }
}

void opt_out_said_free(struct opt_out_said *said) {
    buf_free(&said->pair);
    buf_free(&said->payload);
}
