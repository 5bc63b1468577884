// SPDX-License-Identifier: MIT
#include "tests/support/root.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

bool root_prepare(void) {
    char path[PATH_MAX];
    const char *build = getenv("BUILD_DIR");
    if (getcwd(path, sizeof path) == NULL || setenv("PROJECT_ROOT", path, 1) != 0) {
        return false;
    }
    if (realpath(build != NULL ? build : "build", path) == NULL || setenv("BUILD_DIR", path, 1) != 0) {
        return false;
    }
    snprintf(path, sizeof path, "%s/messaging-tests.XXXXXX", getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp");
    return mkdtemp(path) != NULL && chmod(path, 0755) == 0 && setenv("TEST_ROOT", path, 1) == 0;
}

void root_clean_up(bool keep) {
    const char *root = getenv("TEST_ROOT");
    if (keep || getenv("KEEP") != NULL) {
        printf("kept: %s\n", root);
        return;
    }
    pid_t pid = fork();
    if (pid == 0) {
        execlp("rm", "rm", "-rf", root, (char *)NULL);
        _exit(127);
    }
    (void)waitpid(pid, NULL, 0);
}
