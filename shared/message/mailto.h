// SPDX-License-Identifier: MIT
#ifndef SHARED_MESSAGE_MAILTO_H
#define SHARED_MESSAGE_MAILTO_H

#include <stdbool.h>

#include "shared/base/buf.h"
#include "shared/base/mem.h"
#include "shared/message/span.h"

// "[text](target)": *target, where the text has that form.
bool mailto_find_target(struct span text, struct span *target) MUST_CHECK;
// Appends whom a mailto: URI (RFC 6068, in any case) leads to: percent-decoded, those of its "?to=", "cc=" and "bcc="
// each behind a comma, without its other fields and the label that chats put behind it ("mailto:a@b|a@b"). False where
// it is another URI.
bool mailto_decode(struct span uri, struct buf *out) MUST_CHECK;

#endif
