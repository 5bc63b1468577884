// SPDX-License-Identifier: MIT
#ifndef SHARED_MESSAGE_MAILBOX_H
#define SHARED_MESSAGE_MAILBOX_H

#include <stdbool.h>
#include <stddef.h>

#include "shared/base/buf.h"
#include "shared/message/span.h"

// What stands between the commas of a From or To (RFC 5322, 3.4), and what people and programs make of that: display
// names, comments, groups, ';' for ',', a space between addresses, quotes around one, a mailto: URI for one.

struct mailbox {
    struct buf address; // "local@domain", where that is what it is: without name, comments and invisible marks
    bool is_angled;     // it stood in < >
    bool is_email;      // it has an '@' outside quotes
    bool is_named;      // a name and a ':' stood before it
};

struct mailboxes {
    struct mailbox *items; // in their order, none empty but for "<>"
    size_t count;
    size_t emails; // how many of them are
    bool is_group; // one or more of them are in a named group, "Team: a@b, c@d;"
};

// Takes a text apart; mailboxes_free(). What isn't closed, such as a quote, is taken for an ordinary character.
void mailboxes_read(struct span text, struct mailboxes *out);
void mailboxes_free(struct mailboxes *mailboxes);

#endif
