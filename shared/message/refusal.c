// SPDX-License-Identifier: MIT
#include "shared/message/refusal.h"

#include <inttypes.h>
#include <stdio.h>

#include "shared/base/unicode.h"

const char *refusal_of_control(int32_t code, char reason[REFUSAL_SIZE]) {
    (void)snprintf(reason, REFUSAL_SIZE, "must not contain control characters, here U+%04" PRIX32, (uint32_t)code);
    return reason;
}

const char *refusal_of_character(int32_t code, const char *kind, const char *allowed, char reason[REFUSAL_SIZE]) {
    if (unicode_is_control(code)) {
        return refusal_of_control(code, reason);
    }
    (void)snprintf(reason, REFUSAL_SIZE, "must be %s, without U+%04" PRIX32 ": %s", kind, (uint32_t)code, allowed);
    return reason;
}
