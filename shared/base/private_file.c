// SPDX-License-Identifier: MIT
#include "shared/base/private_file.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#define OWNERS (S_IRUSR | S_IWUSR)

// Another user's file is theirs to open to others, and /dev/stdout is a device's, a pipe's or a terminal's.
static bool is_too_wide(const struct stat *status) {
    return S_ISREG(status->st_mode) && status->st_uid == geteuid() && (status->st_mode & (S_IRWXG | S_IRWXO)) != 0;
}

int private_file_append(const char *path) {
    int descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, OWNERS);
    struct stat status;
    if (descriptor >= 0 && fstat(descriptor, &status) == 0 && is_too_wide(&status)) {
        (void)!fchmod(descriptor, OWNERS);
    }
    return descriptor;
}

void private_file_narrow(const char *path) {
    struct stat status;
    if (lstat(path, &status) == 0 && is_too_wide(&status)) {
        (void)!chmod(path, OWNERS);
    }
}
