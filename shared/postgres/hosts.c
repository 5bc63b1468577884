// SPDX-License-Identifier: MIT
#include "shared/postgres/hosts.h"

#include <stdlib.h>
#include <string.h>

#include "shared/postgres/url_part.h"

static size_t pg_hosts_count(const char *list) {
    size_t count = 1;
    for (; list != NULL && *list != '\0'; list++) {
        count += *list == ',';
    }
    return count;
}

// The n-th of a list; NULL where that is empty, or there is no list.
static char *pg_hosts_nth(const char *list, size_t n) {
    for (; list != NULL && n > 0; n--) {
        list = strchr(list, ',');
        list = list != NULL ? list + 1 : NULL;
    }
    size_t length = list != NULL ? strcspn(list, ",") : 0;
    return length > 0 ? xstrndup(list, length) : NULL;
}

const char *pg_hosts_of(const PQconninfoOption *parts, struct pg_hosts *out) {
    const char *names = pg_url_part(parts, "host"), *addresses = pg_url_part(parts, "hostaddr");
    const char *ports = pg_url_part(parts, "port");
    size_t count = pg_hosts_count(addresses != NULL ? addresses : names), port_count = pg_hosts_count(ports);
    *out = (struct pg_hosts){0};
    if (names != NULL && addresses != NULL && pg_hosts_count(names) != count) {
        return "there are not as many hosts as addresses (host, hostaddr)";
    }
    if (port_count != 1 && port_count != count) {
        return "there are not as many ports as hosts: give one for all, or one for each";
    }
    out->list = xcalloc(count, sizeof *out->list);
    out->count = count;
    for (size_t i = 0; i < count; i++) {
        out->list[i] = (struct pg_host){pg_hosts_nth(names, i), pg_hosts_nth(addresses, i),
                                        pg_hosts_nth(ports, port_count == 1 ? 0 : i)};
    }
    return NULL;
}

void pg_hosts_free(struct pg_hosts *hosts) {
    for (size_t i = 0; i < hosts->count; i++) {
        free(hosts->list[i].name);
        free(hosts->list[i].address);
        free(hosts->list[i].port);
    }
    free(hosts->list);
    *hosts = (struct pg_hosts){0};
}

bool pg_host_needs_lookup(const struct pg_host *host) {
    return host->name != NULL && host->address == NULL && host->name[0] != '/' && host->name[0] != '@';
}
