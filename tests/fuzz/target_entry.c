// SPDX-License-Identifier: MIT
// A stream entry as anyone could XADD it → a row for Postgres, or a dead letter; and the same entry read by a
// dispatcher. Input: its fields, name and value in turn, each on a line.

#include <hiredis/hiredis.h>
#include <string.h>

#include "dispatcher/entry.h"
#include "persister/event.h"
#include "persister/staging.h"
#include "shared/base/json_check.h"
#include "tests/fuzz/targets.h"

enum { MOST_FIELDS = 64, COLUMNS = 56 };

struct fields {
    redisReply replies[MOST_FIELDS];
    redisReply *elements[MOST_FIELDS];
    size_t count;
};

// Each text ends with a NUL, as hiredis's do.
static void split(char *text, size_t size, struct fields *out) {
    char *end = text + size;
    while (text <= end && out->count < MOST_FIELDS) {
        char *line_end = memchr(text, '\n', (size_t)(end - text));
        line_end = line_end != NULL ? line_end : end;
        *line_end = '\0';
        redisReply *reply = &out->replies[out->count];
        *reply = (redisReply){.type = REDIS_REPLY_STRING, .str = text, .len = (size_t)(line_end - text)};
        out->elements[out->count++] = reply;
        text = line_end + 1;
    }
}

// One line of COPY's text format, with as many columns as there are.
static void assert_row(const struct buf *row) {
    size_t tabs = 0;
    FUZZ_ASSERT(row->length > 0 && memchr(row->data, '\n', row->length) == row->data + row->length - 1);
    FUZZ_ASSERT(memchr(row->data, '\0', row->length) == NULL);
    for (size_t i = 0; i < row->length; i++) {
        tabs += row->data[i] == '\t';
    }
    FUZZ_ASSERT(tabs == COLUMNS - 1);
}

static void persist(const struct fields *fields) {
    struct buf packed = {0}, row = {0}, json = {0};
    for (size_t i = 0; i < fields->count; i++) {
        event_pack(&packed, fields->replies[i].str, fields->replies[i].len);
    }
    buf_puts(&packed, "");
    struct event event;
    const char *reason = NULL;
    struct staging_row where = {.position = 1, .slot = 0};
    enum event_result result = event_decode(packed.data, packed.length, &event, &reason);
    event_json(packed.data, packed.length, &json);
    char *mended;
    const char *error = json_check(json.data, json.length, JSON_STRICT, &mended);
    free(mended);
    FUZZ_ASSERT(error == NULL ||
                strstr(error, "\\u0000") != NULL); // which a field may hold, and a document of ours not
    if (result == EVENT_OK) {
        staging_event(&row, &where, &event);
        assert_row(&row);
        event_free(&event);
    } else if (result == EVENT_POISON) {
        FUZZ_ASSERT(reason != NULL);
        staging_poison(&row, &where,
                       &(struct staging_poison){.provider = "email",
                                                .stream = "events:{email:0}",
                                                .entry_id = "1-1",
                                                .reason = reason,
                                                .entry = json.data,
                                                .failed_ms = 0});
        assert_row(&row);
    }
    buf_free(&packed);
    buf_free(&row);
    buf_free(&json);
}

static void dispatch(struct fields *fields) {
    char id_text[] = "1730469600000-0";
    redisReply id = {.type = REDIS_REPLY_STRING, .str = id_text, .len = sizeof id_text - 1};
    redisReply array = {.type = REDIS_REPLY_ARRAY, .elements = fields->count, .element = fields->elements};
    struct entry entry;
    const char *why;
    enum entry_kind kind = entry_read(&id, &array, &entry, &why);
    FUZZ_ASSERT((kind == ENTRY_READABLE) == (why == NULL));
    FUZZ_ASSERT(kind != ENTRY_READABLE || (entry.call >= 1 && entry.message.sender != NULL));
    entry_free(&entry);
}

void fuzz_entry(const uint8_t *data, size_t size) {
    struct fields fields = {.count = 0};
    char *text = malloc(size + 1);
    memcpy(text, data, size);
    text[size] = '\0';
    split(text, size, &fields);
    persist(&fields);
    dispatch(&fields);
    free(text);
}
