// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "dispatcher/dispatcher.h"
#include "shared/base/log.h"
#include "shared/loop/process.h"
#include "shared/settings/settings.h"

// The dispatcher takes accepted messages from Redis, calls their providers, and records what the calls came to.

static void dispatcher_main_drain(void *argument) {
    dispatcher_drain(*(struct dispatcher **)argument);
}

static void dispatcher_main_hurry(void *argument) {
    dispatcher_hurry(*(struct dispatcher **)argument);
}

static void dispatcher_main_finished(void *argument) {
    process_finished(argument);
}

static void dispatcher_main_check(const struct settings *settings) {
    char *error = dispatcher_check(settings);
    if (!error) {
        return;
    }
    fprintf(stderr, "dispatcher: %s\n", error);
    free(error);
    exit(2);
}

int main(int argc, char **argv) {
    struct settings settings;
    settings_from_command_line(&settings, argc, argv, FOR_DISPATCHER, "dispatcher",
                               "Calls the providers for the messages that wait in Redis.");
    dispatcher_main_check(&settings);
    process_start(&settings, "dispatcher");

    struct dispatcher *dispatcher;
    struct process process = {.loop = uv_default_loop(),
                              .on_drain = dispatcher_main_drain,
                              .on_hurry = dispatcher_main_hurry,
                              .argument = &dispatcher};
    dispatcher = dispatcher_start(process.loop, &settings, process_instance(), dispatcher_main_finished, &process);
    process_watch(&process, &settings);
    log_info("started", "calling %s for SMS and MMS, %s for email", settings.provider_sms_url,
             settings.provider_email_url);
    uv_run(process.loop, UV_RUN_DEFAULT);

    int status = process_end(process.loop);
    settings_free(&settings);
    return status;
}
