// SPDX-License-Identifier: MIT
#ifndef INGEST_ACCEPT_ATTACHMENT_H
#define INGEST_ACCEPT_ATTACHMENT_H

#include "shared/base/mem.h"

// Whether a send's attachment is one: 1 to 2048 bytes, no control characters, no white space around, and, where it has
// a scheme (RFC 3986, 3.1), http or https with a host. Without a scheme it may be any text: "attachment-url".
// url is valid UTF-8. Returns NULL, or a static phrase that says what it must be.
const char *attachment_check(const char *url) MUST_CHECK;

#endif
