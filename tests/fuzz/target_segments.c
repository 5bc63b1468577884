// SPDX-License-Identifier: MIT
// An SMS → its encoding and segments. Input: the text.

#include <string.h>

#include "shared/message/segments.h"
#include "tests/fuzz/targets.h"

void fuzz_segments(const uint8_t *data, size_t size) {
    char *body = malloc(size + 1);
    memcpy(body, data, size);
    struct segments segments = segments_of(body, size);
    size_t alone = segments.encoding == SEGMENT_GSM_7 ? 160 : 70,
           joined = segments.encoding == SEGMENT_GSM_7 ? 153 : 67;
    FUZZ_ASSERT(segments.count >= 1);
    FUZZ_ASSERT(size > alone / 2 || segments.count == 1);
    FUZZ_ASSERT(segments.count <= 1 + 2 * size / (joined - 1)); // at most two units a byte, one of each segment lost
    struct segments shorter = segments_of(body, size / 2);
    FUZZ_ASSERT(shorter.encoding != SEGMENT_GSM_7 || segments.encoding != SEGMENT_GSM_7 ||
                shorter.count <= segments.count);
    body[size] = '`'; // in neither table
    FUZZ_ASSERT(segments_of(body, size + 1).encoding == SEGMENT_UCS_2);
    free(body);
}
