// SPDX-License-Identifier: MIT
// Runs the unit suites: all of them, or the one named as the only argument. CK_FORK=no helps a debugger.

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUITE(noun) Suite *suite_##noun(void);
#include "gen/unit_suites.h"
#undef SUITE

struct entry {
    const char *name;
    Suite *(*create)(void);
};

static const struct entry entries[] = {
#define SUITE(noun) {#noun, suite_##noun},
#include "gen/unit_suites.h"
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

int main(int argc, char **argv) {
    setenv("CK_DEFAULT_TIMEOUT", "120", 0); // seconds; it is there for what hangs, not for a machine that is busy
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
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
