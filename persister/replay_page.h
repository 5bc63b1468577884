// SPDX-License-Identifier: MIT
#ifndef PERSISTER_REPLAY_PAGE_H
#define PERSISTER_REPLAY_PAGE_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/buf.h"
#include "shared/base/uuid.h"
#include "shared/redis/keys.h"
#include "shared/settings/settings.h"

// Some dead letters of a replay, ready to be sent: the rows of sql/replay_page.sql.

#define REPLAY_PAGE_SIZE 100

struct replay_letter {
    void *owner;        // for the callback that gets the letter; set by replay_page_fill
    int64_t id;         // of the dead letter
    int64_t generation; // that begins
    char message_id[UUID_TEXT_SIZE];
    struct partition_keys keys; // where its token goes
    char *payload;              // NULL: nothing can be sent
    struct buf pair;            // opt_out_pair; empty with OPT_OUT off
    bool settled;               // dealt with
};

struct replay_page {
    size_t count;
    size_t next; // those before it are settled
    struct replay_letter letters[REPLAY_PAGE_SIZE];
};

// Takes over the rows; a row whose message is missing or can't be read is logged and has no payload.
// By settings' PHONE_REGION and OPT_OUT.
void replay_page_fill(struct replay_page *page, const PGresult *rows, const struct settings *settings,
                      unsigned partitions, void *owner);
// Steps over what is settled; returns the id of the last letter stepped over, or -1 when it was none.
int64_t replay_page_advance(struct replay_page *page);
void replay_page_clear(struct replay_page *page);

#endif
