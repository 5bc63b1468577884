// SPDX-License-Identifier: MIT
#include "ingest/batch/list.h"

#include <stdio.h>
#include <stdlib.h>

#include "shared/base/buf.h"
#include "shared/base/json.h"
#include "shared/base/json_canonical.h"
#include "shared/base/json_check.h"
#include "shared/base/json_items.h"

enum { MOST_MEMBERS = 64 }; // of the outermost object, where all but `messages` are passed over

static const char messages[] = "messages";

static int batch_list_refuse(struct payload_error *error, const char *field, const char *reason) {
    (void)snprintf(error->field, sizeof error->field, "%s", field);
    error->reason = reason;
    return -1;
}

// ---- The outermost object

struct outline {
    const char *values[MOST_MEMBERS];
    size_t lengths[MOST_MEMBERS];
    size_t count;
    struct buf names; // the object once more, the number of each member in the place of its value
};

static bool outline_take(struct outline *outline, const char *text, size_t length) {
    struct json_members members;
    json_members_begin(&members, text, length);
    buf_putc(&outline->names, '{');
    while (json_members_next(&members)) {
        if (outline->count == MOST_MEMBERS) {
            return false;
        }
        buf_puts(&outline->names, outline->count > 0 ? ",\"" : "\"");
        buf_append(&outline->names, members.name, members.name_length);
        buf_printf(&outline->names, "\":%zu", outline->count);
        outline->values[outline->count] = members.value;
        outline->lengths[outline->count++] = members.value_length;
    }
    buf_putc(&outline->names, '}');
    return true;
}

// The array's text, as its name is once unescaped. NULL, with *error set, where there is none.
static const char *outline_find(const struct outline *outline, size_t *length, struct payload_error *error) {
    const char *reason, *found = NULL;
    int64_t number;
    cJSON *names = json_parse(outline->names.data, outline->names.length, &reason);
    if (names == NULL) {
        (void)batch_list_refuse(error, "", reason);
    } else if (!json_integer(names, messages, &number) || *outline->values[number] == 'n') {
        (void)batch_list_refuse(error, messages, "is required");
    } else if (*outline->values[number] != '[') {
        (void)batch_list_refuse(error, messages, "must be an array of messages");
    } else {
        found = outline->values[number];
        *length = outline->lengths[number];
    }
    cJSON_Delete(names);
    return found;
}

static const char *find_messages(const char *text, size_t length, size_t *found_length, struct payload_error *error) {
    struct outline outline = {.count = 0};
    const char *found = NULL;
    if (outline_take(&outline, text, length)) {
        found = outline_find(&outline, found_length, error);
    } else {
        (void)batch_list_refuse(error, "", "The document has more than 64 members.");
    }
    buf_free(&outline.names);
    return found;
}

// ---- The array

static int read_spans(const char *text, const char *array, size_t length, struct batch_list *out,
                      struct payload_error *error) {
    struct json_items items;
    const char *item;
    size_t item_length;
    json_items_begin(&items, array, length);
    out->spans = xcalloc(BATCH_MOST_MESSAGES, sizeof *out->spans);
    while (json_items_next(&items, &item, &item_length)) {
        if (out->count == BATCH_MOST_MESSAGES) {
            return batch_list_refuse(error, messages, "must hold at most 1000 messages");
        }
        out->spans[out->count++] = (struct batch_span){(uint32_t)(item - text), (uint32_t)item_length};
    }
    return out->count > 0 ? 0 : batch_list_refuse(error, messages, "must hold at least one message");
}

// An object, and one document. What cJSON can't hold in a string is its message's own error.
static const char *check_document(const char *text, size_t length) {
    char *mended;
    const char *error = json_check(text, length, JSON_LENIENT, &mended);
    free(mended);
    size_t blanks = 0;
    while (error == NULL && (text[blanks] == ' ' || (text[blanks] >= '\t' && text[blanks] <= '\r'))) {
        blanks++;
    }
    return error != NULL || text[blanks] == '{' ? error : "The document must be an object.";
}

int batch_list_read(const char *text, size_t length, struct batch_list *out, struct payload_error *error) {
    *out = (struct batch_list){0};
    const char *reason = check_document(text, length), *array;
    size_t array_length;
    if (reason != NULL) {
        return batch_list_refuse(error, "", reason);
    }
    array = find_messages(text, length, &array_length, error);
    if (array != NULL && read_spans(text, array, array_length, out, error) == 0) {
        return 0;
    }
    batch_list_free(out);
    return -1;
}

void batch_list_free(struct batch_list *list) {
    free(list->spans);
    *list = (struct batch_list){0};
}

// ---- The digest

void batch_list_digest(uint8_t digest[SHA256_SIZE], const char *message, size_t length) {
    const char *error;
    struct buf gathered = {0};
    cJSON *tree = json_parse(message, length, &error);
    buf_append(&gathered, digest, SHA256_SIZE);
    if (tree != NULL) {
        json_write_canonical(&gathered, tree);
    } else { // it stays as wrong as it is
        buf_putc(&gathered, '!');
        buf_append(&gathered, message, length);
    }
    crypto_sha256(gathered.data, gathered.length, digest);
    cJSON_Delete(tree);
    buf_free(&gathered);
}
