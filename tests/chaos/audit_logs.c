// SPDX-License-Identifier: MIT
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/json.h"
#include "shared/base/mem.h"
#include "shared/base/rfc3339.h"
#include "tests/chaos/audit.h"

#define ANY_OF_POISON (-1)

// Which error is explained by which injection, from its beginning to `within_ms` after its end.
struct explanation {
    const char *event;
    int kind; // of injection; ANY_OF_POISON: by the poison, at any time
    int64_t within_ms;
};

static const struct explanation explanations[] = {
    {"entry_poison", ANY_OF_POISON, 0},
};

struct tally {
    struct run *run;
    const char *program;
    uint64_t lines, errors, unexplained;
};

static bool was_on(const struct run *run, const struct explanation *explanation, int64_t at_ms) {
    for (size_t i = 0; i < schedule_count(run->schedule); i++) {
        const struct injection *injection = schedule_at(run->schedule, i);
        if ((int)injection->kind == explanation->kind && at_ms >= injection->began_ms &&
            at_ms <= injection->ended_ms + explanation->within_ms) {
            return true;
        }
    }
    return false;
}

static bool is_explained(const struct run *run, const char *event, int64_t at_ms) {
    for (size_t i = 0; i < sizeof explanations / sizeof *explanations; i++) {
        const struct explanation *explanation = &explanations[i];
        if (strcmp(explanation->event, event) == 0 &&
            (explanation->kind == ANY_OF_POISON || was_on(run, explanation, at_ms))) {
            return true;
        }
    }
    return false;
}

static void look_at_error(struct tally *tally, const char *line, const cJSON *event) {
    int64_t at_ms = 0;
    const char *time = json_string(event, "ts"), *name = json_string(event, "event");
    if (time == NULL || name == NULL || rfc3339_parse(time, &at_ms) != 0 || !is_explained(tally->run, name, at_ms)) {
        tally->unexplained++;
        report_breach(tally->run->report, "an unexplained error line", json_string(event, "message_id"), "%s: %.500s",
                      tally->program, line);
    }
    tally->errors++;
}

// A line is whole JSON, or it is something else that shouldn't be there: a sanitizer's report, say. Only the last line
// of a program that was killed may be cut short.
static void look_at_line(struct tally *tally, const char *line, size_t length) {
    tally->lines++;
    bool is_plain = line[0] == '{' && length > 2 && line[length - 2] == '}' && line[length - 1] == '\n';
    if (is_plain && strstr(line, "\"level\":\"error\"") == NULL) {
        return;
    }
    const char *error = NULL;
    cJSON *event = json_parse(line, length, &error);
    if (event == NULL) {
        tally->unexplained++;
        report_breach(tally->run->report, "a line that is no log line", NULL, "%s: %.500s", tally->program, line);
    } else {
        look_at_error(tally, line, event);
    }
    cJSON_Delete(event);
}

static void look_at_log(struct tally *tally) {
    char *path = xasprintf("%s/%s.log", stack_folder(tally->run->world->stack), tally->program);
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t room = 0;
    ssize_t length;
    while (file != NULL && (length = getline(&line, &room, file)) > 0) {
        look_at_line(tally, line, (size_t)length);
    }
    if (file != NULL) {
        fclose(file);
    }
    free(line);
    free(path);
}

void audit_logs(struct run *run) {
    struct tally tally = {.run = run};
    for (size_t i = 0; i < run->world->program_count; i++) {
        tally.program = run->world->programs[i];
        look_at_log(&tally);
    }
    report_heading("Logs");
    report_figure("lines, of them errors", "%" PRIu64 ", %" PRIu64, tally.lines, tally.errors);
    report_figure("unexplained errors", "%" PRIu64, tally.unexplained);
}
