// SPDX-License-Identifier: MIT
#include "dispatcher/mock/twilio_read.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "dispatcher/mock/twilio_path.h"
#include "shared/base/clock.h"
#include "shared/base/json.h"

static bool is_listed(const struct mock_list *list, const char *account, const struct mock_message *message) {
    return strcmp(message->account, account) == 0 && (list->to == NULL || strcmp(list->to, message->to) == 0) &&
           (list->from == NULL || strcmp(list->from, message->from) == 0);
}

// Appends the page's messages, newest first. Returns whether there are more.
static bool write_page(const struct mock_outbox *outbox, const char *account, const struct mock_list *list,
                       struct buf *out) {
    const struct mock_message *message;
    size_t first = list->page * list->page_size, seen = 0;
    for (size_t back = 0; (message = mock_outbox_at(outbox, back)) != NULL; back++) {
        if (!is_listed(list, account, message)) {
            continue;
        }
        if (seen == first + list->page_size) {
            return true;
        }
        if (seen >= first) {
            buf_puts(out, seen > first ? "," : "");
            mock_message_write(message, clock_unix_ms(), out);
        }
        seen++;
    }
    return false;
}

static void write_uri(struct buf *out, const char *name, const char *path, const struct mock_list *list, size_t page,
                      bool there) {
    char *uri = xasprintf("%s?PageSize=%zu&Page=%zu", path, list->page_size, page);
    json_write_member(out, name, there ? uri : NULL);
    free(uri);
}

static void mock_twilio_write_list(const struct mock_outbox *outbox, const char *path, const char *account,
                                   const struct mock_list *list, struct buf *out) {
    buf_puts(out, "{\"messages\":[");
    bool more = write_page(outbox, account, list, out);
    buf_putc(out, ']');
    json_write_member_int(out, "page", (int64_t)list->page);
    json_write_member_int(out, "page_size", (int64_t)list->page_size);
    json_write_member_int(out, "start", (int64_t)(list->page * list->page_size));
    write_uri(out, "uri", path, list, list->page, true);
    write_uri(out, "first_page_uri", path, list, 0, true);
    write_uri(out, "next_page_uri", path, list, list->page + 1, more);
    write_uri(out, "previous_page_uri", path, list, list->page - 1, list->page > 0);
    buf_putc(out, '}');
}

void mock_twilio_read(const struct mock_outbox *outbox, const char *path, const struct mock_list *list,
                      struct mock_answer *out) {
    struct mock_twilio_path parsed = mock_twilio_path_of(path);
    out->status = 200;
    if (parsed.resource == MOCK_TWILIO_MESSAGES) {
        mock_twilio_write_list(outbox, path, parsed.account, list, &out->body);
    } else {
        const struct mock_message *message = mock_outbox_find(outbox, parsed.account, parsed.sid);
        if (message != NULL) {
            mock_message_write(message, clock_unix_ms(), &out->body);
        } else {
            out->status = 404;
            mock_twilio.write_missing(path, &out->body);
        }
    }
    mock_twilio_path_free(&parsed);
}
