// SPDX-License-Identifier: MIT
//
// A ring. It is searched from end to end, for who reads back does so rarely.
#include "dispatcher/mock/outbox.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"

enum { MOST = 10000, MOST_BYTES = 16 << 20 };

struct mock_outbox {
    size_t oldest, count, bytes;
    struct mock_message messages[MOST];
};

static void forget_oldest(struct mock_outbox *outbox) {
    struct mock_message *oldest = &outbox->messages[outbox->oldest];
    outbox->bytes -= mock_message_bytes(oldest);
    mock_message_free(oldest);
    outbox->oldest = (outbox->oldest + 1) % MOST;
    outbox->count--;
}

void mock_outbox_add(struct mock_outbox *outbox, const struct mock_message *message) {
    size_t bytes = mock_message_bytes(message);
    while (outbox->count == MOST || (outbox->count > 0 && outbox->bytes + bytes > MOST_BYTES)) {
        forget_oldest(outbox);
    }
    outbox->messages[(outbox->oldest + outbox->count) % MOST] = *message;
    outbox->count++;
    outbox->bytes += bytes;
}

const struct mock_message *mock_outbox_at(const struct mock_outbox *outbox, size_t back) {
    return back < outbox->count ? &outbox->messages[(outbox->oldest + outbox->count - 1 - back) % MOST] : NULL;
}

const struct mock_message *mock_outbox_find(const struct mock_outbox *outbox, const char *account, const char *sid) {
    const struct mock_message *message;
    for (size_t back = 0; (message = mock_outbox_at(outbox, back)) != NULL; back++) {
        if (strcmp(message->sid, sid) == 0 && strcmp(message->account, account) == 0) {
            return message;
        }
    }
    return NULL;
}

struct mock_outbox *mock_outbox_create(void) {
    return xcalloc(1, sizeof(struct mock_outbox));
}

void mock_outbox_destroy(struct mock_outbox *outbox) {
    while (outbox->count > 0) {
        forget_oldest(outbox);
    }
    free(outbox);
}
