// SPDX-License-Identifier: MIT
#include "persister/acknowledge.h"

#include <stdlib.h>

#include "persister/consumer.h"
#include "shared/base/mem.h"

// A run of entries of one stream and connection at a time.
void acknowledge(const struct batch_entry *entries, size_t count) {
    const char **ids = xmalloc((count + 1) * sizeof *ids);
    for (size_t i = 0, run = 0; i < count; i++) {
        const struct batch_entry *entry = &entries[i];
        ids[run++] = entry->id;
        if (i + 1 == count || entries[i + 1].stream != entry->stream ||
            entries[i + 1].connection != entry->connection) {
            event_consumer_done(entry->stream->consumer, entry->connection, ids, run);
            run = 0;
        }
    }
    free(ids);
}
