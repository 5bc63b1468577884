// SPDX-License-Identifier: MIT
#ifndef SHARED_POSTGRES_HOSTS_H
#define SHARED_POSTGRES_HOSTS_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>

#include "shared/base/mem.h"

// The servers that a URL lists, as libpq reads such a list (the manual, "Specifying Multiple Hosts").

struct pg_host {
    char *name;    // `host`: a name, an address or a socket's folder; NULL: libpq's default
    char *address; // `hostaddr`: numeric, and then the name isn't looked up; NULL: none is given
    char *port;    // NULL: libpq's default
};

struct pg_hosts {
    struct pg_host *list; // owned
    size_t count;         // at least 1
};

// Of a URL's parts. Returns NULL and *out, to be freed by pg_hosts_free; or what is wrong with the list, as a line.
const char *pg_hosts_of(const PQconninfoOption *parts, struct pg_hosts *out) MUST_CHECK;
void pg_hosts_free(struct pg_hosts *hosts);

// Whether a host's name must be looked up before libpq may have it.
bool pg_host_needs_lookup(const struct pg_host *host);

#endif
