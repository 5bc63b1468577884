// SPDX-License-Identifier: MIT
#ifndef TESTS_SUPPORT_POSTGRES_PAIR_H
#define TESTS_SUPPORT_POSTGRES_PAIR_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/support/child.h"

// Two servers of private_postgres.h, of which one is the primary and the other its standby, by streaming replication.
// What runs between them can be cut.

struct postgres_pair;

// Makes both, in <folder>/first and <folder>/second, and waits until the second follows the first. settings, for both,
// are as for postgres_start. is_synchronous: a commit waits for the standby.
struct postgres_pair *postgres_pair_create(const char *folder, bool is_synchronous, const char *const *settings);
// Kills what still runs.
void postgres_pair_destroy(struct postgres_pair *pair);

// postgres://…@127.0.0.1:<first>,127.0.0.1:<second>/messaging_service, as long as the pair is.
const char *postgres_pair_url(const struct postgres_pair *pair);
// The ports of the one that is the primary, and of the other.
uint16_t postgres_pair_primary(const struct postgres_pair *pair);
uint16_t postgres_pair_standby(const struct postgres_pair *pair);

// Nothing reaches the standby any more; what was under way is lost.
void postgres_pair_cut(struct postgres_pair *pair);
// It follows again; waits until it has what the primary has.
void postgres_pair_join(struct postgres_pair *pair);
// kill -9 of all its processes.
void postgres_pair_kill_primary(struct postgres_pair *pair);
void postgres_pair_kill_standby(struct postgres_pair *pair);
// The standby becomes the primary; waits until it takes writes.
void postgres_pair_promote(struct postgres_pair *pair);
// After that the old one, ended, comes back as the standby of the new one, with its data.
void postgres_pair_return(struct postgres_pair *pair);

// A statement at that port, as the superuser, in the service's database; fails the test where it does. Returns the
// first value as a number, 0 where there is none.
int64_t postgres_pair_sql(uint16_t port, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
