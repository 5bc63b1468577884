// SPDX-License-Identifier: MIT
// Measures the stages of the service beside their ceilings: all of them, or those named; from the project's root.
// --list prints their names. The figures are printed and go to BUILD_DIR/bench.json.
//   BUILD_DIR=…    where the programs are (build)
//   BENCH_RETENTION_ROWS=…  messages that are deleted beside a load (200,000)
//   BENCH_ROWS=…   messages of the greatest database that is read (10,000,000)
//   RUN_DIR=…      under which that is kept (.run)
//   KEEP=1         keeps the folder with logs and data, and says where
// Exit status 1 when a stage could not be measured, or a message went missing.

#include <check.h>
#include <curl/curl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "tests/bench/report.h"
#include "tests/bench/site.h"
#include "tests/bench/stage.h"
#include "tests/support/root.h"

struct stage {
    const char *name;
    void (*measure)(struct site *site);
};

static const struct stage stages[] = {
    {"accept", stage_accept},       {"accept-latency", stage_accept_latency},
    {"batch", stage_batch},         {"persist", stage_persist},
    {"dispatch", stage_dispatch},   {"in-flight", stage_in_flight},
    {"scheduled", stage_scheduled}, {"end-to-end", stage_end_to_end},
    {"latency", stage_latency},     {"reads", stage_reads},
    {"retention", stage_retention}, {"memory", stage_memory},
    {"growth", stage_growth},       {"tls", stage_tls},
};

#define STAGE_COUNT ((int)(sizeof stages / sizeof *stages))

static struct site *site;
static struct report *report;
static bool chosen[STAGE_COUNT];

// Whatever became of the stage.
static void end(void) {
    site_destroy(site);
}

START_TEST(measure) {
    site = site_create(report, stages[_i].name);
    int64_t began_us = clock_monotonic_us();
    stages[_i].measure(site);
    printf("# %s took %.0f s\n", stages[_i].name, (double)(clock_monotonic_us() - began_us) / 1e6);
    fflush(stdout);
}
END_TEST

static Suite *make_suite(void) {
    Suite *suite = suite_create("bench");
    TCase *tcase = tcase_create("stages");
    tcase_add_checked_fixture(tcase, NULL, end);
    for (int i = 0; i < STAGE_COUNT; i++) {
        if (chosen[i]) {
            tcase_add_loop_test(tcase, measure, i, i + 1);
        }
    }
    suite_add_tcase(suite, tcase);
    return suite;
}

static bool choose(const char *name) {
    for (int i = 0; i < STAGE_COUNT; i++) {
        if (strcmp(stages[i].name, name) == 0) {
            chosen[i] = true;
            return true;
        }
    }
    fprintf(stderr, "there is no stage '%s'; see --list\n", name);
    return false;
}

static int list(void) {
    for (int i = 0; i < STAGE_COUNT; i++) {
        puts(stages[i].name);
    }
    return EXIT_SUCCESS;
}

static int run(void) {
    report = report_create();
    report_print_head(report);
    SRunner *runner = srunner_create(make_suite());
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    char *path = xasprintf("%s/bench.json", getenv("BUILD_DIR"));
    if (report_write(report, path) != 0) {
        perror(path);
        failed++;
    }
    report_destroy(report);
    free(path);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        return list();
    }
    for (int i = 0; i < STAGE_COUNT; i++) {
        chosen[i] = argc < 2;
    }
    for (int i = 1; i < argc; i++) {
        if (!choose(argv[i])) {
            return 2;
        }
    }
    if (!root_prepare() || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        perror("the bench can't be prepared");
        return EXIT_FAILURE;
    }
    signal(SIGPIPE, SIG_IGN);
    int status = run();
    curl_global_cleanup();
    root_clean_up(false);
    return status;
}
