// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "dispatcher/mock/server.h"
#include "shared/base/log.h"
#include "shared/http/server.h"
#include "shared/loop/process.h"
#include "shared/redis/target.h"
#include "shared/settings/settings.h"

// The mock provider stands for Twilio and SendGrid, in their wire formats.

// As many connections as MAX_CONNECTIONS says, if the hard limit allows it.
static void raise_descriptors(const struct settings *settings) {
    enum { OTHERS = 64 };
    (void)process_raise_descriptors((uint64_t)settings->max_connections + OTHERS);
}

static int listen_or_exit(const struct settings *settings) {
    int listening = http_listen(settings->bind_address, (uint16_t)settings->mock_provider_port, false);
    if (listening >= 0) {
        return listening;
    }
    fprintf(stderr, "mock-provider: can't listen on %s port %lld: %s; choose another MOCK_PROVIDER_PORT\n",
            settings->bind_address, (long long)settings->mock_provider_port, strerror(errno));
    exit(EXIT_FAILURE);
}

int main(int argc, char **argv) {
    struct settings settings;
    settings_from_command_line(&settings, argc, argv, FOR_MOCK, "mock-provider",
                               "Stands for Twilio and SendGrid, and misbehaves as it is told.");
    char *wrong;
    struct redis_target *target = redis_target_create(&settings, &wrong);
    if (target == NULL) {
        settings_refuse("mock-provider", "%s", wrong);
    }
    wrong = mock_server_check(&settings);
    if (wrong != NULL) {
        settings_refuse("mock-provider", "%s", wrong);
    }
    process_start(&settings, "mock-provider");
    raise_descriptors(&settings);
    int listening = listen_or_exit(&settings);

    struct process process = {.loop = uv_default_loop(),
                              .on_drain = mock_server_drain,
                              .on_hurry = mock_server_hurry,
                              .plan = &mock_server_reload,
                              .live = settings_live_create(&settings, FOR_MOCK)};
    process.argument =
        mock_server_start(process.loop, &settings, target, process_instance(), listening, process_finished, &process);
    if (process.argument == NULL) {
        settings_refuse("mock-provider", "MOCK_LEDGER_FILE, MOCK_RECEIPT_FILE or the HTTP server can't be opened: %s",
                        strerror(errno));
    }
    process_watch(&process, &settings);
    log_info("started", "listening on %s port %lld", settings.bind_address, (long long)settings.mock_provider_port);
    uv_run(process.loop, UV_RUN_DEFAULT);

    int status = process_end(process.loop);
    settings_live_free(process.live);
    redis_target_destroy(target);
    settings_free(&settings);
    return status;
}
