// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <uv.h>

#include "persister/persister.h"
#include "shared/process.h"
#include "shared/settings.h"

static void on_finished(void *process) {
    process_finished(process);
}

int main(int argc, char **argv) {
    struct settings settings;
    settings_from_command_line(&settings, argc, argv, FOR_PERSISTER, "persister",
                               "Records what happened to messages (Redis Streams) in Postgres.");
    process_start(&settings, "persister");

    uv_loop_t loop;
    if (uv_loop_init(&loop) != 0) {
        abort();
    }
    struct process process = {.loop = &loop, .on_drain = persister_drain, .on_hurry = persister_hurry};
    struct persister *persister = persister_create(&loop, &settings, on_finished, &process);
    process.argument = persister;
    process_watch(&process, &settings);

    uv_run(&loop, UV_RUN_DEFAULT);

    persister_free(persister);
    int status = process_end(&loop);
    settings_free(&settings);
    return status;
}
