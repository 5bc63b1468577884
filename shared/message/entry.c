// SPDX-License-Identifier: MIT
#include "shared/message/entry.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/log.h"
#include "shared/message/format.h"

bool entry_integer(const char *text, int64_t min, int64_t max, int64_t *out) {
    if (text == NULL || *text == '\0' || strspn(text, "-0123456789") != strlen(text)) {
        return false;
    }
    char *end;
    errno = 0;
    *out = strtoll(text, &end, 10);
    return errno == 0 && *end == '\0' && *out >= min && *out <= max;
}

enum entry_format entry_format(const char *v, const char **reason) {
    int64_t format;
    if (!entry_integer(v, 1, ENTRY_MOST, &format)) {
        *reason = "v is not a format's number";
        return ENTRY_FORMAT_NONE;
    }
    return format > STREAM_FORMAT ? ENTRY_FORMAT_NEWER : ENTRY_FORMAT_OURS;
}

const char *entry_head_read(const char *id, const char *generation, const char *at, struct entry_head *out) {
    if (id == NULL || uuid_parse(id, &out->id) != 0) {
        return "id is not a UUID";
    }
    if (!entry_integer(generation, 0, ENTRY_MOST, &out->generation)) {
        return "gen is not an integer of 0 to 2147483647";
    }
    if (!entry_integer(at, ENTRY_MIN_MS, ENTRY_MAX_MS, &out->at_ms)) {
        return "at is not a time of the years 1 to 9999 in milliseconds since 1970";
    }
    return NULL;
}

void entry_words_begin(const char *m, size_t length, struct entry_words *out) {
    *out = (struct entry_words){.rest = m, .rest_length = length};
}

const char *entry_words_next(struct entry_words *words) {
    if (words->rest == NULL) {
        return NULL;
    }
    const char *space = memchr(words->rest, ' ', words->rest_length);
    size_t length = space != NULL ? (size_t)(space - words->rest) : words->rest_length;
    if (length >= sizeof words->words - words->used) {
        return NULL;
    }
    char *word = words->words + words->used;
    memcpy(word, words->rest, length);
    word[length] = '\0';
    words->used += length + 1;
    words->rest = space != NULL ? space + 1 : NULL;
    words->rest_length -= space != NULL ? length + 1 : length;
    return word;
}

int64_t entry_taken_us(const char *entry_id) {
    char *rest;
    errno = 0;
    int64_t ms = strtoll(entry_id, &rest, 10);
    if (errno != 0 || rest == entry_id || ms < 0 || ms > ENTRY_MAX_MS) {
        return 0;
    }
    int64_t sequence = *rest == '-' ? strtoll(rest + 1, NULL, 10) : 0;
    return ms * 1000 + (sequence > 999 ? 999 : sequence < 0 ? 0 : sequence);
}

void entries_newer_add(struct entries_newer *newer, const char *entry_id) {
    newer->count++;
    snprintf(newer->last, sizeof newer->last, "%s", entry_id);
}

void entries_newer_log(struct entries_newer *newer, const char *stream, const char *provider) {
    if (newer->count == 0) {
        return;
    }
    struct log_line *line = log_begin(LOG_WARN, "entries_newer");
    log_str(line, "stream", stream);
    log_str(line, "entry", newer->last);
    log_int(line, "entries", (int64_t)newer->count);
    log_str(line, "provider", provider);
    log_str(line, "message", "they are of a newer format and were put aside for a release that reads them");
    log_end(line);
    newer->count = 0;
}
