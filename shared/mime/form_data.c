// SPDX-License-Identifier: MIT
#include "shared/mime/form_data.h"

#include <stdlib.h>
#include <string.h>

#include "shared/mime/header.h"
#include "shared/mime/multipart.h"
#include "shared/mime/parameter.h"
#include "shared/mime/transfer.h"
#include "shared/mime/word.h"

#define LEFT_OUT "X-Left-Out"
#define LEFT_OUT_PARTS "X-Left-Out-Parts"

// ---- A part's head

// WHATWG HTML, "multipart/form-data encoding algorithm": these three are escaped in names and file names.
static void unescape_name(char *text) {
    char *out = text;
    for (const char *in = text; *in != '\0'; in++) {
        char byte = strncmp(in, "%22", 3) == 0   ? '"'
                    : strncmp(in, "%0D", 3) == 0 ? '\r'
                    : strncmp(in, "%0A", 3) == 0 ? '\n'
                                                 : '\0';
        *out++ = byte != '\0' ? byte : *in;
        in += byte != '\0' ? 2 : 0;
    }
    *out = '\0';
}

static char *form_data_filename(struct span disposition) {
    char *given = parameter_get(disposition, "filename");
    if (given == NULL) {
        return NULL;
    }
    unescape_name(given);
    struct buf decoded = {0};
    word_decode(&decoded, (struct span){given, strlen(given)});
    free(given);
    return decoded.data;
}

static char *copy_main(struct span value) {
    struct span main = parameter_main(value);
    return main.length > 0 ? xstrndup(main.text, main.length) : NULL;
}

static struct span as_span(const struct buf *buf) {
    return (struct span){buf->data, buf->length};
}

// Texts are UTF-8, what isn't becomes U+FFFD; a name's or file name's %22, %0D and %0A are decoded, as browsers encode
// them, and a file name's encoded words, as mail programs do.
static void form_data_head_read(struct span head, struct form_data_head *out) {
    struct buf value = {0};
    *out = (struct form_data_head){0};
    if (header_get(head, "Content-Disposition", &value)) {
        out->name = parameter_get(as_span(&value), "name");
        out->filename = form_data_filename(as_span(&value));
    }
    if (out->name == NULL) {
        out->name = xstrdup("");
    }
    unescape_name(out->name);
    if (header_get(head, "Content-Type", &value)) {
        out->type = copy_main(as_span(&value));
        out->charset = parameter_get(as_span(&value), "charset");
    }
    if (header_get(head, "Content-Transfer-Encoding", &value)) {
        out->encoding = copy_main(as_span(&value));
    }
    out->left_out = header_get(head, LEFT_OUT, &value) ? strtoull(value.data, NULL, 10) : 0;
    out->left_out_parts = header_get(head, LEFT_OUT_PARTS, &value) ? strtoull(value.data, NULL, 10) : 0;
    buf_free(&value);
}

static void form_data_head_free(struct form_data_head *head) {
    free(head->name);
    free(head->filename);
    free(head->type);
    free(head->charset);
    free(head->encoding);
    *head = (struct form_data_head){0};
}

// ---- A form that is there as a whole

struct form_reading {
    struct form_data *form;
    size_t room;
    bool is_skipped; // the part is none of the form's
};

static struct form_data_part *last_part(const struct form_reading *reading) {
    return &reading->form->parts[reading->form->count - 1];
}

static void note_left_out(struct form_data *form, const struct form_data_head *head) {
    form->left_out += head->left_out_parts;
    if (head->left_out > 0 && form->count > 0) {
        form->parts[form->count - 1].left_out = head->left_out;
    }
}

static void form_reading_on_head(void *argument, const char *bytes, size_t length) {
    struct form_reading *reading = argument;
    struct form_data *form = reading->form;
    struct form_data_head head;
    form_data_head_read((struct span){bytes, length}, &head);
    bool is_note = head.left_out > 0 || head.left_out_parts > 0, is_full = form->count == FORM_DATA_PARTS_MOST;
    reading->is_skipped = is_note || is_full;
    if (reading->is_skipped) {
        form->left_out += !is_note;
        note_left_out(form, &head);
        form_data_head_free(&head);
        return;
    }
    if (form->count == reading->room) {
        reading->room = reading->room == 0 ? 16 : 2 * reading->room;
        form->parts = xrealloc(form->parts, reading->room * sizeof *form->parts);
    }
    form->parts[form->count++] = (struct form_data_part){.head = head};
    buf_append(&last_part(reading)->content, "", 0);
}

static void form_reading_on_content(void *argument, const char *bytes, size_t length) {
    const struct form_reading *reading = argument;
    if (!reading->is_skipped) {
        buf_append(&last_part(reading)->content, bytes, length);
    }
}

static void form_reading_on_end(void *argument) {
    const struct form_reading *reading = argument;
    struct form_data_part *part = reading->is_skipped ? NULL : last_part(reading);
    if (part == NULL || part->head.encoding == NULL) {
        return;
    }
    struct buf decoded = {0};
    const struct span encoding = {part->head.encoding, strlen(part->head.encoding)};
    transfer_decode(&decoded, encoding, part->content.data, part->content.length);
    buf_append(&decoded, "", 0);
    buf_free(&part->content);
    part->content = decoded;
}

void form_data_read(const char *body, size_t length, const char *boundary, struct form_data *out) {
    struct form_reading reading = {.form = out};
    struct multipart multipart;
    *out = (struct form_data){0};
    multipart_begin(&multipart, boundary,
                    &(struct multipart_sink){
                        .head = form_reading_on_head,
                        .content = form_reading_on_content,
                        .end = form_reading_on_end,
                        .argument = &reading,
                    });
    multipart_take(&multipart, body, length);
    multipart_end(&multipart);
    multipart_free(&multipart);
}

void form_data_free(struct form_data *form) {
    for (size_t i = 0; i < form->count; i++) {
        form_data_head_free(&form->parts[i].head);
        buf_free(&form->parts[i].content);
    }
    free(form->parts);
    *form = (struct form_data){0};
}

const struct form_data_part *form_data_find(const struct form_data *form, const char *name) {
    for (size_t i = 0; i < form->count; i++) {
        if (strcmp(form->parts[i].head.name, name) == 0) {
            return &form->parts[i];
        }
    }
    return NULL;
}

// ---- Less of it

struct form_data_reduction {
    const struct form_data_rules *rules;
    struct multipart multipart;
    char *boundary;  // NULL: there is none, and so no parts
    struct buf *out; // the caller's, while it takes something
    uint32_t seen;   // of rules->fields
    size_t others;   // bytes of what they may take that are left
    size_t before;   // likewise
    size_t *budget;  // of the part: what its content is taken from besides `room`; NULL: nothing
    size_t room;     // bytes of the part's content that may still be kept
    bool is_kept;    // the part's head is
    bool is_file;
    bool has_begun;    // a part was kept
    uint64_t cut;      // bytes of the part
    size_t line;       // of the last line that was kept, how much of "--boundary" it begins with; SIZE_MAX: it doesn't
    uint64_t left_out; // parts
};

// How long what stands around a part is, and the part that says what was left out, which has 64 bytes for its number.
static size_t frame_length(size_t boundary) {
    return 2 + 2 + boundary + 2 + 2;
}

static size_t note_length(size_t boundary) {
    return frame_length(boundary) + 64;
}

size_t form_data_most(const struct form_data_rules *rules) {
    size_t frame = frame_length(MULTIPART_BOUNDARY_MOST), note = note_length(MULTIPART_BOUNDARY_MOST);
    size_t most = rules->before + rules->others + note + frame;
    for (size_t i = 0; i < rules->count; i++) {
        most += rules->fields[i].most + MULTIPART_HEAD_MOST + frame + note;
    }
    return most;
}

static const struct form_data_field *reduction_find(const struct form_data_rules *rules, const char *name) {
    for (size_t i = 0; i < rules->count; i++) {
        if (strcmp(rules->fields[i].name, name) == 0) {
            return &rules->fields[i];
        }
    }
    return NULL;
}

static void reduction_delimit(struct form_data_reduction *reduction, const char *end) {
    buf_puts(reduction->out, "--");
    buf_puts(reduction->out, reduction->boundary);
    buf_puts(reduction->out, end);
}

// What a part is kept of, by its head.
static void reduction_judge(struct form_data_reduction *reduction, const struct form_data_head *head) {
    const struct form_data_field *field = reduction_find(reduction->rules, head->name);
    reduction->is_kept = true;
    reduction->is_file = false;
    reduction->budget = NULL;
    if (field == NULL) {
        reduction->is_file = head->filename != NULL;
        reduction->budget = &reduction->others;
        reduction->room = reduction->is_file ? 0 : reduction->rules->other;
        return;
    }
    uint32_t bit = UINT32_C(1) << (field - reduction->rules->fields);
    reduction->is_kept = (reduction->seen & bit) == 0;
    reduction->seen |= bit;
    reduction->room = field->most;
}

// ---- The last line of what is kept: where it was cut, it must not have become a delimiter

static void reduction_watch(struct form_data_reduction *reduction, const char *bytes, size_t length) {
    const char *end = memrchr(bytes, '\n', length);
    const char *at = bytes;
    if (end != NULL) {
        reduction->line = 0;
        at = end + 1;
    }
    size_t whole = strlen(reduction->boundary) + 2;
    for (; at < bytes + length && reduction->line < whole; at++) {
        char expected = reduction->line < 2 ? '-' : reduction->boundary[reduction->line - 2];
        reduction->line = *at == expected ? reduction->line + 1 : SIZE_MAX;
    }
}

static void reduction_keep(struct form_data_reduction *reduction, const char *bytes, size_t length) {
    if (length > 0) {
        buf_append(reduction->out, bytes, length);
        reduction_watch(reduction, bytes, length);
    }
}

static void reduction_close_line(struct form_data_reduction *reduction) {
    if (reduction->line == strlen(reduction->boundary) + 2) {
        buf_putc(reduction->out, '.');
    }
}

// ---- What becomes of a part

static void reduction_begin_part(struct form_data_reduction *reduction) {
    if (reduction->before < reduction->rules->before && !reduction->has_begun) {
        reduction_close_line(reduction);
        buf_puts(reduction->out, "\r\n");
    }
    reduction->has_begun = true;
    reduction->line = 0;
    reduction_delimit(reduction, "\r\n");
}

// Whether there is room for a part's head and, where it may be cut, for what says so. Of known fields there always is.
static bool reduction_has_room(struct form_data_reduction *reduction, size_t head) {
    size_t boundary = strlen(reduction->boundary);
    size_t needed = frame_length(boundary) + head + (reduction->is_file ? 0 : note_length(boundary));
    if (reduction->budget == NULL) {
        return true;
    }
    if (needed > *reduction->budget) {
        return false;
    }
    *reduction->budget -= needed;
    return true;
}

static void reduction_on_head(void *argument, const char *bytes, size_t length) {
    struct form_data_reduction *reduction = argument;
    struct form_data_head head;
    form_data_head_read((struct span){bytes, length}, &head);
    reduction_judge(reduction, &head);
    reduction->is_kept = reduction->is_kept && reduction_has_room(reduction, length);
    reduction->cut = 0;
    if (reduction->is_kept) {
        reduction_begin_part(reduction);
        buf_append(reduction->out, bytes, length);
        buf_puts(reduction->out, length > 0 && bytes[length - 1] != '\n' ? "\r\n\r\n" : "\r\n");
    } else {
        reduction->left_out++;
    }
    form_data_head_free(&head);
}

static void reduction_on_content(void *argument, const char *bytes, size_t length) {
    struct form_data_reduction *reduction = argument;
    size_t kept = length < reduction->room ? length : reduction->room;
    if (!reduction->is_kept) {
        return;
    }
    if (reduction->budget != NULL && kept > *reduction->budget) {
        kept = *reduction->budget;
    }
    if (reduction->cut > 0) {
        kept = 0;
    }
    if (reduction->budget != NULL) {
        *reduction->budget -= kept;
    }
    reduction->room -= kept;
    reduction->cut += reduction->is_file ? 0 : length - kept;
    reduction_keep(reduction, bytes, kept);
}

static void reduction_note(struct form_data_reduction *reduction, const char *header, uint64_t left_out) {
    reduction_begin_part(reduction);
    buf_printf(reduction->out, "%s: %llu\r\n\r\n\r\n", header, (unsigned long long)left_out);
}

static void reduction_on_end(void *argument) {
    struct form_data_reduction *reduction = argument;
    if (!reduction->is_kept) {
        return;
    }
    if (reduction->cut > 0) {
        reduction_close_line(reduction);
    }
    buf_puts(reduction->out, "\r\n");
    if (reduction->cut > 0) {
        reduction_note(reduction, LEFT_OUT, reduction->cut);
    }
}

static void reduction_on_before(void *argument, const char *bytes, size_t length) {
    struct form_data_reduction *reduction = argument;
    size_t kept = length < reduction->before ? length : reduction->before;
    if (reduction->boundary != NULL) {
        reduction_keep(reduction, bytes, kept);
    } else {
        buf_append(reduction->out, bytes, kept);
    }
    reduction->before -= kept;
}

struct form_data_reduction *form_data_reduction_begin(struct span content_type, const struct form_data_rules *rules) {
    struct form_data_reduction *reduction = xcalloc(1, sizeof *reduction);
    *reduction = (struct form_data_reduction){.rules = rules, .others = rules->others, .before = rules->before};
    reduction->boundary = multipart_boundary(content_type);
    if (reduction->boundary != NULL) {
        multipart_begin(&reduction->multipart, reduction->boundary,
                        &(struct multipart_sink){
                            .head = reduction_on_head,
                            .content = reduction_on_content,
                            .end = reduction_on_end,
                            .before = reduction_on_before,
                            .argument = reduction,
                        });
    }
    return reduction;
}

void form_data_reduction_take(struct form_data_reduction *reduction, const char *bytes, size_t length,
                              struct buf *out) {
    reduction->out = out;
    if (reduction->boundary == NULL) {
        reduction_on_before(reduction, bytes, length);
    } else {
        multipart_take(&reduction->multipart, bytes, length);
    }
}

// Where there was no part, nothing is added to what was kept: it is no form.
void form_data_reduction_end(struct form_data_reduction *reduction, struct buf *out) {
    reduction->out = out;
    if (reduction->boundary == NULL) {
        return;
    }
    multipart_end(&reduction->multipart);
    if (reduction->left_out > 0) {
        reduction_note(reduction, LEFT_OUT_PARTS, reduction->left_out);
    }
    if (reduction->has_begun) {
        reduction_delimit(reduction, "--\r\n");
    }
}

void form_data_reduction_free(struct form_data_reduction *reduction) {
    if (reduction->boundary != NULL) {
        multipart_free(&reduction->multipart);
    }
    free(reduction->boundary);
    free(reduction);
}
