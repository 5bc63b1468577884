// SPDX-License-Identifier: MIT
#include "shared/provider/callback.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"

#define MOST_PARTITION_DIGITS 6 // as in a partition's tag

char *callback_url(const struct settings *settings, const char *message_id, unsigned partition) {
    const char *base = settings->webhook_public_url;
    return base[0] != '\0' ? xasprintf("%s" CALLBACK_PATH "?message_id=%s&partition=%u", base, message_id, partition)
                           : NULL;
}

unsigned callback_partition(const char *text) {
    size_t length = text != NULL ? strlen(text) : 0;
    bool is_number = length > 0 && length <= MOST_PARTITION_DIGITS && strspn(text, "0123456789") == length;
    return is_number ? (unsigned)strtoul(text, NULL, 10) : RECEIPT_NO_PARTITION;
}
