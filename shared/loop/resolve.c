// SPDX-License-Identifier: MIT
#include "shared/loop/resolve.h"

#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "shared/base/mem.h"

struct resolve {
    uv_getaddrinfo_t request;
    unsigned attempt;
    resolve_done done; // NULL once cancelled
    void *argument;
    int failure;        // uv_getaddrinfo's own, told from the timer
    uv_timer_t at_once; // only where the look-up could not even start
};

static size_t count_addresses(const struct addrinfo *list) {
    size_t count = 0;
    for (; list != NULL; list = list->ai_next) {
        count++;
    }
    return count;
}

static const struct addrinfo *nth_address(const struct addrinfo *list, size_t n) {
    while (n-- > 0) {
        list = list->ai_next;
    }
    return list;
}

static void report(struct resolve *resolve, const char *address, const char *error) {
    resolve_done done = resolve->done;
    resolve->done = NULL;
    if (done) {
        done(resolve->argument, address, error);
    }
}

static void resolve_on_addresses(uv_getaddrinfo_t *request, int status, struct addrinfo *list) {
    struct resolve *resolve = request->data;
    char text[INET6_ADDRSTRLEN + IF_NAMESIZE + 1];
    size_t count = count_addresses(list);
    if (status == 0 && count > 0) {
        const struct addrinfo *chosen = nth_address(list, resolve->attempt % count);
        // getnameinfo keeps a link-local address's zone, which inet_ntop drops.
        status = getnameinfo(chosen->ai_addr, chosen->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST) == 0
                     ? 0
                     : UV_EAI_FAIL;
    } else if (status == 0) {
        status = UV_EAI_NONAME;
    }
    report(resolve, status == 0 ? text : NULL, status == 0 ? NULL : uv_strerror(status));
    uv_freeaddrinfo(list);
    free(resolve);
}

static void free_resolve(uv_handle_t *handle) {
    free(handle->data);
}

static void resolve_on_failed_start(uv_timer_t *timer) {
    struct resolve *resolve = timer->data;
    report(resolve, NULL, uv_strerror(resolve->failure));
    uv_close((uv_handle_t *)timer, free_resolve);
}

struct resolve *resolve_start(uv_loop_t *loop, const char *host, unsigned attempt, resolve_done done, void *argument) {
    struct resolve *resolve = xcalloc(1, sizeof *resolve);
    *resolve = (struct resolve){.attempt = attempt, .done = done, .argument = argument};
    resolve->request.data = resolve;
    // No AI_ADDRCONFIG: it would hide 127.0.0.1 in a container that has nothing but loopback.
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    resolve->failure = uv_getaddrinfo(loop, &resolve->request, resolve_on_addresses, host, NULL, &hints);
    if (resolve->failure != 0) {
        resolve->at_once.data = resolve;
        uv_timer_init(loop, &resolve->at_once);
        uv_timer_start(&resolve->at_once, resolve_on_failed_start, 0, 0);
    }
    return resolve;
}

void resolve_cancel(struct resolve *resolve) {
    resolve->done = NULL;
    if (resolve->failure == 0) {
        uv_cancel((uv_req_t *)&resolve->request); // in vain once it runs; on_addresses then finds no one to tell
    }
}

bool resolve_is_numeric(const char *host) {
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    return uv_ip4_addr(host, 0, &v4) == 0 || uv_ip6_addr(host, 0, &v6) == 0;
}
