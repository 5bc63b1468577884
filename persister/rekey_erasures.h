// SPDX-License-Identifier: MIT
#ifndef PERSISTER_REKEY_ERASURES_H
#define PERSISTER_REKEY_ERASURES_H

#include <libpq-fe.h>
#include <stdint.h>

#include "shared/message/phone.h"

// Conversations that were erased under former identities are so under today's as well: what was accepted of them until
// then may still be on its way, and comes by today's. Returns how many have other ones; the former stay beside them.
int64_t rekey_erasures(PGconn *conn, const struct phone_region *region);

#endif
