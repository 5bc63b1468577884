// SPDX-License-Identifier: MIT
#ifndef PERSISTER_IDENTITIES_H
#define PERSISTER_IDENTITIES_H

#include <uv.h>

#include "shared/message/phone.h"
#include "shared/postgres/link.h"
#include "shared/redis/heartbeat.h"

// By which rules and which PHONE_REGION the stored conversations were made (migration 0008): looks every few seconds
// whether `persister --rekey` is due, and reports it as the trouble `rekey_due`.

struct identities;

// The script that tells a session which rules its rows are made by, owned by the caller.
char *identities_setup(const struct phone_region *region);

// Sessions of link are set up by that script; link and heartbeat outlive it.
struct identities *identities_create(uv_loop_t *loop, struct pg_link *link, struct heartbeat *heartbeat);
// Frees itself once its timer has closed. To be called once link is destroyed.
void identities_destroy(struct identities *identities);

#endif
