// SPDX-License-Identifier: MIT
// What ingest holds for its clients is bounded, whatever they do, and while they do it an ordinary client is served.
// What it took is read from /proc and printed.

#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shared/buf.h"
#include "shared/mem.h"
#include "tests/support/bystander.h"
#include "tests/support/child.h"
#include "tests/support/each.h"
#include "tests/support/payload.h"
#include "tests/support/sockets.h"
#include "tests/support/stack.h"

#define NOBODY "TRUSTED_PROXIES=192.0.2.1" // loopback counts as any other address

enum {
    MIB = 1024 * 1024,
    BUDGET_MIB = 32,
    BASE_MIB = 16,                      // the programs, their threads, what malloc keeps
    CONNECTIONS_MIB = 4000 * 14 / 1024, // the library's 8 KiB for each, 4 that aren't counted, and our own
    BODY_BYTES = 262144,
    SENT_BYTES = BODY_BYTES - 100,
    MANY = 4000,
    ADDRESSES = 40,
    MAILS = 50,
    MAIL_BYTES = 250000,
    READERS = 80,
};

static struct stack *stack;
static struct bystander *bystander; // an ordinary client; NULL: there is none now
static char *thread;                // the path of a thread of MAILS large ones

static const char *const environment[] = {"MAX_CLIENT_BYTES=33554432",
                                          "INGEST_THREADS=2",
                                          "REQUEST_TIMEOUT_MS=60000",
                                          "MAX_CONNECTIONS_PER_IP=12000",
                                          NOBODY,
                                          NULL};

static void start(void) {
    sockets_allow(MANY + 1000);
    stack = stack_create("budget", environment);
    stack_start_all(stack);
}

static void end(void) {
    free(thread);
    stack_destroy(stack);
}

static void recover(void) {
    if (bystander != NULL) { // a test that failed has left it
        (void)bystander_stop(bystander);
        bystander = NULL;
    }
    stack_recover(stack);
}

// ---- What is measured

// VmRSS or VmHWM of ingest, in MiB.
static int64_t memory_mib(const char *field) {
    char *path = xasprintf("/proc/%d/status", (int)stack_pid(stack, "ingest-1")), *text = read_whole_file(path);
    const char *at = text != NULL ? strstr(text, field) : NULL;
    ck_assert(at != NULL);
    int64_t mib = strtoll(at + strlen(field) + 1, NULL, 10) / 1024;
    free(text);
    free(path);
    return mib;
}

// From here on VmHWM is of what comes.
static void forget_peak(void) {
    char *path = xasprintf("/proc/%d/clear_refs", (int)stack_pid(stack, "ingest-1"));
    FILE *file = fopen(path, "w");
    ck_assert(file != NULL);
    ck_assert_int_eq(fputs("5", file), 1);
    ck_assert_int_eq(fclose(file), 0);
    free(path);
}

static int64_t held_bytes(void) {
    struct answer *answer = stack_call(stack, "ingest-1", "GET", "/metrics", NULL, NULL);
    int64_t held = (int64_t)answer_number(answer, "client_bytes_held");
    answer_free(answer);
    return held;
}

static void begin(void) {
    forget_peak();
    bystander = bystander_start(stack_port(stack, "ingest-1"));
    WAIT_FOR(10000, bystander_served(bystander) > 0);
}

static void finish(const char *what) {
    unsigned before = bystander_served(bystander);
    WAIT_FOR(30000, bystander_served(bystander) >= before + 20);
    struct bystander_result result = bystander_stop(bystander);
    bystander = NULL;
    printf("  %-34s peak %" PRId64 " MiB; ordinary requests: %u, p50 %lld ms, p99 %lld ms\n", what,
           memory_mib("VmHWM:"), result.requests, (long long)result.p50_ms, (long long)result.p99_ms);
    ck_assert_msg(result.unserved == 0, "%u of %u ordinary requests were not served, the last with %ld",
                  result.unserved, result.requests, result.last_unserved);
    ck_assert_int_lt(memory_mib("VmHWM:"), BASE_MIB + CONNECTIONS_MIB + BUDGET_MIB + BUDGET_MIB / 4);
    WAIT_FOR(30000, held_bytes() == 0);
}

// ---- Bodies

struct upload {
    int fd;
    size_t sent;
    bool open;
    struct buf got;
};

static struct buf body_of(size_t length) {
    struct buf body = {0};
    buf_printf(&body,
               "POST /api/messages/email HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
               "Content-Length: %zu\r\n\r\n",
               length);
    while (length-- > 0) {
        buf_putc(&body, ' ');
    }
    return body;
}

static void open_uploads(struct upload *uploads, unsigned count, unsigned addresses) {
    for (unsigned i = 0; i < count; i++) {
        char from[16];
        snprintf(from, sizeof from, "127.0.1.%u", 1 + i % addresses);
        uploads[i] = (struct upload){.fd = socket_open(stack_port(stack, "ingest-1"), from), .open = true};
    }
}

static bool say_on(struct upload *upload, const struct buf *bytes, size_t stop) {
    if (upload->open && upload->sent < stop) {
        ssize_t more = send(upload->fd, bytes->data + upload->sent, stop - upload->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        upload->sent += more > 0 ? (size_t)more : 0;
    }
    upload->open = upload->open && socket_hear(upload->fd, &upload->got);
    return upload->open && upload->sent < stop;
}

// Each says its body but for the last bytes; a few at a time, so that they come in their order.
static void say_all(struct upload *uploads, unsigned count, const struct buf *bytes) {
    enum { AT_ONCE = 50 };
    for (unsigned i = 0; i < count; i += AT_ONCE) {
        unsigned saying = AT_ONCE;
        int64_t deadline = deadline_in(60000);
        while (saying > 0 && deadline_pause(deadline)) {
            saying = 0;
            for (unsigned j = i; j < count && j < i + AT_ONCE; j++) {
                saying += say_on(&uploads[j], bytes, bytes->length - 100);
            }
        }
    }
}

static unsigned count_open(struct upload *uploads, unsigned count) {
    unsigned open = 0;
    for (unsigned i = 0; i < count; i++) {
        uploads[i].open = uploads[i].open && socket_hear(uploads[i].fd, &uploads[i].got);
        open += uploads[i].open;
    }
    return open;
}

static unsigned count_408(const struct upload *uploads, unsigned count) {
    unsigned late = 0;
    for (unsigned i = 0; i < count; i++) {
        late += uploads[i].got.data != NULL && strncmp(uploads[i].got.data, "HTTP/1.1 408 ", 13) == 0;
    }
    return late;
}

static void close_uploads(struct upload *uploads, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        close(uploads[i].fd);
        buf_free(&uploads[i].got);
    }
}

static void assert_bounded(unsigned addresses, unsigned most_open, const char *what) {
    struct upload *uploads = xcalloc(MANY, sizeof *uploads);
    struct buf bytes = body_of(BODY_BYTES);
    begin();
    open_uploads(uploads, MANY, addresses);
    say_all(uploads, MANY, &bytes);
    unsigned open, late;
    WAIT_FOR(20000, (open = count_open(uploads, MANY)) <= most_open);
    late = count_408(uploads, MANY);
    printf("  %-34s %u of %u are open, %u were answered 408\n", what, open, MANY, late);
    ck_assert_uint_ge(open, most_open / 2);
    ck_assert_uint_gt(late, 0);
    for (unsigned i = 0; i < MANY / 2; i++) { // who came first has left first
        ASSERT_EACH(!uploads[i].open);
    }
    free(send_accepted(stack, "ingest-1", PATH_SMS, payload_sms("+1201", "+1804", "gets in")));
    char *large = xcalloc(100001, 1);
    memset(large, 'x', 100000);
    free(send_accepted(stack, "ingest-1", PATH_EMAIL, payload_email("a@example.com", "b@example.com", large)));
    free(large);
    close_uploads(uploads, MANY);
    finish(what);
    buf_free(&bytes);
    free(uploads);
}

START_TEST(thousands_of_unfinished_bodies_of_many_addresses_make_way_the_oldest_first) {
    assert_bounded(ADDRESSES, BUDGET_MIB * MIB / BODY_BYTES, "4,000 bodies of 40 addresses");
}
END_TEST

START_TEST(thousands_of_unfinished_bodies_of_one_address_get_a_quarter) {
    assert_bounded(1, BUDGET_MIB * MIB / BODY_BYTES / 4, "4,000 bodies of one address");
}
END_TEST

START_TEST(the_programs_end_with_status_0_and_logged_nothing_unexpected) {
    stack_finish(stack);
}
END_TEST

Suite *suite_budget(void);

Suite *suite_budget(void) {
    Suite *suite = suite_create("budget");
    TCase *tests = tcase_create("budget");
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_checked_fixture(tests, recover, NULL);
    tcase_add_test(tests, thousands_of_unfinished_bodies_of_many_addresses_make_way_the_oldest_first);
    tcase_add_test(tests, thousands_of_unfinished_bodies_of_one_address_get_a_quarter);
    tcase_add_test(tests, the_programs_end_with_status_0_and_logged_nothing_unexpected);
    suite_add_tcase(suite, tests);
    return suite;
}
