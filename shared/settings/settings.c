// SPDX-License-Identifier: MIT
#include "shared/settings/settings.h"

#include <stdlib.h>
#include <string.h>

#define EXIT_USAGE 2

static _Noreturn void finish_printing(void) {
    exit(fflush(stdout) == 0 && !ferror(stdout) ? EXIT_SUCCESS : EXIT_FAILURE);
}

static void handle_argument(const char *argument, int program, const char *name, const char *summary) {
    if (strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0) {
        settings_print_help(stdout, program, name, summary);
    } else if (strcmp(argument, "--version") == 0) {
        printf("%s %s\n", name, PROGRAM_VERSION);
    } else if (strcmp(argument, "--print-settings=markdown") == 0) {
        settings_print_markdown(stdout);
    } else if (strcmp(argument, "--print-settings=dotenv") == 0) {
        settings_print_dotenv(stdout);
    } else {
        fprintf(stderr, "%s: unknown argument '%s'; see %s --help\n", name, argument, name);
        exit(EXIT_USAGE);
    }
    finish_printing();
}

void settings_from_command_line(struct settings *out, int argc, char **argv, int program, const char *name,
                                const char *summary) {
    if (argc > 1) {
        handle_argument(argv[1], program, name, summary);
    }
    char *error = settings_load(out, getenv, ".env", NULL);
    if (error != NULL) {
        fprintf(stderr, "%s: %s\n", name, error);
        free(error);
        exit(EXIT_USAGE);
    }
}
