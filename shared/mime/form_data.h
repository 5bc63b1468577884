// SPDX-License-Identifier: MIT
#ifndef SHARED_MIME_FORM_DATA_H
#define SHARED_MIME_FORM_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/buf.h"
#include "shared/base/mem.h"
#include "shared/message/span.h"

// multipart/form-data (RFC 7578), and the same with less in it.

// ---- A part's head

struct form_data_head {
    char *name;     // "" where it has none
    char *filename; // of a file; NULL: it is none
    char *type;     // its media type, without parameters; NULL: not given
    char *charset;  // NULL: not given
    char *encoding; // its Content-Transfer-Encoding; NULL: none
    // It only says what isn't there: bytes of the part before it (X-Left-Out), parts of the form (X-Left-Out-Parts).
    uint64_t left_out, left_out_parts;
};

// ---- A form that is there as a whole

struct form_data_part {
    struct form_data_head head;
    struct buf content; // decoded where its head names an encoding; its charset is as it came
    uint64_t left_out;  // bytes of it that aren't there
};

struct form_data {
    struct form_data_part *parts; // in their order, but for those that only say what was left out
    size_t count;
    uint64_t left_out; // parts
};

enum { FORM_DATA_PARTS_MOST = 20000 }; // what comes behind them counts as left out

// Reads a form, as it came or as form_data_reduce has left it. boundary is multipart_boundary's. form_data_free().
void form_data_read(const char *body, size_t length, const char *boundary, struct form_data *out);
void form_data_free(struct form_data *form);
// The first part of that name, or NULL.
const struct form_data_part *form_data_find(const struct form_data *form, const char *name);

// ---- Less of it

// How much of a form is kept. What a file holds is not; a field of a name in `fields` isn't one, whatever its head
// says.
struct form_data_rules {
    const struct form_data_field {
        const char *name;
        size_t most; // bytes of its content; of several of one name the first is kept
    } * fields;
    size_t count;  // at most 32
    size_t other;  // bytes of the content of a field of another name
    size_t others; // bytes of all other fields and files, with their heads
    size_t before; // bytes of what stands before the first part
};

// The greatest length of what form_data_reduce leaves.
size_t form_data_most(const struct form_data_rules *rules);

struct form_data_reduction;

// Begins to make a form shorter: the same document, with the same boundary, without what files hold, without what goes
// beyond the rules. Where a part was cut a part of its name follows with a header X-Left-Out that counts the bytes;
// where parts are missing the last one counts them in X-Left-Out-Parts. What is no such document is kept as it is, as
// far as `before` goes. content_type: with its boundary; rules must outlive it.
struct form_data_reduction *form_data_reduction_begin(struct span content_type, const struct form_data_rules *rules);
// Takes what comes next, and appends to out what is kept.
void form_data_reduction_take(struct form_data_reduction *reduction, const char *bytes, size_t length, struct buf *out);
void form_data_reduction_end(struct form_data_reduction *reduction, struct buf *out);
void form_data_reduction_free(struct form_data_reduction *reduction);

#endif
