// SPDX-License-Identifier: MIT
// Runs the integration suites: all of them, or the one named as the only argument; from the project's root.
// --list prints their names.
//   BUILD_DIR=…   where the programs are (build)
//   VALGRIND=1    runs them under valgrind, with longer deadlines
//   KEEP=1        keeps the folders with logs and data, and says where

#include <check.h>
#include <curl/curl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/root.h"

#define SUITE(noun) Suite *suite_##noun(void);
#include "gen/integration_suites.h"
#undef SUITE

struct entry {
    const char *name;
    Suite *(*create)(void);
};

static const struct entry entries[] = {
#define SUITE(noun) {#noun, suite_##noun},
#include "gen/integration_suites.h"
#undef SUITE
};

#define ENTRY_COUNT (sizeof entries / sizeof *entries)

static int usage(const char *name) {
    fprintf(stderr, "usage: %s [suite]\nsuites:", name);
    for (size_t i = 0; i < ENTRY_COUNT; i++) {
        fprintf(stderr, " %s", entries[i].name);
    }
    fputc('\n', stderr);
    return 2;
}

static int list(void) {
    for (size_t i = 0; i < ENTRY_COUNT; i++)
        puts(entries[i].name);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "--list") == 0)
        return list();
    SRunner *runner = srunner_create(NULL);
    size_t chosen = 0;
    for (size_t i = 0; i < ENTRY_COUNT; i++) {
        if (argc < 2 || strcmp(argv[1], entries[i].name) == 0) {
            srunner_add_suite(runner, entries[i].create());
            chosen++;
        }
    }
    if (chosen == 0 || argc > 2) {
        srunner_free(runner);
        return usage(argv[0]);
    }
    if (!root_prepare() || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        perror("the tests can't be prepared");
        return EXIT_FAILURE;
    }
    signal(SIGPIPE, SIG_IGN);
    // One process: the programs of a suite are children of the test that restarts them.
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    curl_global_cleanup();
    root_clean_up(false);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
