// SPDX-License-Identifier: MIT
#include "tests/support/private_sentinels.h"

#include <check.h>
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/base/mem.h"
#include "tests/support/child.h"
#include "tests/support/deadline.h"
#include "tests/support/port.h"
#include "tests/support/reply.h"

#define NAME PRIVATE_SENTINELS_MASTER
#define START_MS 20000
#define FAIL_OVER_MS 30000

struct one {
    uint16_t port;
    char name[24]; // of its configuration and its log
    struct child *child;
};

struct private_sentinels {
    struct private_sentinels_options options;
    char folder[64];
    char *url;
    struct one all[PRIVATE_SENTINELS_MOST];
};

static unsigned others_known(const struct private_sentinels *sentinels) {
    return sentinels->options.count - 1;
}

// They find one another through the master, once in two seconds; told from the start, they need not wait for that.
static void write_configuration(const struct private_sentinels *sentinels, unsigned number) {
    const struct private_sentinels_options *options = &sentinels->options;
    char *path = xasprintf("%s/%s.conf", sentinels->folder, sentinels->all[number].name);
    FILE *out = fopen(path, "w");
    ck_assert_msg(out != NULL, "%s: %s", path, strerror(errno));
    fprintf(out, "port %u\nbind 127.0.0.1\ndir %s\nsentinel myid %040u\n", sentinels->all[number].port,
            sentinels->folder, number + 1);
    fprintf(out, "sentinel monitor " NAME " 127.0.0.1 %u %u\n", options->master, options->count / 2 + 1);
    fprintf(out, "sentinel down-after-milliseconds " NAME " %u\n", options->down_after_ms);
    fputs("sentinel failover-timeout " NAME " 4000\n", out);
    for (unsigned i = 0; i < options->count; i++) {
        if (i != number) {
            fprintf(out, "sentinel known-sentinel " NAME " 127.0.0.1 %u %040u\n", sentinels->all[i].port, i + 1);
        }
    }
    for (const char *const *line = options->lines; line != NULL && *line != NULL; line++) {
        fprintf(out, "%s\n", *line);
    }
    ck_assert_int_eq(fclose(out), 0);
    free(path);
}

static void launch(struct private_sentinels *sentinels, unsigned number) {
    char *configuration = xasprintf("%s.conf", sentinels->all[number].name);
    const char *argv[] = {"redis-server", configuration, "--sentinel", NULL};
    sentinels->all[number].child = child_start(&(struct child_options){
        .name = sentinels->all[number].name, .folder = sentinels->folder, .argv = argv, .death_signal = SIGKILL});
    free(configuration);
}

redisReply *private_sentinels_command(const struct private_sentinels *sentinels, unsigned number, const char *format,
                                      ...) {
    va_list arguments;
    redisContext *context = redisConnect("127.0.0.1", sentinels->all[number].port);
    va_start(arguments, format);
    redisReply *reply = context != NULL && context->err == 0 ? redisvCommand(context, format, arguments) : NULL;
    va_end(arguments);
    redisFree(context);
    return reply;
}

// One that wasn't scheduled for two seconds does nothing for thirty, its "tilt"; on a busy machine that is too long.
// Where it asks for a password it stays as slow as others.
static void hurry(const struct private_sentinels *sentinels, unsigned number) {
    freeReplyObject(private_sentinels_command(
        sentinels, number, "SENTINEL DEBUG INFO-PERIOD 500 ASK-PERIOD 200 PUBLISH-PERIOD 300 TILT-PERIOD 1000"));
}

// One that asks for a password counts: it answers.
static bool knows_all(const struct private_sentinels *sentinels, unsigned number) {
    hurry(sentinels, number);
    redisReply *reply = private_sentinels_command(sentinels, number, "SENTINEL MASTER " NAME);
    bool knows = reply != NULL && (reply->type == REDIS_REPLY_ERROR ||
                                   (atoi(reply_field(reply, "num-slaves")) >= (int)sentinels->options.replicas &&
                                    atoi(reply_field(reply, "num-other-sentinels")) >= (int)others_known(sentinels)));
    freeReplyObject(reply);
    return knows;
}

static void make_url(struct private_sentinels *sentinels) {
    char hosts[PRIVATE_SENTINELS_MOST * 24] = "";
    for (unsigned i = 0; i < sentinels->options.count; i++) {
        size_t used = strlen(hosts);
        snprintf(hosts + used, sizeof hosts - used, "%s127.0.0.1:%u", i == 0 ? "" : ",", sentinels->all[i].port);
    }
    sentinels->url = xasprintf("redis+sentinel://%s/" NAME, hosts);
}

struct private_sentinels *private_sentinels_start(const struct private_sentinels_options *options) {
    struct private_sentinels *sentinels = xcalloc(1, sizeof *sentinels);
    sentinels->options = *options;
    ck_assert_uint_le(options->count, PRIVATE_SENTINELS_MOST);
    snprintf(sentinels->folder, sizeof sentinels->folder, "/tmp/private-sentinels-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(sentinels->folder));
    for (unsigned i = 0; i < options->count; i++) {
        snprintf(sentinels->all[i].name, sizeof sentinels->all[i].name, "sentinel-%u", i);
        sentinels->all[i].port = free_port();
    }
    make_url(sentinels);
    for (unsigned i = 0; i < options->count; i++) {
        write_configuration(sentinels, i);
        launch(sentinels, i);
    }
    for (unsigned i = 0; i < options->count; i++) {
        WAIT_FOR(START_MS, knows_all(sentinels, i));
    }
    return sentinels;
}

const char *private_sentinels_url(const struct private_sentinels *sentinels) {
    return sentinels->url;
}

uint16_t private_sentinels_port(const struct private_sentinels *sentinels, unsigned number) {
    return sentinels->all[number].port;
}

static uint16_t named_by(const struct private_sentinels *sentinels, unsigned number) {
    redisReply *reply = private_sentinels_command(sentinels, number, "SENTINEL GET-MASTER-ADDR-BY-NAME " NAME);
    int port = reply != NULL ? atoi(reply_text(reply, 1)) : 0;
    freeReplyObject(reply);
    return (uint16_t)port;
}

uint16_t private_sentinels_master(const struct private_sentinels *sentinels) {
    uint16_t agreed = 0;
    for (unsigned i = 0; i < sentinels->options.count; i++) {
        uint16_t port = sentinels->all[i].child != NULL ? named_by(sentinels, i) : agreed;
        if (agreed != 0 && port != agreed) {
            return 0;
        }
        agreed = port;
    }
    return agreed;
}

void private_sentinels_take_for_down_after(struct private_sentinels *sentinels, unsigned ms) {
    for (unsigned i = 0; i < sentinels->options.count; i++) {
        if (sentinels->all[i].child != NULL) {
            redisReply *reply =
                private_sentinels_command(sentinels, i, "SENTINEL SET " NAME " down-after-milliseconds %u", ms);
            ck_assert(reply != NULL && reply->type == REDIS_REPLY_STATUS);
            freeReplyObject(reply);
        }
    }
}

// No flag of a master that is down, or is failed over.
static bool sees_rest(const struct private_sentinels *sentinels, unsigned number) {
    redisReply *reply = private_sentinels_command(sentinels, number, "SENTINEL MASTER " NAME);
    bool sees = reply != NULL && strcmp(reply_field(reply, "flags"), "master") == 0;
    freeReplyObject(reply);
    return sees;
}

bool private_sentinels_are_at_rest(const struct private_sentinels *sentinels) {
    for (unsigned i = 0; i < sentinels->options.count; i++) {
        if (sentinels->all[i].child != NULL && !sees_rest(sentinels, i)) {
            return false;
        }
    }
    return true;
}

static bool knows_replica(const struct private_sentinels *sentinels, unsigned number, int port) {
    redisReply *reply = private_sentinels_command(sentinels, number, "SENTINEL REPLICAS " NAME);
    bool knows = false;
    for (size_t i = 0; reply != NULL && reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++) {
        const redisReply *one = reply->element[i];
        knows = knows || (atoi(reply_field(one, "port")) == port && strcmp(reply_field(one, "flags"), "slave") == 0 &&
                          strcmp(reply_field(one, "master-link-status"), "ok") == 0);
    }
    freeReplyObject(reply);
    return knows;
}

bool private_sentinels_know_replica(const struct private_sentinels *sentinels, uint16_t port) {
    for (unsigned i = 0; i < sentinels->options.count; i++) {
        if (sentinels->all[i].child != NULL && !knows_replica(sentinels, i, port)) {
            return false;
        }
    }
    return true;
}

// Refused while none of the replicas will do, or a fail-over is under way.
static bool takes_on_a_fail_over(const struct private_sentinels *sentinels) {
    bool taken = false;
    for (unsigned i = 0; i < sentinels->options.count && !taken; i++) {
        redisReply *reply =
            sentinels->all[i].child != NULL ? private_sentinels_command(sentinels, i, "SENTINEL FAILOVER " NAME) : NULL;
        taken = reply != NULL && reply->type == REDIS_REPLY_STATUS;
        freeReplyObject(reply);
    }
    return taken;
}

static bool name_another(const struct private_sentinels *sentinels, uint16_t than) {
    uint16_t named = private_sentinels_master(sentinels);
    return named != 0 && named != than;
}

void private_sentinels_fail_over(struct private_sentinels *sentinels) {
    uint16_t before = private_sentinels_master(sentinels);
    WAIT_FOR(FAIL_OVER_MS, takes_on_a_fail_over(sentinels));
    WAIT_FOR(FAIL_OVER_MS, name_another(sentinels, before));
}

void private_sentinels_kill(struct private_sentinels *sentinels, unsigned number) {
    child_destroy(sentinels->all[number].child);
    sentinels->all[number].child = NULL;
}

void private_sentinels_restart(struct private_sentinels *sentinels, unsigned number) {
    launch(sentinels, number);
    WAIT_FOR(START_MS, named_by(sentinels, number) != 0);
    hurry(sentinels, number);
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *where) {
    (void)status;
    (void)type;
    (void)where;
    return remove(path);
}

void private_sentinels_destroy(struct private_sentinels *sentinels) {
    for (unsigned i = 0; i < sentinels->options.count; i++) {
        if (sentinels->all[i].child != NULL) {
            private_sentinels_kill(sentinels, i);
        }
    }
    nftw(sentinels->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(sentinels->url);
    free(sentinels);
}
