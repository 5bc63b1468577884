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
#include "shared/redis/url.h"
#include "shared/settings/settings.h"

// The mock provider stands for Twilio and SendGrid, in their wire formats.

static void mock_main_drain(void *argument) {
    mock_server_drain(*(struct mock_provider **)argument);
}

static void mock_main_hurry(void *argument) {
    mock_server_hurry(*(struct mock_provider **)argument);
}

static void mock_main_finished(void *argument) {
    process_finished(argument);
}

static _Noreturn void refuse(const char *setting, const char *why) {
    fprintf(stderr, "mock-provider: %s: %s\n", setting, why);
    exit(2);
}

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
    const char *error = redis_url_check(settings.redis_url);
    if (error) {
        refuse("REDIS_URL", error);
    }
    process_start(&settings, "mock-provider");
    raise_descriptors(&settings);
    int listening = listen_or_exit(&settings);

    struct mock_provider *mock;
    struct process process = {
        .loop = uv_default_loop(), .on_drain = mock_main_drain, .on_hurry = mock_main_hurry, .argument = &mock};
    mock = mock_server_start(process.loop, &settings, process_instance(), listening, mock_main_finished, &process);
    if (!mock) {
        refuse("MOCK_LEDGER_FILE or the HTTP server can't be opened", strerror(errno));
    }
    process_watch(&process, &settings);
    log_info("started", "listening on %s port %lld", settings.bind_address, (long long)settings.mock_provider_port);
    uv_run(process.loop, UV_RUN_DEFAULT);

    int status = process_end(process.loop);
    settings_free(&settings);
    return status;
}
