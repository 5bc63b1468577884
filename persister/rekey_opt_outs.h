// SPDX-License-Identifier: MIT
#ifndef PERSISTER_REKEY_OPT_OUTS_H
#define PERSISTER_REKEY_OPT_OUTS_H

#include <libpq-fe.h>
#include <stdint.h>

#include "shared/message/phone.h"

// A rekey's part that is about who has opted out: pairs get the identities that the region gives their phones
// (shared/message/identify.h, identity_complete), and of those that become one the later word counts. A page of them is
// a transaction; killed, it begins again without harm, for what it has done it doesn't find any more.

// Returns how many pairs got others.
int64_t rekey_opt_outs(PGconn *conn, const struct phone_region *region);

#endif
