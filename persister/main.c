// SPDX-License-Identifier: MIT
#include <uv.h>

#include "persister/persister.h"
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

int main(int argc, char **argv) {
    struct settings settings;
    settings_from_command_line(&settings, argc, argv, FOR_PERSISTER, "persister",
                               "Records what happened to messages (Redis Streams) in Postgres.");
    persister_main_check(&settings);
    process_start(&settings, "persister");

    uv_loop_t loop;
    if (uv_loop_init(&loop) != 0) {
        mem_exhausted();
    }
    struct process process = {.loop = &loop, .on_drain = persister_drain, .on_hurry = persister_hurry};
    struct persister *persister = persister_create(&loop, &settings, process_finished, &process);
    process.argument = persister;
    process_watch(&process, &settings);

    uv_run(&loop, UV_RUN_DEFAULT);

    persister_free(persister);
    int status = process_end(&loop);
    settings_free(&settings);
    return status;
}
