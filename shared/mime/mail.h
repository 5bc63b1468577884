// SPDX-License-Identifier: MIT
#ifndef SHARED_MIME_MAIL_H
#define SHARED_MIME_MAIL_H

#include <stddef.h>

#include "shared/base/buf.h"
#include "shared/base/mem.h"
#include "shared/message/span.h"

// What a mail says (RFC 5322, RFC 2045), as far as a reader of messages needs it: its first text, its first HTML, the
// names of what hangs on it. Its header is header.h's.

enum { MAIL_ATTACHMENTS_MOST = 1000 };

struct mail {
    struct buf text, html; // UTF-8 without NUL, lines ended by LF; data is NULL where there is none
    char **attachments;    // mail_attachment_text's
    size_t count;
    size_t left_out; // further ones
};

// Reads a mail, which may be cut off anywhere. mail_free(). A part of a type, charset or encoding that isn't known is
// read as well as it can be; one nested deeper than anybody nests is an attachment.
void mail_read(struct span mail, struct mail *out);
void mail_free(struct mail *mail);

// How a file is called in a message's attachments, "report.pdf (application/pdf)", owned by the caller: by the last
// step of its path alone (RFC 2183, 2.3). filename and type may be NULL; name is what it is called without one.
char *mail_attachment_text(const char *filename, const char *type, const char *name) MUST_CHECK;

#endif
