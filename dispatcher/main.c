// SPDX-License-Identifier: MIT
#include <uv.h>

#include "dispatcher/dispatcher.h"
#include "shared/base/log.h"
#include "shared/loop/process.h"
#include "shared/redis/target.h"
#include "shared/settings/settings.h"

// The dispatcher takes accepted messages from Redis, calls their providers, and records what the calls came to.

static struct redis_target *dispatcher_main_check(const struct settings *settings) {
    char *error = dispatcher_check(settings);
    struct redis_target *target = error == NULL ? redis_target_create(settings, &error) : NULL;
    if (error != NULL) {
        settings_refuse("dispatcher", "%s", error);
    }
    return target;
}

int main(int argc, char **argv) {
    struct settings settings;
    settings_from_command_line(&settings, argc, argv, FOR_DISPATCHER, "dispatcher",
                               "Calls the providers for the messages that wait in Redis.");
    struct redis_target *target = dispatcher_main_check(&settings);
    process_start(&settings, "dispatcher");

    struct process process = {.loop = uv_default_loop(),
                              .on_drain = dispatcher_drain,
                              .on_hurry = dispatcher_hurry,
                              .plan = &dispatcher_reload,
                              .live = settings_live_create(&settings, FOR_DISPATCHER)};
    process.argument =
        dispatcher_start(process.loop, &settings, target, process_instance(), process_finished, &process);
    process_watch(&process, &settings);
    log_info("started", "calling %s for SMS and MMS, %s for email", settings.provider_sms_url,
             settings.provider_email_url);
    uv_run(process.loop, UV_RUN_DEFAULT);

    int status = process_end(process.loop);
    settings_live_free(process.live);
    redis_target_destroy(target);
    settings_free(&settings);
    return status;
}
