// SPDX-License-Identifier: MIT
#include "persister/announce.h"

#include <stdbool.h>

#include "shared/base/json.h"
#include "shared/redis/feed.h"

enum { MOST_IN_ONE = 100 }; // messages of one entry of the feed, which bounds its size

static bool is_about_a_message(const struct batch_entry *entry) {
    return entry->what != BATCH_POISON && entry->what != BATCH_UNREAD && entry->what != BATCH_REREAD &&
           entry->what != BATCH_OPT_OUT && entry->what != BATCH_ERASE;
}

static void announce_write_message(struct buf *out, const struct batch_entry *entry) {
    buf_puts(out, out->data[out->length - 1] == '[' ? "{" : ",{");
    json_write_member(out, "id", entry->message_id);
    json_write_member(out, "what", batch_what_name(entry->what));
    buf_putc(out, '}');
}

void announce_written(struct redis_link *link, int64_t feed_max_length, const struct batch *batch, size_t first,
                      size_t count) {
    struct buf data = {0};
    for (size_t i = first; i < first + count;) {
        buf_clear(&data);
        buf_puts(&data, "{\"messages\":[");
        size_t before = data.length;
        for (size_t in_one = 0; i < first + count && in_one < MOST_IN_ONE; i++) {
            if (is_about_a_message(&batch->entries[i])) {
                announce_write_message(&data, &batch->entries[i]);
                in_one++;
            }
        }
        if (data.length > before) {
            buf_puts(&data, "]}");
            feed_publish(link, feed_max_length, "messages", data.data);
        }
    }
    buf_free(&data);
}
