// SPDX-License-Identifier: MIT
#include <stdbool.h>
#include <string.h>
#include <uv.h>

#include "persister/persister.h"
#include "persister/rekey.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/loop/process.h"
#include "shared/postgres/url.h"
#include "shared/redis/url.h"
#include "shared/settings/settings.h"

static void persister_main_check(const struct settings *settings) {
    const char *reason = redis_url_check(settings->redis_url);
    if (reason != NULL) {
        settings_refuse("persister", "REDIS_URL: %s", reason);
    }
    char *error = pg_url_check(settings->database_url);
    if (error != NULL) {
        settings_refuse("persister", "DATABASE_URL: %s", error);
    }
}

// `persister --rekey` and `persister --rekey=ask`.
static int persister_main_rekey(struct settings *settings, bool asks) {
    (void)!log_open(&(struct log_options){.program = "persister", .level = LOG_ERROR}); // what it does it prints
    int status = asks ? rekey_ask(settings) : rekey_run(settings);
    settings_free(settings);
    return status;
}

int main(int argc, char **argv) {
    struct settings settings;
    bool asks = argc == 2 && strcmp(argv[1], "--rekey=ask") == 0;
    bool rekeys = asks || (argc == 2 && strcmp(argv[1], "--rekey") == 0);
    settings_from_command_line(
        &settings, rekeys ? 1 : argc, argv, FOR_PERSISTER, "persister",
        "Records what happened to messages (Redis Streams) in Postgres.\n\n"
        "persister --rekey makes the conversations of stored messages anew, after an upgrade and after a change of\n"
        "PHONE_REGION, beside running programs; killed, it goes on the next time. --rekey=ask says whether it is due\n"
        "(exit status 3).");
    persister_main_check(&settings);
    if (rekeys) {
        return persister_main_rekey(&settings, asks);
    }
    process_start(&settings, "persister");

    uv_loop_t loop;
    if (uv_loop_init(&loop) != 0) {
        mem_exhausted();
    }
    struct process process = {.loop = &loop, .on_drain = persister_drain, .on_hurry = persister_hurry};
    struct persister *persister = persister_create(&loop, &settings, process_finished, &process);
    process.argument = persister;
    process_watch(&process, &settings);
    log_info("started", "storing batches of up to %lld entries", (long long)settings.worker_batch_size);

    uv_run(&loop, UV_RUN_DEFAULT);

    persister_free(persister);
    int status = process_end(&loop);
    settings_free(&settings);
    return status;
}
