// SPDX-License-Identifier: MIT
#include "tests/support/logs.h"

#include <cjson/cJSON.h>
#include <stdio.h>
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

// Who is killed may leave half a line behind, and who comes after it under that name goes on within it, or nobody does.
static bool is_torn(const char *line, size_t length, const char *const *allowed) {
    static const char begin[] = "{\"ts\":\"";
    if (strncmp(line, begin, strlen(begin)) != 0) {
        return false;
    }
    const char *next = strstr(line + 1, begin);
    bool goes_on = next != NULL && next < line + length;
    return goes_on ? is_fine(next, length - (size_t)(next - line), allowed) : line[length] == '\0';
}

char *logs_fault(const char *path, const char *const *allowed) {
    char *text = read_whole_file(path);
    char *fault = NULL;
    for (const char *line = text; fault == NULL && line != NULL && *line != '\0';) {
        size_t length = strcspn(line, "\n");
        if (length > 0 && !is_fine(line, length, allowed) && !is_torn(line, length, allowed)) {
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

// Of a link: what was said last.
struct link_word {
    char name[64];
    bool up;
};

enum { MOST_LINKS = 64 };

static size_t note_word(struct link_word *words, size_t count, const char *name, bool up) {
    size_t i = 0;
    while (i < count && strcmp(words[i].name, name) != 0) {
        i++;
    }
    if (i == MOST_LINKS) {
        return count;
    }
    snprintf(words[i].name, sizeof words[i].name, "%s", name);
    words[i].up = up;
    return i == count ? count + 1 : count;
}

bool logs_links_are_up(const char *path, size_t from, const char *up, const char *down) {
    struct link_word words[MOST_LINKS];
    size_t count = 0;
    char *text = read_whole_file(path), *rest = NULL;
    char *begin = text != NULL && strlen(text) > from ? text + from : NULL;
    for (char *line = begin != NULL ? strtok_r(begin, "\n", &rest) : NULL; line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        const char *error = NULL;
        cJSON *event = json_parse(line, strlen(line), &error);
        const char *name = event != NULL ? json_string(event, "event") : NULL;
        const char *link = event != NULL ? json_string(event, "link") : NULL;
        if (name != NULL && link != NULL && (strcmp(name, up) == 0 || strcmp(name, down) == 0)) {
            count = note_word(words, count, link, strcmp(name, up) == 0);
        }
        cJSON_Delete(event);
    }
    free(text);
    for (size_t i = 0; i < count; i++) {
        if (!words[i].up) {
            return false;
        }
    }
    return true;
}
