// SPDX-License-Identifier: MIT
// Settings from a .env file ('d'), a file of settings ('c') or the environment (anything else: the rest is the value of
// every setting). Input: that letter, then the text.

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shared/settings/settings.h"
#include "tests/fuzz/targets.h"

static const char *everywhere; // the value that the environment has for every setting; NULL: it is empty

static char *look_up(const char *name) {
    (void)name;
    return (char *)(uintptr_t)everywhere;
}

static void load(const char *dotenv, const char *config) {
    struct settings settings;
    char *error = settings_load(&settings, look_up, dotenv, config);
    if (error == NULL) {
        FUZZ_ASSERT(settings.port >= 1 && settings.port <= 65535);
        FUZZ_ASSERT(settings.max_connections_per_ip >= 1 && settings.health_path[0] == '/');
        settings_free(&settings);
    } else {
        FUZZ_ASSERT(strchr(error, '\n') == NULL); // one line, whatever the value holds
    }
    free(error);
}

static void load_file(const uint8_t *text, size_t size, bool is_config) {
    char path[64];
    int fd = memfd_create("settings", MFD_CLOEXEC);
    FUZZ_ASSERT(fd >= 0 && write(fd, text, size) == (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    load(is_config ? NULL : path, is_config ? path : NULL);
    close(fd);
}

void fuzz_settings(const uint8_t *data, size_t size) {
    everywhere = NULL;
    if (size > 0 && (data[0] == 'd' || data[0] == 'c')) {
        load_file(data + 1, size - 1, data[0] == 'c');
    } else if (size > 0) {
        char *value = malloc(size);
        memcpy(value, data + 1, size - 1);
        value[size - 1] = '\0';
        everywhere = value;
        load(NULL, NULL);
        everywhere = NULL;
        free(value);
    }
}
