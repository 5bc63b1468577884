// SPDX-License-Identifier: MIT
#ifndef TESTS_SUPPORT_PRIVATE_POOLER_H
#define TESTS_SUPPORT_PRIVATE_POOLER_H

#include <stdint.h>

#include "tests/support/child.h"

// A PgBouncer of a suite's own, on loopback, in front of a private Postgres: any database and user, no password.

// Writes <folder>/pooler.ini and starts it on that port; waits until Postgres answers a query through it. postgres: the
// port of the server behind it. settings ("name = value" of the section [pgbouncer], NULL-terminated, may be NULL) are
// laid over pool_mode = session and default_pool_size = 20.
struct child *pooler_start(const char *folder, uint16_t port, uint16_t postgres, const char *const *settings);
// Writes its settings again, as above, and has it read them; waits until they count, also for clients that are
// connected.
void pooler_reload(struct child *pooler, const char *folder, uint16_t port, uint16_t postgres,
                   const char *const *settings);
// How many of its clients' connections carry that application_name, or begin with it.
int pooler_clients(uint16_t port, const char *application);
// A command of its console, such as RECONNECT. Fails the test when it is refused.
void pooler_command(uint16_t port, const char *command);

#endif
