// SPDX-License-Identifier: MIT
#include "tests/support/logs.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/json.h"
#include "shared/base/mem.h"
#include "tests/support/child.h"

static bool is_among(const char *text, const char *const *list) {
    for (size_t i = 0; list[i] != NULL; i++) {
        if (text != NULL && strcmp(text, list[i]) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_fine(const char *line, size_t length, const char *const *allowed) {
    const char *error = NULL;
    cJSON *event = json_parse(line, length, &error);
    const char *level = event != NULL ? json_string(event, "level") : NULL;
    bool fine = level != NULL && (strcmp(level, "error") != 0 || is_among(json_string(event, "event"), allowed));
    cJSON_Delete(event);
    return fine;
}

char *logs_fault(const char *path, const char *const *allowed) {
    char *text = read_whole_file(path);
    char *fault = NULL;
    for (const char *line = text; fault == NULL && line != NULL && *line != '\0';) {
        size_t length = strcspn(line, "\n");
        if (length > 0 && !is_fine(line, length, allowed)) {
            fault = xstrndup(line, length < 2000 ? length : 2000);
        }
        line += length + (line[length] == '\n' ? 1 : 0);
    }
    free(text);
    return fault;
}

int logs_count(const char *path, const char *event) {
    char *text = read_whole_file(path);
    char *wanted = xasprintf("\"event\":\"%s\"", event);
    int count = 0;
    for (const char *at = text; at != NULL && (at = strstr(at, wanted)) != NULL; at++) {
        count++;
    }
    free(wanted);
    free(text);
    return count;
}

int logs_count_about(const char *path, const char *event, const char *text) {
    char *all = read_whole_file(path);
    char *wanted = xasprintf("\"event\":\"%s\"", event);
    int count = 0;
    char *rest = NULL;
    for (char *line = all != NULL ? strtok_r(all, "\n", &rest) : NULL; line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        count += strstr(line, wanted) != NULL && strstr(line, text) != NULL;
    }
    free(wanted);
    free(all);
    return count;
}
