// SPDX-License-Identifier: MIT
#include "ingest/watch/flow_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "ingest/read/database.h"
#include "ingest/request/resources.h"
#include "ingest/watch/flow_here.h"
#include "ingest/watch/readiness.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/redis/link.h"

enum {
    LOOK_MS = 20,
    PATIENCE_MS = 5000,
    FIRST_TROUBLE_MS = 1000, // what has told of a trouble by then is not waited for any longer
};

struct check {
    struct ingest_resources with;
    uv_loop_t loop;
    uv_timer_t look;
    int64_t begun_ms; // clock_boot_ms
    bool read;        // on_pipeline came
    struct pipeline *pipeline;
    char *why;
};

static void flow_check_on_pipeline(void *argument, struct pipeline *pipeline, const char *why) {
    struct check *check = argument;
    check->read = true;
    check->pipeline = pipeline;
    check->why = why == NULL ? NULL : xstrdup(why);
}

static void flow_check_on_redis_up(void *argument) {
    struct check *check = argument;
    if (!check->read && pipeline_read(check->with.redis, flow_check_on_pipeline, check) != 0) {
        flow_check_on_pipeline(check, NULL, "the connection to Redis broke");
    }
}

static void flow_check_on_postgres(void *argument, bool up) {
    struct check *check = argument;
    readiness_postgres_changed(check->with.readiness, up);
}

static void flow_check_on_look(uv_timer_t *timer) {
    struct check *check = timer->data;
    int64_t passed_ms = clock_boot_ms() - check->begun_ms;
    bool patient = passed_ms < FIRST_TROUBLE_MS;
    const char *postgres_trouble = database_trouble(check->with.database);
    bool redis = check->read || (!patient && redis_link_trouble(check->with.redis) != NULL);
    bool postgres = postgres_trouble == NULL || (!patient && *postgres_trouble != '\0');
    if ((redis && postgres) || passed_ms >= PATIENCE_MS) {
        uv_timer_stop(timer);
        uv_stop(&check->loop);
    }
}

static void flow_check_begin(struct check *check, const struct settings *settings) {
    uv_loop_init(&check->loop);
    uv_timer_init(&check->loop, &check->look);
    check->look.data = check;
    check->begun_ms = clock_boot_ms();
    check->with.settings = settings;
    check->with.readiness = readiness_create(1);
    check->with.redis = redis_link_create(&check->loop, &(struct redis_link_options){
                                                            .target = check->with.target,
                                                            .name = "check-flow",
                                                            .timeout_ms = settings->redis_timeout_ms,
                                                            .on_up = flow_check_on_redis_up,
                                                            .argument = check,
                                                        });
    check->with.database = database_create(
        &check->loop, settings, 0, &(struct database_events){.on_change = flow_check_on_postgres, .argument = check});
    uv_timer_start(&check->look, flow_check_on_look, LOOK_MS, LOOK_MS);
}

static int print(struct check *check) {
    struct flow flow;
    const char *trouble = redis_link_trouble(check->with.redis);
    const char *why = check->why != NULL ? check->why : trouble != NULL ? trouble : "it has not answered in time";
    flow_judge_here(&check->with, check->pipeline, why, &flow);
    for (size_t i = 0; i < flow.count; i++) {
        printf("%s%s\n", flow_code_is_note(flow.troubles[i].code) ? FLOW_CHECK_NOTE : "", flow.troubles[i].text);
    }
    int status = flow.count == flow.notes ? EXIT_SUCCESS : EXIT_FAILURE;
    flow_free(&flow);
    return fflush(stdout) == 0 && !ferror(stdout) ? status : EXIT_FAILURE;
}

static void flow_check_end(struct check *check) {
    redis_link_destroy(check->with.redis);
    database_destroy(check->with.database);
    uv_close((uv_handle_t *)&check->look, NULL);
    uv_run(&check->loop, UV_RUN_DEFAULT);
    uv_loop_close(&check->loop);
    readiness_free(check->with.readiness);
    pipeline_free(check->pipeline);
    free(check->why);
}

int flow_check(const struct settings *settings, struct redis_target *target) {
    struct settings own = *settings; // one connection is enough
    own.database_connections = 1;
    struct check check = {.with.target = target};
    (void)!log_open(&(struct log_options){.program = "ingest", .level = LOG_ERROR}); // what it finds it prints
    flow_check_begin(&check, &own);
    uv_run(&check.loop, UV_RUN_DEFAULT);
    int status = print(&check);
    flow_check_end(&check);
    return status;
}
