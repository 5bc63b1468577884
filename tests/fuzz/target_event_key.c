// SPDX-License-Identifier: MIT
// The headers of SendGrid's signature, and the setting with its keys. Input: three lines, the keys, the signature, the
// timestamp; what is missing is empty.

#include <string.h>

#include "shared/base/mem.h"
#include "shared/provider/event_key.h"
#include "tests/fuzz/targets.h"

static char *take_line(const char **rest, const char *end) {
    const char *stop = memchr(*rest, '\n', (size_t)(end - *rest));
    stop = stop != NULL ? stop : end;
    char *line = xstrndup(*rest, (size_t)(stop - *rest));
    *rest = stop < end ? stop + 1 : end;
    return line;
}

void fuzz_event_key(const uint8_t *data, size_t size) {
    static const uint8_t digest[SHA256_SIZE] = {1, 2, 3};
    uint8_t id[SIGNATURE_ID_SIZE];
    const char *rest = (const char *)data, *end = rest + size;
    char *keys = take_line(&rest, end), *signature = take_line(&rest, end), *timestamp = take_line(&rest, end);
    (void)!event_key_refusal(keys);
    enum signature verdict = event_key_check(keys, signature, timestamp, digest, 0, 300, 300, id);
    FUZZ_ASSERT(verdict != SIGNATURE_RIGHT && verdict != SIGNATURE_MISSING); // nobody has signed that digest
    free(keys);
    free(signature);
    free(timestamp);
}
