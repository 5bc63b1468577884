// SPDX-License-Identifier: MIT
// Clients that don't behave. Each is refused or outlasted, and while it lasts an ordinary client is served: what that
// took is printed, beside the statuses that were answered.

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "tests/support/bystander.h"
#include "tests/support/each.h"
#include "tests/support/payload.h"
#include "tests/support/sockets.h"
#include "tests/support/stack.h"

#define NOBODY "TRUSTED_PROXIES=192.0.2.1" // loopback counts as any other address
#define ABUSER "127.0.0.2"

enum {
    TIMEOUT_MS = 2000, // REQUEST_TIMEOUT_MS
    CLOSED_MS = 20000, // until a connection is closed at the latest, on a busy machine
    IDLE = 10000,
    MOST_HERE = 12000, // MAX_CONNECTIONS of ingest-1
    FEW = 64,          // of ingest-2
    PER_ADDRESS = 100, // MAX_CONNECTIONS_PER_IP of ingest-3
    THREADS = 2,
    STEP = FEW / THREADS / 4,
    BODY_BYTES = 4096, // API_MAX_BODY_BYTES
    TRICKLERS = 50,
};

static struct stack *stack;
static struct bystander *bystander; // an ordinary client; NULL: there is none now

static const char *const environment[] = {"REQUEST_TIMEOUT_MS=2000",
                                          "MAX_CONNECTIONS=12000",
                                          "MAX_CONNECTIONS_PER_IP=12000",
                                          "API_MAX_BODY_BYTES=4096",
                                          "INGEST_THREADS=2",
                                          NOBODY,
                                          NULL};

static void start(void) {
    sockets_allow(MOST_HERE + 1000);
    stack = stack_create("abuse", environment);
    stack_start(stack, "postgres");
    stack_start(stack, "ingest-1");
}

static void end(void) {
    stack_destroy(stack);
}

static void recover(void) {
    if (bystander != NULL) { // a test that failed has left it
        (void)bystander_stop(bystander);
        bystander = NULL;
    }
    stack_recover(stack);
    WAIT_FOR(10000, stack_status(stack, "ingest-1", "GET", "/readyz", NULL) == 200);
}

// ---- The ordinary client

static void begin_with(const char *ingest) {
    bystander = bystander_start(stack_port(stack, ingest));
    WAIT_FOR(10000, bystander_served(bystander) > 0);
}

// Some requests more, so that there are some which were made while it lasted.
static void end_with(const char *what) {
    unsigned before = bystander_served(bystander);
    WAIT_FOR(30000, bystander_served(bystander) >= before + 20);
    struct bystander_result result = bystander_stop(bystander);
    bystander = NULL;
    printf("  %-34s ordinary requests: %u, p50 %lld ms, p99 %lld ms\n", what, result.requests, (long long)result.p50_ms,
           (long long)result.p99_ms);
    ck_assert_msg(result.unserved == 0, "%u of %u ordinary requests were not served, the last with %ld",
                  result.unserved, result.requests, result.last_unserved);
}

// ---- Clients that take their time

struct slow {
    int fd;
    bool open;
    int64_t opened_us, closed_us;
    struct buf got;
};

static void open_all(struct slow *clients, unsigned count, const char *ingest, const char *first) {
    for (unsigned i = 0; i < count; i++) {
        clients[i] = (struct slow){.fd = socket_open(stack_port(stack, ingest), ABUSER), .open = true};
        clients[i].opened_us = clock_monotonic_us();
        ASSERT_EACH(socket_say(clients[i].fd, first, strlen(first)));
    }
}

// Says a byte on each; how many are still open.
static unsigned trickle(struct slow *clients, unsigned count, const char *byte) {
    unsigned open = 0;
    for (unsigned i = 0; i < count; i++) {
        struct slow *client = &clients[i];
        bool lives = client->open && socket_say(client->fd, byte, strlen(byte));
        if (client->open && (!socket_hear(client->fd, &client->got) || !lives)) {
            client->open = false;
            client->closed_us = clock_monotonic_us();
        }
        open += client->open;
    }
    return open;
}

static void close_all(struct slow *clients, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        close(clients[i].fd);
        buf_free(&clients[i].got);
    }
}

static bool is_answered_with(const struct slow *client, const char *text) {
    return client->got.data != NULL && strstr(client->got.data, text) != NULL;
}

// None may be closed before its time, nor live on for its trickling.
static void assert_times(const struct slow *clients, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        ASSERT_EACH(clients[i].closed_us - clients[i].opened_us > TIMEOUT_MS * INT64_C(1000) / 2);
    }
}

START_TEST(slow_headers_are_cut_off_however_they_trickle) {
    struct slow clients[TRICKLERS];
    begin_with("ingest-1");
    open_all(clients, TRICKLERS, "ingest-1", "GET /healthz HTTP/1.1\r\nHost: h\r\nX: ");
    WAIT_FOR(CLOSED_MS, trickle(clients, TRICKLERS, "x") == 0);
    assert_times(clients, TRICKLERS);
    end_with("slow headers: closed");
    close_all(clients, TRICKLERS);
}
END_TEST

START_TEST(a_slow_second_request_is_cut_off_as_the_first_would_be) {
    struct slow clients[TRICKLERS];
    open_all(clients, TRICKLERS, "ingest-1", "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\nGET /healthz HT");
    WAIT_FOR(CLOSED_MS, trickle(clients, TRICKLERS, "T") == 0);
    for (unsigned i = 0; i < TRICKLERS; i++) {
        ASSERT_EACH(is_answered_with(&clients[i], "HTTP/1.1 200 "));
    }
    assert_times(clients, TRICKLERS);
    close_all(clients, TRICKLERS);
}
END_TEST

START_TEST(slow_bodies_get_a_408_however_they_trickle) {
    struct slow clients[TRICKLERS];
    begin_with("ingest-1");
    open_all(clients, TRICKLERS / 2, "ingest-1",
             "POST /api/messages/sms HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
             "Content-Length: 4000\r\n\r\n{");
    open_all(clients + TRICKLERS / 2, TRICKLERS / 2, "ingest-1",
             "POST /api/messages/sms HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
             "Transfer-Encoding: chunked\r\n\r\nf00\r\n{");
    WAIT_FOR(CLOSED_MS, trickle(clients, TRICKLERS, " ") == 0);
    for (unsigned i = 0; i < TRICKLERS; i++) {
        ASSERT_EACH(is_answered_with(&clients[i], "HTTP/1.1 408 "));
        ASSERT_EACH(is_answered_with(&clients[i], "\"code\":\"request_timeout\""));
    }
    assert_times(clients, TRICKLERS);
    end_with("slow bodies: 408");
    close_all(clients, TRICKLERS);
}
END_TEST

// A body of an unknown route is read away for the connection's sake: in time as well.
START_TEST(a_slow_body_that_nobody_wants_is_cut_off) {
    struct slow client;
    open_all(&client, 1, "ingest-1", "POST /nowhere HTTP/1.1\r\nHost: h\r\nContent-Length: 4000\r\n\r\n");
    WAIT_FOR(CLOSED_MS, trickle(&client, 1, " ") == 0);
    assert_times(&client, 1);
    close_all(&client, 1);
}
END_TEST

// The answers to it fill every buffer on the way.
#define ONE_READ "GET /openapi.yaml HTTP/1.1\r\nHost: h\r\n\r\n"
enum { READS = 2000, SIP_BYTES = 20 };

static bool sip(int fd) {
    char drop[SIP_BYTES];
    ssize_t got = recv(fd, drop, sizeof drop, MSG_DONTWAIT);
    return got > 0 || (got < 0 && errno == EAGAIN);
}

START_TEST(a_client_that_sips_its_answers_is_cut_off) {
    struct buf reads = {0};
    for (int i = 0; i < READS; i++) {
        buf_puts(&reads, ONE_READ);
    }
    int fd = socket_open(stack_port(stack, "ingest-1"), ABUSER);
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &(int){4096}, sizeof(int)), 0);
    ck_assert(socket_say(fd, reads.data, reads.length));
    begin_with("ingest-1");
    WAIT_FOR(60000, !sip(fd));
    end_with("sipped answers: closed");
    close(fd);
    buf_free(&reads);
}
END_TEST

// ---- Clients by the thousand

static unsigned count_open(const int *fds, unsigned count) {
    unsigned open = 0;
    for (unsigned i = 0; i < count; i++) {
        open += socket_hear(fds[i], NULL);
    }
    return open;
}

static int *open_many(const char *ingest, const char *from, unsigned count) {
    int *fds = xcalloc(count, sizeof *fds);
    for (unsigned i = 0; i < count; i++) {
        fds[i] = socket_open(stack_port(stack, ingest), from);
    }
    return fds;
}

static void close_many(int *fds, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        close(fds[i]);
    }
    free(fds);
}

// Whether one more connection of the abuser's is served.
static bool is_let_in(const char *ingest) {
    static const char request[] = "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n";
    struct buf got = {0};
    int fd = socket_open(stack_port(stack, ingest), ABUSER);
    bool open = socket_say(fd, request, sizeof request - 1);
    int64_t deadline = deadline_in(CLOSED_MS);
    while (open && got.length == 0 && deadline_pause(deadline)) {
        open = socket_hear(fd, &got);
    }
    bool served = got.length > 0 && strncmp(got.data, "HTTP/1.1 200 ", 13) == 0;
    close(fd);
    buf_free(&got);
    return served;
}

START_TEST(ten_thousand_idle_connections_are_held_and_then_closed) {
    begin_with("ingest-1");
    int64_t began_us = clock_monotonic_us();
    int *fds = open_many("ingest-1", ABUSER, IDLE);
    unsigned open = count_open(fds, IDLE);
    if (clock_monotonic_us() - began_us < TIMEOUT_MS * INT64_C(1000) / 2) { // else the first have had their time
        ck_assert_uint_eq(open, IDLE);
    }
    end_with("10,000 idle: closed in time");
    WAIT_FOR(CLOSED_MS, count_open(fds, IDLE) == 0);
    close_many(fds, IDLE);
}
END_TEST

// A client that has connected and is kept by a busy machine from saying anything is idle as well: so that the ordinary
// one is not, it is served before a thread's share of places is taken once more.
static void fill_places_in_steps(int *fds, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        if (i % STEP == 0) {
            unsigned before = bystander_served(bystander);
            WAIT_FOR(10000, bystander_served(bystander) > before);
        }
        fds[i] = socket_open(stack_port(stack, "ingest-2"), ABUSER);
    }
}

START_TEST(at_the_most_connections_the_longest_idle_makes_way) {
    int *fds = xcalloc(10 * FEW, sizeof *fds);
    stack_start_with(stack, "ingest-2", (const char *const[]){"MAX_CONNECTIONS=64", "REQUEST_TIMEOUT_MS=600000", NULL});
    begin_with("ingest-2");
    fill_places_in_steps(fds, 10 * FEW);
    WAIT_FOR(CLOSED_MS, count_open(fds, 10 * FEW) <= FEW);
    end_with("10 x MAX_CONNECTIONS: make way");
    ck_assert_int_gt(stack_log_count(stack, "ingest-2", "connections_full"), 0);
    close_many(fds, 10 * FEW);
    stack_stop(stack, "ingest-2");
}
END_TEST

START_TEST(one_client_opening_thousands_keeps_as_many_as_one_may) {
    enum { TRIED = 3000 };
    stack_start_with(stack, "ingest-3",
                     (const char *const[]){"MAX_CONNECTIONS_PER_IP=100", "REQUEST_TIMEOUT_MS=600000", NULL});
    begin_with("ingest-3");
    int *fds = open_many("ingest-3", ABUSER, TRIED);
    WAIT_FOR(CLOSED_MS, count_open(fds, TRIED) < PER_ADDRESS + THREADS);
    ck_assert_uint_ge(count_open(fds, TRIED), PER_ADDRESS);
    int *others = open_many("ingest-3", "127.0.0.3", PER_ADDRESS);
    end_with("3,000 of one address: 100 kept");
    ck_assert_uint_eq(count_open(others, PER_ADDRESS), PER_ADDRESS);
    close_many(others, PER_ADDRESS);
    close_many(fds, TRIED);
    WAIT_FOR(CLOSED_MS, is_let_in("ingest-3")); // once it has let go of its places
    stack_stop(stack, "ingest-3");
}
END_TEST

START_TEST(a_trusted_proxys_connections_are_not_counted) {
    enum { TRIED = 300 };
    stack_start_with(stack, "ingest-4",
                     (const char *const[]){"MAX_CONNECTIONS_PER_IP=10", "TRUSTED_PROXIES=127.0.0.0/8",
                                           "REQUEST_TIMEOUT_MS=600000", NULL});
    int *fds = open_many("ingest-4", ABUSER, TRIED);
    ck_assert_int_eq(stack_status(stack, "ingest-4", "GET", "/healthz", NULL), 200);
    ck_assert_uint_eq(count_open(fds, TRIED), TRIED);
    close_many(fds, TRIED);
    stack_stop(stack, "ingest-4");
}
END_TEST

// ---- Requests that are none. Each goes out on a connection of its own, which must be closed after the answer.

#define BYTES(text) text, sizeof text - 1
#define HEAD_SMS "POST /api/messages/sms HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"

struct odd {
    const char *what;
    const char *bytes;
    size_t length;
    const char *answer; // its beginning; "": none is needed, the connection is just closed
};

static void assert_odd(const struct odd *odd) {
    struct buf got = {0};
    int fd = socket_open(stack_port(stack, "ingest-1"), ABUSER);
    ck_assert(socket_say(fd, odd->bytes, odd->length));
    WAIT_FOR(CLOSED_MS, !socket_hear(fd, &got));
    buf_puts(&got, "");
    printf("  %-34s %.*s\n", odd->what, (int)strcspn(got.data, "\r\n"), got.data);
    ck_assert_msg(strncmp(got.data, odd->answer, strlen(odd->answer)) == 0, "%s was answered:\n%s", odd->what,
                  got.data);
    const char *second = got.length > 0 ? strstr(got.data + 1, "HTTP/1.") : NULL;
    ck_assert_msg(second == NULL, "%s was answered twice:\n%s", odd->what, got.data);
    close(fd);
    buf_free(&got);
}

static void assert_all_odd(const struct odd *odds, size_t count, const char *what) {
    begin_with("ingest-1");
    for (size_t i = 0; i < count; i++) {
        assert_odd(&odds[i]);
    }
    end_with(what);
}

#define ASSERT_ALL(odds, what) assert_all_odd(odds, sizeof(odds) / sizeof *(odds), what)

START_TEST(a_length_that_two_readers_could_understand_in_two_ways_is_a_400) {
    static const struct odd odds[] = {
        {"two lengths, the same", BYTES(HEAD_SMS "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}"), "HTTP/1.1 400 "},
        {"two lengths", BYTES(HEAD_SMS "Content-Length: 2\r\nContent-Length: 40\r\n\r\n{}"), "HTTP/1.1 400 "},
        {"a list of lengths", BYTES(HEAD_SMS "Content-Length: 2, 2\r\n\r\n{}"), "HTTP/1.1 400 "},
        {"a length below zero", BYTES(HEAD_SMS "Content-Length: -1\r\n\r\n{}"), "HTTP/1.1 400 "},
        {"a length with a sign", BYTES(HEAD_SMS "Content-Length: +2\r\n\r\n{}"), "HTTP/1.1 400 "},
        {"a length in hexadecimal", BYTES(HEAD_SMS "Content-Length: 0x2\r\n\r\n{}"), "HTTP/1.1 400 "},
        {"a length with a tail", BYTES(HEAD_SMS "Content-Length: 2x\r\n\r\n{}"), "HTTP/1.1 400 "},
        {"an empty length", BYTES(HEAD_SMS "Content-Length:\r\n\r\n{}"), "HTTP/1.1 400 "},
        {"a length beyond 64 bits", BYTES(HEAD_SMS "Content-Length: 99999999999999999999\r\n\r\n{}"), "HTTP/1.1 4"},
        {"chunked and a length",
         BYTES(HEAD_SMS "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\n"
                        "Host: h\r\n\r\n"),
         "HTTP/1.1 400 "},
        {"a length and chunked",
         BYTES(HEAD_SMS "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\n"
                        "Host: h\r\n\r\n"),
         "HTTP/1.1 400 "},
        {"chunked twice", BYTES(HEAD_SMS "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
         "HTTP/1.1 400 "},
        {"chunked behind another coding", BYTES(HEAD_SMS "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
         "HTTP/1.1 400 "},
        {"chunked, disguised", BYTES(HEAD_SMS "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n"), "HTTP/1.1 400 "},
        {"chunked by HTTP/1.0",
         BYTES("POST /api/messages/sms HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), "HTTP/1."},
        {"a blank before the colon",
         BYTES(HEAD_SMS "Content-Length: 4\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n"), "HTTP/1.1 400 "},
        {"a tab before the colon", BYTES(HEAD_SMS "Content-Length\t: 4\r\n\r\n{}  "), "HTTP/1.1 400 "},
        {"a name that is none", BYTES("GET /healthz HTTP/1.1\r\nHost: h\r\nX(Y): z\r\n\r\n"), "HTTP/1.1 400 "},
        {"a header without a name", BYTES("GET /healthz HTTP/1.1\r\nHost: h\r\n: z\r\nX: y\r\n\r\n"), "HTTP/1.1 400 "},
        {"a line without a colon", BYTES("GET /healthz HTTP/1.1\r\nHost: h\r\nnonsense\r\n\r\n"), "HTTP/1.1 400 "},
        {"a folded header", BYTES("GET /healthz HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n"), "HTTP/1.1 400 "},
        {"a folded length", BYTES(HEAD_SMS "Content-Length:\r\n 2\r\n\r\n{}"), "HTTP/1.1 400 "},
        {"two hosts", BYTES("GET /healthz HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n"), "HTTP/1.1 400 "},
        {"no host", BYTES("GET /healthz HTTP/1.1\r\n\r\n"), "HTTP/1.1 400 "},
        {"a chunk's size that is none", BYTES(HEAD_SMS "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n"),
         "HTTP/1.1 400 "},
        {"a chunk's size below zero", BYTES(HEAD_SMS "Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n"),
         "HTTP/1.1 400 "},
        {"a chunk beyond 64 bits",
         BYTES(HEAD_SMS "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}\r\n0\r\n\r\n"), "HTTP/1.1 4"},
    };
    ASSERT_ALL(odds, "lengths: 400 and closed");
}
END_TEST

START_TEST(other_protocols_and_noise_are_refused) {
    static const struct odd odds[] = {
        {"HTTP/0.9", BYTES("GET /healthz\r\n\r\n"), "HTTP/1."},
        {"HTTP/2 with prior knowledge", BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"), "HTTP/1."},
        {"HTTP/3.0", BYTES("GET /healthz HTTP/3.0\r\nHost: h\r\n\r\n"), "HTTP/1."},
        {"HTTP/1.1 misspelt", BYTES("GET /healthz HTTQ/1.1\r\nHost: h\r\n\r\n"), "HTTP/1."},
        {"the hello of TLS", BYTES("\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03 \r\n\r\n"), ""},
        {"blank lines and nothing", BYTES("\r\n\r\n\r\n\r\n"), ""},
        {"a Redis command", BYTES("*1\r\n$8\r\nFLUSHALL\r\n"), ""},
        {"bytes of all kinds", BYTES("\xff\xfe\xfd\x80\x01\x02\x03 \x7f\r\n\r\n"), ""},
    };
    ASSERT_ALL(odds, "other protocols: refused");
}
END_TEST

START_TEST(a_nul_hides_nothing) {
    static const struct odd odds[] = {
        {"a NUL in the target", BYTES("GET /healthz\0/../admin HTTP/1.1\r\nHost: h\r\n\r\n"), "HTTP/1.1 400 "},
        {"a NUL in the method", BYTES("GET\0 /healthz HTTP/1.1\r\nHost: h\r\n\r\n"), "HTTP/1.1 4"},
        {"a NUL in the version", BYTES("GET /healthz HTTP/1.1\0\r\nHost: h\r\nConnection: close\r\n\r\n"), "HTTP/1."},
        {"a NUL in a header's name", BYTES("GET /healthz HTTP/1.1\r\nHost: h\r\nX\0Y: z\r\nConnection: close\r\n\r\n"),
         "HTTP/1.1 400 "},
        {"a NUL in a header", BYTES("GET /healthz HTTP/1.1\r\nHost: h\r\nX: a\0b\r\nConnection: close\r\n\r\n"),
         "HTTP/1.1 400 "},
        {"a NUL in the last header", BYTES("GET /healthz HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n"), "HTTP/1.1 400 "},
        {"NULs in a header", BYTES("GET /healthz HTTP/1.1\r\nHost: h\r\nX: a\0\0\0b\r\n\r\n"), "HTTP/1.1 400 "},
        {"a NUL behind a length", BYTES(HEAD_SMS "Content-Length: 2\0 9\r\nConnection: close\r\n\r\n{}"),
         "HTTP/1.1 400 "},
        {"a NUL in the body", BYTES(HEAD_SMS "Content-Length: 3\r\nConnection: close\r\n\r\n{\0}"), "HTTP/1.1 400 "},
        {"a NUL in a string", BYTES(HEAD_SMS "Content-Length: 8\r\nConnection: close\r\n\r\n{\"a\0\":1}"),
         "HTTP/1.1 400 "},
        {"an escaped NUL in a string",
         BYTES(HEAD_SMS "Content-Length: 14\r\nConnection: close\r\n\r\n{\"a\\u0000\":1} "), "HTTP/1.1 400 "},
        {"an escaped NUL in the target", BYTES("GET /healthz%00 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"),
         "HTTP/1.1 404 "},
    };
    ASSERT_ALL(odds, "NULs: 400");
}
END_TEST

START_TEST(paths_lead_nowhere_else) {
    static const struct odd odds[] = {
#define GET(path, answer) {path, BYTES("GET " path " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"), answer}
        GET("/api/../../../etc/passwd", "HTTP/1.1 404 "),
        GET("/../healthz", "HTTP/1.1 404 "),
        GET("/..%2f..%2fetc%2fpasswd", "HTTP/1.1 404 "),
        GET("/%2e%2e/%2e%2e/etc/passwd", "HTTP/1.1 404 "),
        GET("/console.css/../console.js", "HTTP/1.1 404 "),
        GET("/console.css%2f..%2fconsole.js", "HTTP/1.1 404 "),
        GET("/api/conversations/..%2f..%2fx/messages", "HTTP/1.1 404 "),
        GET("/api/messages/..", "HTTP/1.1 404 "),
        GET("/api/messages/%27%20OR%201=1", "HTTP/1.1 404 "),
        GET("/%68ealthz", "HTTP/1.1 200 "),
        GET("//healthz", "HTTP/1.1 404 "),
        GET("/healthz/", "HTTP/1.1 404 "),
        GET("/%", "HTTP/1.1 404 "),
        GET("/%c0%ae%c0%ae/", "HTTP/1.1 404 "),
        GET("/healthz%0d%0aX-Evil:1", "HTTP/1.1 404 "),
        GET("/healthz?%0d%0aX-Evil:1=%0d%0a", "HTTP/1.1 200 "),
        GET("http://elsewhere/healthz", "HTTP/1.1 200 "),
        GET("HTTPS://[::1]:443/healthz?x", "HTTP/1.1 200 "),
        GET("http://elsewhere", "HTTP/1.1 200 "),
        GET("http://elsewhere/healthz/http://h/healthz", "HTTP/1.1 404 "),
        GET("http://me@elsewhere/healthz", "HTTP/1.1 400 "),
        GET("http:///healthz", "HTTP/1.1 400 "),
        GET("ftp://elsewhere/healthz", "HTTP/1.1 400 "),
        GET("healthz", "HTTP/1.1 400 "),
        GET("*", "HTTP/1.1 400 "),
#undef GET
    };
    ASSERT_ALL(odds, "paths: 404");
}
END_TEST

// ---- Too much of something

static void assert_large(const char *what, const char *begin, const char *piece, size_t times, const char *ending,
                         const char *answer) {
    struct buf bytes = {0}, got = {0};
    buf_puts(&bytes, begin);
    for (size_t i = 0; i < times; i++) {
        buf_puts(&bytes, piece);
    }
    buf_puts(&bytes, ending);
    int fd = socket_open(stack_port(stack, "ingest-1"), ABUSER);
    size_t sent = 0;
    int64_t deadline = deadline_in(CLOSED_MS);
    bool open = true;
    while (open && deadline_pause(deadline)) {
        ssize_t more = send(fd, bytes.data + sent, bytes.length - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        sent += more > 0 ? (size_t)more : 0;
        open = socket_hear(fd, &got);
    }
    buf_puts(&got, "");
    printf("  %-34s %.*s\n", what, (int)strcspn(got.data, "\r\n"), got.data);
    ck_assert_msg(!open, "%s: the connection stays open", what);
    ck_assert_msg(strncmp(got.data, answer, strlen(answer)) == 0, "%s was answered:\n%s", what, got.data);
    close(fd);
    buf_free(&bytes);
    buf_free(&got);
}

START_TEST(absurd_heads_are_refused_and_closed) {
    begin_with("ingest-1");
    const char *head = "GET /healthz HTTP/1.1\r\nHost: h\r\n";
    assert_large("a target of 100 KB", "GET /", "aaaaaaaaaa", 10000, " HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 4");
    assert_large("a method of 100 KB", "", "AAAAAAAAAA", 10000, " / HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 4");
    assert_large("10,000 headers", head, "X: y\r\n", 10000, "\r\n", "HTTP/1.1 4");
    assert_large("1,000,000 headers", head, "X: y\r\n", 1000000, "\r\n", "HTTP/1.1 4");
    assert_large("a header of 1 MB", head, "X-Long: aaaaaaaaaaaa", 50000, "\r\n\r\n", "HTTP/1.1 4");
    assert_large("a header's name of 1 MB", head, "XXXXXXXXXXXXXXXXXXXX", 50000, ": y\r\n\r\n", "HTTP/1.1 4");
    assert_large("10,000 parameters", "GET /api/conversations?a=b", "&a=b", 10000, " HTTP/1.1\r\nHost: h\r\n\r\n",
                 "HTTP/1.1 4");
    end_with("absurd heads: refused");
}
END_TEST

START_TEST(bodies_over_the_limit_are_refused_by_their_length_and_by_their_chunks) {
    begin_with("ingest-1");
    assert_large("1 TB, declared", HEAD_SMS "Content-Length: 1099511627776\r\n\r\n", "          ", 1000, "",
                 "HTTP/1.1 413 ");
    assert_large("a byte too many, declared", HEAD_SMS "Content-Length: 4097\r\n\r\n", "{", 1, "", "HTTP/1.1 413 ");
    assert_large("chunks that never end", HEAD_SMS "Transfer-Encoding: chunked\r\n\r\n", "a\r\n          \r\n", 100000,
                 "", "HTTP/1.1 413 ");
    assert_large("one chunk of 1 GB", HEAD_SMS "Transfer-Encoding: chunked\r\n\r\n40000000\r\n", "          ", 100000,
                 "", "HTTP/1.1 413 ");
    assert_large("chunks of one byte", HEAD_SMS "Transfer-Encoding: chunked\r\n\r\n", "1\r\n \r\n", 2 * BODY_BYTES + 1,
                 "0\r\n\r\n", "HTTP/1.1 413 ");
    assert_large("a chunk's extension of 1 MB", HEAD_SMS "Transfer-Encoding: chunked\r\n\r\n1;", "xxxxxxxxxx", 100000,
                 "\r\n{\r\n0\r\n\r\n", ""); // just closed
    end_with("bodies: 413");
}
END_TEST

// ---- What is allowed, if unusual

static size_t count_of(const struct buf *text, const char *what) {
    size_t count = 0;
    for (const char *at = text->data; at != NULL && (at = strstr(at, what)) != NULL; at++) {
        count++;
    }
    return count;
}

START_TEST(pipelined_requests_are_answered_each_in_its_turn) {
    enum { REQUESTS = 300 };
    struct buf bytes = {0}, got = {0};
    for (int i = 0; i < REQUESTS; i++) {
        buf_printf(&bytes, "GET /healthz HTTP/1.1\r\nHost: h\r\nX-Request-Id: turn-%04d\r\n\r\n", i);
    }
    begin_with("ingest-1");
    int fd = socket_open(stack_port(stack, "ingest-1"), ABUSER);
    ck_assert(socket_say(fd, bytes.data, bytes.length));
    WAIT_FOR(CLOSED_MS, (ck_assert(socket_hear(fd, &got)), count_of(&got, "HTTP/1.1 200 ") == REQUESTS));
    const char *at = got.data;
    for (int i = 0; i < REQUESTS; i++) {
        char turn[32];
        snprintf(turn, sizeof turn, "X-Request-Id: turn-%04d\r\n", i);
        at = strstr(at, turn);
        ASSERT_EACH(at != NULL);
    }
    end_with("300 pipelined requests: 200 each");
    close(fd);
    buf_free(&bytes);
    buf_free(&got);
}
END_TEST

// Half of them come while the first waits for Redis.
START_TEST(pipelined_sends_are_stored_once_each) {
    enum { SENDS = 40 };
    struct buf bytes = {0}, got = {0};
    for (int i = 0; i < SENDS; i++) {
        char to[24];
        snprintf(to, sizeof to, "+1666%07d", i);
        char *body = payload_sms("+15557770000", to, "in a row");
        buf_printf(&bytes, HEAD_SMS "Content-Length: %zu\r\n\r\n%s", strlen(body), body);
        free(body);
    }
    int64_t before = stack_redis_int(stack, "XLEN outbound:{sms-mms:0}");
    int fd = socket_open(stack_port(stack, "ingest-1"), ABUSER);
    ck_assert(socket_say(fd, bytes.data, bytes.length));
    WAIT_FOR(CLOSED_MS, (ck_assert(socket_hear(fd, &got)), count_of(&got, "HTTP/1.1 202 ") == SENDS));
    ck_assert_int_eq(stack_redis_int(stack, "XLEN outbound:{sms-mms:0}") - before, SENDS);
    close(fd);
    buf_free(&bytes);
    buf_free(&got);
}
END_TEST

START_TEST(head_options_and_unknown_methods_do_no_work) {
    static const struct odd odds[] = {
#define SAY(line) line, BYTES(line " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        {SAY("HEAD /healthz"), "HTTP/1.1 200 "},
        {SAY("HEAD /api/messages/sms"), "HTTP/1.1 405 "},
        {SAY("OPTIONS /api/messages/sms"), "HTTP/1.1 405 "},
        {SAY("OPTIONS /healthz"), "HTTP/1.1 405 "},
        {SAY("OPTIONS *"), "HTTP/1.1 405 "},
        {SAY("TRACE /healthz"), "HTTP/1.1 405 "},
        {SAY("CONNECT elsewhere:443"), "HTTP/1.1 400 "},
        {SAY("DELETE /api/conversations"), "HTTP/1.1 405 "},
        {SAY("get /healthz"), "HTTP/1.1 405 "},
        {SAY("G<>T /healthz"), "HTTP/1.1 4"},
#undef SAY
    };
    ASSERT_ALL(odds, "methods: 405");
    struct answer *answer = stack_call(stack, "ingest-1", "OPTIONS", "/api/messages/sms", NULL, NULL);
    char *allow = answer_header(answer, "Allow");
    ck_assert_str_eq(allow, "POST");
    free(allow);
    answer_free(answer);
}
END_TEST

START_TEST(the_programs_end_with_status_0_and_logged_nothing_unexpected) {
    stack_finish(stack);
}
END_TEST

Suite *suite_abuse(void);

Suite *suite_abuse(void) {
    Suite *suite = suite_create("abuse");
    TCase *tests = tcase_create("abuse");
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_checked_fixture(tests, recover, NULL);
    tcase_add_test(tests, slow_headers_are_cut_off_however_they_trickle);
    tcase_add_test(tests, a_slow_second_request_is_cut_off_as_the_first_would_be);
    tcase_add_test(tests, slow_bodies_get_a_408_however_they_trickle);
    tcase_add_test(tests, a_slow_body_that_nobody_wants_is_cut_off);
    tcase_add_test(tests, a_client_that_sips_its_answers_is_cut_off);
    tcase_add_test(tests, ten_thousand_idle_connections_are_held_and_then_closed);
    tcase_add_test(tests, at_the_most_connections_the_longest_idle_makes_way);
    tcase_add_test(tests, one_client_opening_thousands_keeps_as_many_as_one_may);
    tcase_add_test(tests, a_trusted_proxys_connections_are_not_counted);
    tcase_add_test(tests, a_length_that_two_readers_could_understand_in_two_ways_is_a_400);
    tcase_add_test(tests, other_protocols_and_noise_are_refused);
    tcase_add_test(tests, a_nul_hides_nothing);
    tcase_add_test(tests, paths_lead_nowhere_else);
    tcase_add_test(tests, absurd_heads_are_refused_and_closed);
    tcase_add_test(tests, bodies_over_the_limit_are_refused_by_their_length_and_by_their_chunks);
    tcase_add_test(tests, pipelined_requests_are_answered_each_in_its_turn);
    tcase_add_test(tests, pipelined_sends_are_stored_once_each);
    tcase_add_test(tests, head_options_and_unknown_methods_do_no_work);
    tcase_add_test(tests, the_programs_end_with_status_0_and_logged_nothing_unexpected);
    suite_add_tcase(suite, tests);
    return suite;
}
