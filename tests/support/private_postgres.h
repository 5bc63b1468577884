// SPDX-License-Identifier: MIT
#ifndef TESTS_SUPPORT_PRIVATE_POSTGRES_H
#define TESTS_SUPPORT_PRIVATE_POSTGRES_H

#include <stdint.h>

#include "tests/support/child.h"

// A Postgres of a suite's own: on loopback, migrated, with the user and database of .env.example. initdb and the
// migrations run once, into postgres-template in the folder TEST_TEMPLATES, which several programs may share, or else
// TEST_ROOT; each suite gets a copy. It doesn't fsync: what is tested is the end of processes, not of the machine; its
// settings say so unless they are told otherwise.

// The newest server's folder of programs, owned by the caller.
char *postgres_programs(void);
// Makes the template unless it is there. Fails the test when it can't.
void postgres_make_template(void);
// Copies the template to <folder>/postgres.
void postgres_copy_template(const char *folder);
// Takes a copy of the server that a libpq keyword string names to <folder>/postgres, which will follow it as its
// standby.
void postgres_base_backup(const char *folder, const char *source);
// Starts it on that port and waits until it takes queries. settings ("name=value", NULL-terminated, may be NULL) are
// laid over the ones said above.
struct child *postgres_start(const char *folder, uint16_t port, const char *const *settings);
// In the server of <folder>, once it gets its SIGHUP, everybody but postgres and messaging_user needs a password.
void postgres_ask_for_passwords(const char *folder);
// postgres://…@127.0.0.1:<port>/messaging_service, owned by the caller.
char *postgres_url(uint16_t port);

#endif
