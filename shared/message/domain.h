// SPDX-License-Identifier: MIT
#ifndef SHARED_MESSAGE_DOMAIN_H
#define SHARED_MESSAGE_DOMAIN_H

#include <stdbool.h>

#include "shared/base/buf.h"
#include "shared/base/mem.h"
#include "shared/message/span.h"

// Appends the identity of an email's domain: ASCII in lower case; any other by IDNA (UTS #46, non-transitional, as
// mail servers look it up), so that "bücher.example", "BÜCHER.example", its decomposed and its full-width form and
// "xn--bcher-kva.example" are one. An address literal, "[127.0.0.1]", is its own.
// Returns false, with nothing appended, where it is no domain: an empty label, a character that no domain has, or what
// IDNA refuses, such as a label that mixes directions, or an emoji (whose A-label is taken).
bool domain_identify(struct span domain, struct buf *out) MUST_CHECK;

#endif
