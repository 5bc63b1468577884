// SPDX-License-Identifier: MIT
#include "dispatcher/fcall.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/buf.h"
#include "shared/base/decimal.h"

enum { FIRST_ARGUMENTS = 16, MOST_REPEATS = 3 };

struct fcall {
    struct buf bytes; // the arguments, one behind the other
    size_t *lengths;
    size_t count, room;
    unsigned repeats;
    struct redis_link *link;
    redis_link_reply done;
    void *argument;
};

struct fcall *fcall_new(enum library_function function, unsigned keys) {
    struct fcall *fcall = xcalloc(1, sizeof *fcall);
    fcall_text(fcall, "FCALL");
    fcall_text(fcall, library_function(function));
    fcall_int(fcall, keys);
    return fcall;
}

static void fcall_free(struct fcall *fcall) {
    buf_free(&fcall->bytes);
    free(fcall->lengths);
    free(fcall);
}

void fcall_bytes(struct fcall *fcall, const char *bytes, size_t length) {
    if (fcall->count == fcall->room) {
        fcall->room = fcall->room > 0 ? fcall->room * 2 : FIRST_ARGUMENTS;
        fcall->lengths = xrealloc(fcall->lengths, fcall->room * sizeof *fcall->lengths);
    }
    fcall->lengths[fcall->count++] = length;
    buf_append(&fcall->bytes, bytes, length);
}

void fcall_text(struct fcall *fcall, const char *text) {
    fcall_bytes(fcall, text, strlen(text));
}

void fcall_int(struct fcall *fcall, int64_t number) {
    fcall_text(fcall, DECIMAL(number));
}

static int send_now(struct fcall *fcall);

static void fcall_on_reply(void *argument, enum redis_result result, const redisReply *reply) {
    struct fcall *fcall = argument;
    if (result == REDIS_LINK_NO_LIBRARY && fcall->repeats++ < MOST_REPEATS && send_now(fcall) == 0) {
        return;
    }
    fcall->done(fcall->argument, result, reply);
    fcall_free(fcall);
}

static int send_now(struct fcall *fcall) {
    const char **argv = xmalloc(fcall->count * sizeof *argv);
    const char *at = fcall->bytes.data;
    for (size_t i = 0; i < fcall->count; at += fcall->lengths[i++]) {
        argv[i] = at;
    }
    int status = redis_link_call(fcall->link, fcall_on_reply, fcall, (int)fcall->count, argv, fcall->lengths);
    free(argv);
    return status;
}

int fcall_send(struct fcall *fcall, struct redis_link *link, redis_link_reply done, void *argument) {
    fcall->link = link;
    fcall->done = done;
    fcall->argument = argument;
    if (send_now(fcall) == 0) {
        return 0;
    }
    fcall_free(fcall);
    return -1;
}
