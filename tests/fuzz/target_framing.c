// SPDX-License-Identifier: MIT
// What a client sends on one connection. Input: how many bytes come at once, then those bytes.

#include <string.h>

#include "shared/http/framing.h"
#include "tests/fuzz/targets.h"

// Takes it in pieces; returns what was passed on, for the caller to free.
static struct buf take(struct http_framing *framing, const char *bytes, size_t length, size_t piece) {
    struct buf out = {0};
    for (size_t at = 0; at < length; at += piece) {
        size_t more = piece < length - at ? piece : length - at;
        char *copy = malloc(more); // so that nothing is read beyond it
        memcpy(copy, bytes + at, more);
        size_t before = out.length;
        bool was_refused = framing->refusal.status != 0;
        http_framing_take(framing, copy, more, &out);
        FUZZ_ASSERT(!was_refused || out.length == before);
        FUZZ_ASSERT(framing->held.length <= HTTP_HEAD_MOST);
        free(copy);
    }
    FUZZ_ASSERT(out.length + framing->held.length <= length);
    return out;
}

// What was passed on says the same when it is read again.
static void assert_same(const struct buf *passed, const struct http_framing *framing) {
    struct http_framing again = {0};
    struct buf out = {0};
    http_framing_take(&again, passed->data, passed->length, &out);
    FUZZ_ASSERT(again.refusal.status == 0 && again.requests == framing->requests);
    FUZZ_ASSERT(out.length + again.held.length == passed->length);
    buf_free(&out);
    http_framing_free(&again);
}

void fuzz_framing(const uint8_t *data, size_t size) {
    if (size < 2) {
        return;
    }
    struct http_framing at_once = {0}, in_pieces = {0};
    const char *bytes = (const char *)data + 1;
    struct buf one = take(&at_once, bytes, size - 1, size - 1);
    struct buf other = take(&in_pieces, bytes, size - 1, (size_t)data[0] % 32 + 1);
    FUZZ_ASSERT(at_once.requests == in_pieces.requests);
    FUZZ_ASSERT(at_once.refusal.status == in_pieces.refusal.status);
    FUZZ_ASSERT(http_framing_is_in_body(&at_once) == http_framing_is_in_body(&in_pieces));
    FUZZ_ASSERT(one.length == other.length && (one.length == 0 || memcmp(one.data, other.data, one.length) == 0));
    if (one.length > 0) {
        assert_same(&one, &at_once);
    }
    buf_free(&one);
    buf_free(&other);
    http_framing_free(&at_once);
    http_framing_free(&in_pieces);
}
