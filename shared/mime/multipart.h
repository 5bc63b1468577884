// SPDX-License-Identifier: MIT
#ifndef SHARED_MIME_MULTIPART_H
#define SHARED_MIME_MULTIPART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/buf.h"
#include "shared/base/mem.h"
#include "shared/message/span.h"

// A multipart body (RFC 2046, 5.1), taken apart as it comes, in pieces of any size: what it holds of it is a part's
// head and what may be the beginning of a delimiter. Lines end with CRLF or LF alone. What isn't as it should be is
// read all the same: a body that ends without its last delimiter ends its last part; a part without an empty line has a
// head alone.

enum {
    MULTIPART_BOUNDARY_MOST = 200, // bytes; the RFC's limit is 70
    MULTIPART_HEAD_MOST = 8192,    // bytes of a part's head; what is longer is cut
};

// Where the parts go. Every part is one head, then its content in pieces, then its end.
struct multipart_sink {
    // The lines of its head, without the empty one; those that didn't fit are left out.
    void (*head)(void *argument, const char *bytes, size_t length);
    void (*content)(void *argument, const char *bytes, size_t length);
    void (*end)(void *argument);
    // What stands before the first part; may be NULL.
    void (*before)(void *argument, const char *bytes, size_t length);
    void *argument;
};

struct multipart {
    struct multipart_sink sink;
    char boundary[MULTIPART_BOUNDARY_MOST + 1];
    size_t boundary_length;
    int place; // in the body
    int match; // how far what is held matches a delimiter
    size_t matched;
    struct buf held, head;
    size_t line_length; // of the head's last line, without CR
    bool head_is_full;
};

// The boundary that a Content-Type names, owned by the caller. NULL where it names none that can be one.
char *multipart_boundary(struct span content_type) MUST_CHECK;

// boundary is multipart_boundary's. multipart_free() releases what it holds.
void multipart_begin(struct multipart *multipart, const char *boundary, const struct multipart_sink *sink);
void multipart_take(struct multipart *multipart, const char *bytes, size_t length);
// The body ends here.
void multipart_end(struct multipart *multipart);
void multipart_free(struct multipart *multipart);

#endif
