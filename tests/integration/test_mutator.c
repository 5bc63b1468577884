// SPDX-License-Identifier: MIT
// Mutated requests against the whole HTTP face, over raw sockets, in pieces, many connections at once: ingest lives,
// serves well-formed requests all the while, and logs nothing unexpected (a sanitizer's report would be such a thing;
// `make fuzz` runs this on a sanitized ingest).
//   FUZZ_SECONDS=60   for so long (2)
//   FUZZ_SEED=7       another sequence (1)

#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "tests/support/payload.h"
#include "tests/support/sockets.h"
#include "tests/support/stack.h"

enum { SLOTS = 64, PIECES = 4, MOST_MUTATIONS = 8, MOST_BYTES = 20000, LOOK_EVERY = 500 };

#define JSON "Content-Type: application/json\r\n"
#define SMS                                                                                                            \
    "{\"from\":\"+12016661234\",\"to\":\"+18045551234\",\"type\":\"sms\",\"body\":\"Hello\",\"attachments\":null,"     \
    "\"timestamp\":\"2024-11-01T14:00:00Z\"}"

static const char *const seeds[] = {
    "POST /api/messages/sms HTTP/1.1\r\nHost: h\r\n" JSON "Content-Length: 120\r\n\r\n" SMS,
    "POST /api/messages/sms HTTP/1.1\r\nHost: h\r\n" JSON
    "Idempotency-Key: k1\r\nX-Request-Id: r1\r\nTransfer-Encoding: chunked\r\n\r\n78\r\n" SMS "\r\n0\r\n\r\n",
    "POST /api/messages/email HTTP/1.1\r\nHost: h\r\n" JSON
    "Content-Length: 116\r\nX-Forwarded-For: 203.0.113.9, 127.0.0.1\r\n\r\n{\"from\":\"a@b.c\",\"to\":\"[d@e.f]"
    "(mailto:d@e.f)\",\"body\":\"<b>x</b>\",\"attachments\":[],\"timestamp\":\"2024-11-01T14:00:00Z\"}   ",
    "POST /api/webhooks/sms HTTP/1.1\r\nHost: h\r\n" JSON "Content-Length: "
    "122\r\n\r\n{\"from\":\"+1804\",\"to\":\"+1201\",\"type\":\"mms\",\"messaging_provider_id\":\"m-1\","
    "\"body\":\"\",\"attachments\":[\"http://x/y\"],\"timestamp\":\"\"}",
    "POST /api/webhooks/sms HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: "
    "82\r\n\r\nMessageSid=SM1&From=%2B18045551234&To=%2B12016661234&Body=%F0%9F%98%80&MediaUrl0=x",
    "POST /api/webhooks/sms/status?message_id=01a213e4-8ece-70dc-b91a-82a9e294035c&partition=0 HTTP/1.1\r\nHost: h\r\n"
    "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 76\r\n\r\n"
    "MessageSid=SM1&MessageStatus=undelivered&ErrorCode=30003&From=%2B12016661234",
    "POST /api/webhooks/email/events HTTP/1.1\r\nHost: h\r\n" JSON "Content-Length: 105\r\n\r\n"
    "[{\"event\":\"bounce\",\"message_id\":\"01a213e4-8ece-70dc-b91a-82a9e294035c\",\"partition\":7},{\"event\":"
    "\"open\"},7]",
    "POST /api/dead-letters/replay HTTP/1.1\r\nHost: h\r\n" JSON "Content-Length: 38\r\n\r\n"
    "{\"dry_run\":true,\"provider\":\"sms-mms\"  }",
    "POST /api/dead-letters/1/replay HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n",
    "PUT /api/provider/mock/config HTTP/1.1\r\nHost: h\r\n" JSON "Content-Length: 55\r\n\r\n"
    "{\"timeout_pct\":0,\"error_pct\":0,\"ratelimit_pct\":0     }",
    "GET /api/conversations?page=1&pageSize=5&channel=sms&participant=%2B12016661234 HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET /api/conversations/1/messages?cursor=abc HTTP/1.1\r\nHost: h\r\nAccept: application/json;q=0.5\r\n\r\n",
    "GET /api/dead-letters?since=2024-11-01T14:00:00Z&reason=rejected HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET /api/messages/01a213e4-8ece-70dc-b91a-82a9e294035c HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET /api/events HTTP/1.1\r\nHost: h\r\nLast-Event-ID: 1730469600000-0\r\n\r\n",
    "GET /metrics HTTP/1.1\r\nHost: h\r\nAccept: text/plain\r\n\r\nGET /healthz HTTP/1.1\r\nHost: h\r\n\r\n",
    "HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
};

static const char *const tokens[] = {
    "\r\n",
    "\r\n\r\n",
    "\n",
    "\r",
    ":",
    " ",
    "\t",
    "%00",
    "%0d%0a",
    "..",
    "/",
    "?",
    "&",
    "=",
    "\xff",
    "\xc0\x80",
    "\xed\xa0\x80",
    "0",
    "-1",
    "4294967296",
    "18446744073709551616",
    "\\u0000",
    "\\ud800",
    "\"",
    "{",
    "}",
    "[[[[[[[[[[[[[[[[[[",
    "Content-Length: 3\r\n",
    "Content-Length: 0\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Expect: 100-continue\r\n",
    "Connection: close\r\n",
    "Connection: upgrade\r\n",
    "Upgrade: h2c\r\n",
    "Host: i\r\n",
    "HTTP/1.0",
    "HTTP/2.0",
    "Idempotency-Key: \r\n",
    " folded\r\n",
    "Cookie: a=b; c\r\n",
    "null",
    "1e999",
    "\"attachments\":",
    "0\r\n\r\n",
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static struct stack *stack;
static uint64_t state;

static void start(void) {
    stack = stack_create("mutator", (const char *const[]){"API_RATE_LIMIT_PER_IP_PER_MIN=1000000000",
                                                          "API_RATE_LIMIT_PER_SENDER_PER_MIN=1000000000",
                                                          "REQUEST_TIMEOUT_MS=2000", NULL});
    stack_start(stack, "postgres");
    stack_start(stack, "ingest-1");
}

static void end(void) {
    stack_destroy(stack);
}

static uint64_t number_from(const char *variable, uint64_t usual) {
    const char *given = getenv(variable);
    return given != NULL ? strtoull(given, NULL, 10) : usual;
}

// SplitMix64.
static size_t draw(size_t below) {
    uint64_t mixed = state += 0x9e3779b97f4a7c15U;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9U;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebU;
    return (size_t)((mixed ^ (mixed >> 31)) % below);
}

// ---- Mutations

static void replace(struct buf *bytes, size_t at, size_t length, const char *with, size_t with_length) {
    struct buf made = {0};
    buf_append(&made, bytes->data, at);
    buf_append(&made, with, with_length);
    buf_append(&made, bytes->data + at + length, bytes->length - at - length);
    buf_free(bytes);
    *bytes = made;
}

static void flip_a_bit(struct buf *bytes) {
    bytes->data[draw(bytes->length)] ^= (char)(1 << draw(8));
}

static void set_a_byte(struct buf *bytes) {
    bytes->data[draw(bytes->length)] = (char)draw(256);
}

static void insert_a_token(struct buf *bytes) {
    const char *token = tokens[draw(COUNT(tokens))];
    replace(bytes, draw(bytes->length + 1), 0, token, strlen(token));
}

static void overwrite_with_a_token(struct buf *bytes) {
    const char *token = tokens[draw(COUNT(tokens))];
    size_t at = draw(bytes->length);
    size_t length = strlen(token) < bytes->length - at ? strlen(token) : bytes->length - at;
    replace(bytes, at, length, token, strlen(token));
}

static void cut_a_run(struct buf *bytes) {
    size_t at = draw(bytes->length);
    replace(bytes, at, 1 + draw(bytes->length - at < 20 ? bytes->length - at : 20), "", 0);
}

static void repeat_a_run(struct buf *bytes) {
    size_t at = draw(bytes->length), length = 1 + draw(bytes->length - at);
    struct buf run = {0};
    for (size_t times = 1 + draw(8); times > 0 && run.length < MOST_BYTES; times--) {
        buf_append(&run, bytes->data + at, length);
    }
    replace(bytes, at, 0, run.data, run.length);
    buf_free(&run);
}

static void join_another(struct buf *bytes) {
    const char *seed = seeds[draw(COUNT(seeds))];
    size_t from = draw(2) == 0 ? 0 : draw(strlen(seed));
    replace(bytes, draw(bytes->length + 1), 0, seed + from, strlen(seed) - from);
}

static void insert_a_nul(struct buf *bytes) {
    replace(bytes, draw(bytes->length + 1), 0, "", 1);
}

static void (*const mutations[])(struct buf *) = {flip_a_bit, set_a_byte,   insert_a_token, overwrite_with_a_token,
                                                  cut_a_run,  repeat_a_run, join_another,   insert_a_nul};

static struct buf mutate(void) {
    struct buf bytes = {0};
    buf_puts(&bytes, seeds[draw(COUNT(seeds))]);
    for (size_t times = draw(MOST_MUTATIONS + 1); times > 0; times--) {
        if (bytes.length > 0 && bytes.length < MOST_BYTES) {
            mutations[draw(COUNT(mutations))](&bytes);
        }
    }
    return bytes;
}

// ---- Connections

// The end of a connection: in order, or with a reset.
static void hang_up(int fd) {
    static const struct linger reset = {.l_onoff = 1, .l_linger = 0};
    if (draw(4) == 0) {
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    }
    close(fd);
}

static void say_in_pieces(int fd, const struct buf *bytes) {
    size_t at = 0;
    for (size_t pieces = 1 + draw(PIECES); pieces > 0; pieces--) {
        size_t left = bytes->length - at;
        size_t piece = pieces == 1 ? left : draw(left + 1);
        (void)socket_say(fd, bytes->data + at, piece);
        at += piece;
    }
}

static void assert_serves(uint64_t inputs) {
    long alive = stack_status(stack, "ingest-1", "GET", "/healthz", NULL);
    char *payload = payload_sms("+15551110000", "+16660000000", "well-formed");
    long accepted = stack_status(stack, "ingest-1", "POST", PATH_SMS, payload);
    free(payload);
    ck_assert_msg(stack_is_running(stack, "ingest-1"), "ingest ended after %" PRIu64 " inputs", inputs);
    ck_assert_msg(alive == 200 && accepted == 202, "after %" PRIu64 " inputs ingest answers %ld and %ld", inputs, alive,
                  accepted);
}

START_TEST(mutated_requests_break_nothing) {
    int fds[SLOTS];
    size_t answers = 0;
    uint64_t seed = number_from("FUZZ_SEED", 1), inputs = 0;
    int64_t until_us = clock_monotonic_us() + (int64_t)number_from("FUZZ_SECONDS", 2) * 1000000;
    state = seed;
    memset(fds, -1, sizeof fds);
    while (clock_monotonic_us() < until_us) {
        size_t slot = draw(SLOTS);
        struct buf got = {0}, bytes = mutate();
        if (fds[slot] >= 0 && (draw(2) == 0 || !socket_hear(fds[slot], &got))) {
            hang_up(fds[slot]);
            fds[slot] = -1;
        }
        if (fds[slot] < 0) {
            fds[slot] = socket_open(stack_port(stack, "ingest-1"), NULL);
        }
        say_in_pieces(fds[slot], &bytes);
        (void)socket_hear(fds[slot], &got);
        answers += got.length > 0;
        buf_free(&bytes);
        buf_free(&got);
        if (++inputs % LOOK_EVERY == 0) {
            assert_serves(inputs);
        }
    }
    for (size_t i = 0; i < SLOTS; i++) {
        if (fds[i] >= 0) {
            hang_up(fds[i]);
        }
    }
    assert_serves(inputs);
    printf("%-10s %12" PRIu64 " executions, seed %" PRIu64 ", %zu answered at once\n", "http", inputs, seed, answers);
    ck_assert_uint_gt(answers, 0);
}
END_TEST

START_TEST(the_programs_end_with_status_0_and_logged_nothing_unexpected) {
    stack_finish(stack);
}
END_TEST

Suite *suite_mutator(void);

Suite *suite_mutator(void) {
    Suite *suite = suite_create("mutator");
    TCase *tests = tcase_create("mutator");
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_test(tests, mutated_requests_break_nothing);
    tcase_add_test(tests, the_programs_end_with_status_0_and_logged_nothing_unexpected);
    suite_add_tcase(suite, tests);
    return suite;
}
