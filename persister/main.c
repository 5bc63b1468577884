// SPDX-License-Identifier: MIT
#include <stdbool.h>
#include <string.h>
#include <uv.h>

#include "persister/persister.h"
#include "persister/rekey.h"
#include "persister/retention.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/loop/process.h"
#include "shared/redis/target.h"
#include "shared/settings/settings.h"

static struct redis_target *persister_main_check(const struct settings *settings) {
    char *error;
    struct redis_target *target = redis_target_create(settings, &error);
    if (target == NULL) {
        settings_refuse("persister", "%s", error);
    }
    error = persister_check(settings);
    if (error != NULL) {
        settings_refuse("persister", "%s", error);
    }
    error = retention_check(settings);
    if (error != NULL) {
        settings_refuse("persister", "%s", error);
    }
    return target;
}

// `persister --rekey` and `persister --rekey=ask`.
static int persister_main_rekey(struct settings *settings, struct redis_target *target, bool asks) {
    (void)!log_open(&(struct log_options){.program = "persister", .level = LOG_ERROR}); // what it does it prints
    int status = asks ? rekey_ask(settings) : rekey_run(settings, target);
    redis_target_destroy(target);
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
    struct redis_target *target = persister_main_check(&settings);
    if (rekeys) {
        return persister_main_rekey(&settings, target, asks);
    }
    process_start(&settings, "persister");

    uv_loop_t loop;
    if (uv_loop_init(&loop) != 0) {
        mem_exhausted();
    }
    struct process process = {.loop = &loop,
                              .on_drain = persister_drain,
                              .on_hurry = persister_hurry,
                              .plan = &persister_reload,
                              .live = settings_live_create(&settings, FOR_PERSISTER)};
    struct persister *persister = persister_create(&loop, &settings, target, process_finished, &process);
    process.argument = persister;
    process_watch(&process, &settings);
    log_info("started", "storing batches of up to %lld entries", (long long)settings.worker_batch_size);

    uv_run(&loop, UV_RUN_DEFAULT);

    persister_free(persister);
    int status = process_end(&loop);
    settings_live_free(process.live);
    redis_target_destroy(target);
    settings_free(&settings);
    return status;
}
