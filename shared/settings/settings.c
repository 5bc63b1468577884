// SPDX-License-Identifier: MIT
#include "shared/settings/settings.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_USAGE 2

void settings_refuse(const char *program, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s: ", program);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(EXIT_USAGE);
}

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
        settings_refuse(name, "unknown argument '%s'; see %s --help", argument, name);
    }
    finish_printing();
}

void settings_from_command_line(struct settings *out, int argc, char **argv, int program, const char *name,
                                const char *summary) {
    if (argc > 1) {
        handle_argument(argv[1], program, name, summary);
    }
    char *error = settings_load(out, getenv, SETTINGS_DOTENV, NULL);
    if (error != NULL) {
        settings_refuse(name, "%s", error);
    }
}
