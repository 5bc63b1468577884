// SPDX-License-Identifier: MIT
// Resident memory: of each process at rest, of an ingest that holds 10,000 keep-alive connections, of a dispatcher with
// 10,000 calls in flight.

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shared/base/mem.h"
#include "tests/bench/cost.h"
#include "tests/bench/stage.h"

#define CONNECTIONS 10000

static double rss(struct site *site, const char *name) {
    return cost_rss_mb(stack_pid(site->stack, name));
}

static void report_idle(struct site *site, const char *name, const char *metric) {
    report_add(site->report, "memory", metric, rss(site, name), 0);
}

// A connection over which one request was answered.
static int open_idle(uint16_t port) {
    static const char request[] = "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char answer[1024];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_msg(fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) == 0, "%s",
                  strerror(errno));
    ck_assert_int_eq(write(fd, request, sizeof request - 1), sizeof request - 1);
    ssize_t length = read(fd, answer, sizeof answer - 1);
    ck_assert_int_gt(length, 12);
    ck_assert_msg(strncmp(answer, "HTTP/1.1 200", 12) == 0, "%.12s", answer);
    return fd;
}

static void measure_ingest(struct site *site) {
    int *connections = xcalloc(CONNECTIONS, sizeof *connections);
    for (size_t i = 0; i < CONNECTIONS; i++) {
        connections[i] = open_idle(stack_port(site->stack, "ingest-1"));
    }
    report_add(site->report, "memory", "ingest, 10,000 idle connections", rss(site, "ingest-1"), 0);
    for (size_t i = 0; i < CONNECTIONS; i++) {
        close(connections[i]);
    }
    free(connections);
}

static double calls(struct site *site) {
    struct answer *answer = stack_call(site->stack, "mock-provider", "GET", "/mock/stats", NULL, NULL);
    double count = answer_number(answer, "providers.sms-mms.calls");
    answer_free(answer);
    return count;
}

static void measure_dispatcher(struct site *site) {
    const char *patient[] = {"DISPATCH_MAX_IN_FLIGHT=10000", "PROVIDER_TIMEOUT_MS=29000", NULL};
    stack_start_with(site->stack, "mock-provider", (const char *const[]){"API_PROVIDER_LATENCY_MS=8000", NULL});
    stack_start_with(site->stack, "dispatcher-1", patient);
    site_fill(site, CONNECTIONS);
    WAIT_FOR(60000, calls(site) >= CONNECTIONS);
    report_add(site->report, "memory", "dispatcher, 10,000 in flight", rss(site, "dispatcher-1"), 0);
    (void)site_drain(site, SITE_OUTBOUND, 60);
    ck_assert_int_eq(site_length(site, SITE_EVENTS), 2 * CONNECTIONS);
    site_drop(site, SITE_EVENTS);
    site_stop(site, "dispatcher-1");
    site_stop(site, "mock-provider");
}

void stage_memory(struct site *site) {
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    site_start_postgres(site);
    stack_start(site->stack, "mock-provider");
    stack_start(site->stack, "dispatcher-1");
    stack_start(site->stack, "persister-1");
    stack_start(site->stack, "ingest-1");
    report_idle(site, "ingest-1", "ingest, idle");
    report_idle(site, "dispatcher-1", "dispatcher, idle");
    report_idle(site, "persister-1", "persister, idle");
    report_idle(site, "mock-provider", "mock provider, idle");
    measure_ingest(site);
    site_stop(site, "ingest-1");
    site_stop(site, "persister-1");
    site_stop(site, "dispatcher-1");
    site_stop(site, "mock-provider");
    measure_dispatcher(site);
}
