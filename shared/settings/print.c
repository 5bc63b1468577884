// SPDX-License-Identifier: MIT
#include <inttypes.h>
#include <string.h>

#include "shared/settings/settings.h"
#include "shared/settings/table.h"

static const char *shown_default(const struct setting *setting) {
    return setting->flags & SETTING_SECRET ? "" : setting->fallback;
}

static void print_allowed(FILE *out, const struct setting *setting) {
    if (setting->type == SETTING_NUMBER) {
        fprintf(out, "%" PRId64 " to %" PRId64, setting->min, setting->max);
        if (*setting->unit != '\0') {
            fprintf(out, " %s", setting->unit);
        }
    } else {
        fputs(setting->allowed, out);
    }
}

static void print_help_entry(FILE *out, const struct setting *setting) {
    fprintf(out, "  %s\n      %s.\n      ", setting->name, setting->help);
    print_allowed(out, setting);
    if (*shown_default(setting) != '\0') {
        fprintf(out, "; default %s", shown_default(setting));
    }
    if (setting->flags & SETTING_RELOADED) {
        fputs("; read again on SIGHUP", out);
    }
    fputc('\n', out);
}

void settings_print_help(FILE *out, int program, const char *name, const char *summary) {
    fprintf(out,
            "%s: %s\n\n"
            "Usage: %s\n"
            "       %s --help | --version | --print-settings=markdown | --print-settings=dotenv\n\n"
            "--print-settings shows all programs' settings as README.md and .env.example hold them.\n\n"
            "Settings are taken from the environment, else from .env in the current folder, else from the file that\n"
            "API_CONFIG_FILE names (names there are in lower case and without API_), else the default:\n\n",
            name, summary, name, name);
    for (size_t i = 0; i < settings_table_count; i++) {
        if (settings_table[i].programs & program) {
            print_help_entry(out, &settings_table[i]);
        }
    }
}

void settings_print_markdown(FILE *out) {
    fputs("| Name | Default | Allowed | What |\n|---|---|---|---|\n", out);
    for (size_t i = 0; i < settings_table_count; i++) {
        const struct setting *setting = &settings_table[i];
        const char *fallback = shown_default(setting);
        const char *quote = *fallback != '\0' ? "`" : "";
        const char *mark = setting->flags & SETTING_RELOADED ? " ↻" : "";
        fprintf(out, "| `%s`%s | %s%s%s | ", setting->name, mark, quote, fallback, quote);
        print_allowed(out, setting);
        fprintf(out, " | %s |\n", setting->help);
    }
}

void settings_print_dotenv(FILE *out) {
    fputs("# cp .env.example .env, then change what you need. The programs, bin/ and the Makefile read .env; the\n"
          "# environment wins over it. What is commented out shows its default.\n",
          out);
    for (size_t i = 0; i < settings_table_count; i++) {
        const struct setting *setting = &settings_table[i];
        fprintf(out, "\n# %s (", setting->help);
        print_allowed(out, setting);
        fputs(setting->flags & SETTING_RELOADED ? "; read again on SIGHUP" : "", out);
        fprintf(out, ")\n%s%s=%s\n", setting->flags & SETTING_ACTIVE ? "" : "# ", setting->name,
                shown_default(setting));
    }
}
