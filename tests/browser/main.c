// SPDX-License-Identifier: MIT
// The console in a real headless Chromium: runs the tests, or, as `build/tests/browser screenshots`, makes docs/*.png
// again. From the project's root; BUILD_DIR, VALGRIND and KEEP as in tests/integration/main.c.

#include <check.h>
#include <curl/curl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/root.h"

Suite *suite_console(void);
Suite *suite_screenshots(void);

int main(int argc, char **argv) {
    bool screenshots = argc == 2 && strcmp(argv[1], "screenshots") == 0;
    if (argc > 1 && !screenshots) {
        fprintf(stderr, "usage: %s [screenshots]\n", argv[0]);
        return 2;
    }
    if (!root_prepare() || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        perror("the tests can't be prepared");
        return EXIT_FAILURE;
    }
    signal(SIGPIPE, SIG_IGN);
    SRunner *runner = srunner_create(screenshots ? suite_screenshots() : suite_console());
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    curl_global_cleanup();
    root_clean_up(false);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
