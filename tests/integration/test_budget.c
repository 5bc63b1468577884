// SPDX-License-Identifier: MIT
// What ingest holds for its clients is bounded, whatever they do, and while they do it an ordinary client is served.
// What it took is read from /proc and printed.

#include <check.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shared/base/buf.h"
#include "shared/base/mem.h"
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
    // What ingest takes at most: see README.md, "Memory". Nobody holds a head here.
    UNPARSED_MIB = 32 + BUDGET_MIB + BUDGET_MIB / 4,
    BASE_MIB = UNPARSED_MIB + 2 * 18,   // pages and bodies that are parsed, by two threads
    CONNECTIONS_MIB = 4000 * 14 / 1024, // the library's 8 KiB for each, 4 that aren't counted, and our own
    MOST_MIB = BASE_MIB + CONNECTIONS_MIB,
    MOST_UNPARSED_MIB = UNPARSED_MIB + CONNECTIONS_MIB,
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
static int64_t conversation;        // with MAILS large ones
static char *thread;                // the path of its messages

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

// VmRSS or VmHWM of a program, in MiB.
static int64_t memory_of(const char *program, const char *field) {
    char *path = xasprintf("/proc/%d/status", (int)stack_pid(stack, program)), *text = read_whole_file(path);
    const char *at = text != NULL ? strstr(text, field) : NULL;
    ck_assert(at != NULL);
    int64_t mib = strtoll(at + strlen(field) + 1, NULL, 10) / 1024;
    free(text);
    free(path);
    return mib;
}

static int64_t memory_mib(const char *field) {
    return memory_of("ingest-1", field);
}

// Under a sanitizer or valgrind, memory isn't the program's alone.
static void assert_memory(int64_t mib, int64_t most_mib) {
    ck_assert_msg(deadline_scaled(1) > 1 || mib < most_mib, "%" PRId64 " MiB, of %" PRId64, mib, most_mib);
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

static void finish(const char *what, int64_t most_mib) {
    unsigned before = bystander_served(bystander);
    WAIT_FOR(30000, bystander_served(bystander) >= before + 20);
    struct bystander_result result = bystander_stop(bystander);
    bystander = NULL;
    printf("  %-34s peak %" PRId64 " MiB; ordinary requests: %u, p50 %lld ms, p99 %lld ms\n", what,
           memory_mib("VmHWM:"), result.requests, (long long)result.p50_ms, (long long)result.p99_ms);
    ck_assert_msg(result.unserved == 0, "%u of %u ordinary requests were not served, the last with %ld",
                  result.unserved, result.requests, result.last_unserved);
    assert_memory(memory_mib("VmHWM:"), most_mib);
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

static void open_uploads_to(const char *ingest, struct upload *uploads, unsigned count, unsigned addresses) {
    for (unsigned i = 0; i < count; i++) {
        char from[16];
        snprintf(from, sizeof from, "127.0.1.%u", 1 + i % addresses);
        uploads[i] = (struct upload){.fd = socket_open(stack_port(stack, ingest), from), .open = true};
    }
}

static void open_uploads(struct upload *uploads, unsigned count, unsigned addresses) {
    open_uploads_to("ingest-1", uploads, count, addresses);
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

// How many have an answer of that status; "": of any.
static unsigned count_status_of(const struct upload *uploads, unsigned count, const char *status) {
    unsigned found = 0;
    char line[16];
    snprintf(line, sizeof line, "HTTP/1.1 %s", status);
    for (unsigned i = 0; i < count; i++) {
        found += uploads[i].got.data != NULL && strncmp(uploads[i].got.data, line, strlen(line)) == 0;
    }
    return found;
}

// Each has its answer, or is closed.
static bool is_over(struct upload *uploads, unsigned count) {
    (void)count_open(uploads, count);
    for (unsigned i = 0; i < count; i++) {
        if (uploads[i].open && uploads[i].got.length == 0) {
            return false;
        }
    }
    return true;
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
    late = count_status_of(uploads, MANY, "408");
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
    finish(what, MOST_UNPARSED_MIB);
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

// Behind a proxy that is believed, the client's address counts: each of these has its quarter.
START_TEST(clients_behind_a_trusted_proxy_have_a_quarter_each) {
    enum { OF_EACH = 60, CLIENTS = 3, ALL = OF_EACH * CLIENTS, QUARTER = BUDGET_MIB * MIB / BODY_BYTES / 4 };
    struct upload uploads[ALL];
    struct buf bytes[CLIENTS];
    stack_start_with(stack, "ingest-3", (const char *const[]){"TRUSTED_PROXIES=127.0.0.0/8", NULL});
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct buf body = body_of(BODY_BYTES);
        bytes[i] = (struct buf){0};
        buf_printf(&bytes[i], "POST /api/messages/email HTTP/1.1\r\nX-Forwarded-For: 203.0.113.%u\r\n", i);
        buf_puts(&bytes[i], strstr(body.data, "Host: "));
        buf_free(&body);
    }
    for (unsigned i = 0; i < ALL; i++) {
        uploads[i] = (struct upload){.fd = socket_open(stack_port(stack, "ingest-3"), NULL), .open = true};
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        say_all(uploads + (size_t)i * OF_EACH, OF_EACH, &bytes[i]);
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        WAIT_FOR(10000, count_open(uploads + (size_t)i * OF_EACH, OF_EACH) <= QUARTER);
        ck_assert_uint_ge(count_open(uploads + (size_t)i * OF_EACH, OF_EACH), QUARTER - 2); // nobody else's doing
        buf_free(&bytes[i]);
    }
    close_uploads(uploads, ALL);
    stack_stop(stack, "ingest-3");
}
END_TEST

// 4 MiB of a thousand messages, all but ten of which lack whom they are for.
static struct buf list_of_4_mib(void) {
    struct buf list = {0}, bytes = {0}, text = {0};
    while (text.length < 4000) {
        buf_putc(&text, 'x');
    }
    buf_puts(&list, "{\"messages\":[");
    for (int i = 0; i < 1000; i++) {
        buf_printf(&list,
                   "%s{\"type\":\"email\",\"from\":\"list%d@example.com\",\"%s\":\"b@example.com\",\"body\":\"%s\","
                   "\"timestamp\":\"2024-11-01T14:00:00Z\"}",
                   i > 0 ? "," : "", i, i % 100 == 0 ? "to" : "unto", text.data);
    }
    buf_puts(&list, "]}");
    buf_printf(&bytes,
               "POST /api/messages/batch HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
               "Content-Length: %zu\r\n\r\n%s%100s",
               list.length, list.data, "");
    buf_free(&text);
    buf_free(&list);
    return bytes;
}

static void show_uploads(const char *what, const struct upload *uploads, unsigned count, int64_t peak_mib) {
    printf("  %-34s peak %" PRId64 " MiB; %u x 200, %u x 503, %u x 408\n", what, peak_mib,
           count_status_of(uploads, count, "200"), count_status_of(uploads, count, "503"),
           count_status_of(uploads, count, "408"));
}

// Of an ingest of their own, for what others have had isn't all given back.
static struct upload *lists_are_said(unsigned count) {
    struct upload *uploads = xcalloc(count, sizeof *uploads);
    struct buf bytes = list_of_4_mib();
    open_uploads_to("ingest-4", uploads, count, ADDRESSES);
    say_all(uploads, count, &bytes);
    buf_free(&bytes);
    return uploads;
}

static void lists_end(struct upload *uploads, unsigned count) {
    close_uploads(uploads, count);
    stack_stop(stack, "ingest-4");
    free(uploads);
}

START_TEST(long_lists_are_bounded_too) {
    enum { LISTS = 60 };
    stack_start(stack, "ingest-4");
    struct upload *uploads = lists_are_said(LISTS);
    WAIT_FOR(20000, is_over(uploads, LISTS));
    int64_t peak = memory_of("ingest-4", "VmHWM:");
    show_uploads("60 lists of 4 MiB", uploads, LISTS, peak);
    ck_assert_uint_gt(count_status_of(uploads, LISTS, "200"), 0);
    assert_memory(peak, BASE_MIB);
    lists_end(uploads, LISTS);
}
END_TEST

// Those that have come whole fill the budget, so that nothing is left for an answer but what they give up for it.
START_TEST(long_lists_that_wait_for_redis_are_bounded_and_answered) {
    enum { LISTS = 60 };
    stack_start(stack, "ingest-4");
    stack_signal(stack, "redis", SIGSTOP);
    struct upload *uploads = lists_are_said(LISTS);
    WAIT_FOR(20000, is_over(uploads, LISTS));
    int64_t peak = memory_of("ingest-4", "VmHWM:");
    show_uploads("60 lists while Redis stands still", uploads, LISTS, peak);
    stack_signal(stack, "redis", SIGCONT);
    ck_assert_uint_gt(count_status_of(uploads, LISTS, "503"), 0);
    assert_memory(peak, BASE_MIB);
    stack_settle(stack);
    lists_end(uploads, LISTS);
}
END_TEST

// Complete bodies wait for a Redis that stands still: they don't make way, so there is no room for more.
START_TEST(bodies_that_wait_for_redis_are_bounded_too) {
    enum { SENDS = 400 };
    struct upload *uploads = xcalloc(SENDS, sizeof *uploads);
    char *large = xcalloc(MAIL_BYTES + 1, 1);
    memset(large, 'x', MAIL_BYTES);
    char *payload = payload_email("a@example.com", "b@example.com", large);
    struct buf bytes = {0};
    buf_printf(&bytes,
               "POST /api/messages/email HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
               "Content-Length: %zu\r\n\r\n%s%100s",
               strlen(payload), payload, "");
    forget_peak();
    open_uploads(uploads, SENDS, ADDRESSES);
    stack_signal(stack, "redis", SIGSTOP);
    say_all(uploads, SENDS, &bytes);
    WAIT_FOR(20000, is_over(uploads, SENDS));
    stack_signal(stack, "redis", SIGCONT);
    unsigned served = count_status_of(uploads, SENDS, "202");
    int64_t peak = memory_mib("VmHWM:");
    printf("  %-34s peak %" PRId64 " MiB; %u x 503, %u x 408, %u x 202\n", "400 sends while Redis stands still", peak,
           count_status_of(uploads, SENDS, "503"), count_status_of(uploads, SENDS, "408"), served);
    ck_assert_uint_eq(served, 0);
    assert_memory(peak, MOST_MIB);
    close_uploads(uploads, SENDS);
    stack_settle(stack);
    free(send_accepted(stack, "ingest-1", PATH_SMS, payload_sms("+1201", "+1804", "again")));
    WAIT_FOR(30000, held_bytes() == 0);
    buf_free(&bytes);
    free(payload);
    free(large);
    free(uploads);
}
END_TEST

// ---- Answers

// A thread of large mails.
static void fill_thread(void) {
    char *large = xcalloc(MAIL_BYTES + 1, 1);
    memset(large, 'x', MAIL_BYTES);
    for (int i = 0; i < MAILS; i++) {
        char *id = xasprintf("<mail-%d@example.com>", i);
        free(send_accepted(stack, "ingest-1", PATH_EMAIL_WEBHOOK,
                           payload_email_webhook("many@example.com", "us@example.com", id, large)));
        free(id);
    }
    free(large);
    WAIT_FOR(60000,
             stack_sql(stack, "SELECT message_count FROM conversations WHERE participant_a = 'many@example.com'") ==
                 MAILS);
    conversation = stack_sql(stack, "SELECT id FROM conversations WHERE participant_a = 'many@example.com'");
    thread = xasprintf("/api/conversations/%" PRId64 "/messages", conversation);
}

static struct answer *get(const char *ingest, const char *path, const char *parameters) {
    char *whole = xasprintf("%s%s", path, parameters);
    struct answer *answer = stack_call(stack, ingest, "GET", whole, NULL, NULL);
    free(whole);
    return answer;
}

static int items_of(const struct answer *answer) {
    return cJSON_GetArraySize(answer_at(answer, "items"));
}

// Readers that ask and read nothing.
static int *ask_and_not_read(const char *ingest, const char *parameters, unsigned addresses) {
    char *asked = xasprintf("GET %s%s HTTP/1.1\r\nHost: h\r\n\r\n", thread, parameters);
    int *fds = xcalloc(READERS, sizeof *fds);
    for (unsigned i = 0; i < READERS; i++) {
        char from[16];
        snprintf(from, sizeof from, "127.0.2.%u", 1 + i % addresses);
        fds[i] = socket_open(stack_port(stack, ingest), from);
        ck_assert_int_eq(setsockopt(fds[i], SOL_SOCKET, SO_RCVBUF, &(int){4096}, sizeof(int)), 0);
        ck_assert(socket_say(fds[i], asked, strlen(asked)));
    }
    free(asked);
    return fds;
}

// Of all that were answered, how many with that status.
static unsigned count_status(const int *fds, const char *status) {
    unsigned count = 0;
    for (unsigned i = 0; i < READERS; i++) {
        char line[16] = "";
        ssize_t got = recv(fds[i], line, sizeof "HTTP/1.1 200" - 1, MSG_PEEK | MSG_DONTWAIT);
        count += got == (ssize_t)sizeof "HTTP/1.1 200" - 1 && strcmp(line + sizeof "HTTP/1.1 " - 1, status) == 0;
    }
    return count;
}

static void close_readers(int *fds) {
    for (unsigned i = 0; i < READERS; i++) {
        close(fds[i]);
    }
    free(fds);
}

// Each message once, in its order, however short the pages are; returns how many pages it took.
static int walk(const char *ingest) {
    char parameters[128] = "";
    int seen = 0, pages = 0;
    do {
        struct answer *answer = get(ingest, thread, parameters);
        ck_assert_int_eq(answer->status, 200);
        int items = items_of(answer);
        ck_assert_int_gt(items, 0);
        for (int i = 0; i < items; i++, seen++) {
            char of_body[32], of_id[32];
            snprintf(of_body, sizeof of_body, "items.%d.body", i);
            snprintf(of_id, sizeof of_id, "items.%d.id", i);
            ck_assert_uint_eq(strlen(answer_text(answer, of_body)), MAIL_BYTES);
            char *id = stack_sql_text(stack,
                                      "SELECT id FROM messages WHERE conversation_id = %" PRId64
                                      " ORDER BY occurred_at, accepted_at, id OFFSET %d LIMIT 1",
                                      conversation, seen);
            ck_assert_str_eq(answer_text(answer, of_id), id);
            free(id);
        }
        ck_assert_int_eq((int)answer_number(answer, "meta.total"), MAILS);
        snprintf(parameters, sizeof parameters, "?cursor=%s", answer_text(answer, "meta.next_cursor"));
        answer_free(answer);
        pages++;
    } while (strcmp(parameters, "?cursor=") != 0 && pages <= MAILS);
    ck_assert_int_eq(seen, MAILS);
    return pages;
}

static void assert_readers_are_bounded(unsigned addresses, const char *what) {
    begin();
    int *fds = ask_and_not_read("ingest-1", "", addresses);
    WAIT_FOR(60000, count_status(fds, "200") + count_status(fds, "503") == READERS);
    int pages = walk("ingest-1");
    printf("  %-34s %u x 200, %u x 503; a walk beside them took %d pages\n", what, count_status(fds, "200"),
           count_status(fds, "503"), pages);
    ck_assert_uint_gt(count_status(fds, "200"), 0);
    ck_assert_int_gt(pages, 1);
    close_readers(fds);
    finish(what, MOST_MIB);
}

START_TEST(readers_by_cursor_who_do_not_read_get_shorter_pages_and_hinder_nobody) {
    fill_thread();
    assert_readers_are_bounded(1, "80 readers of one address");
    assert_readers_are_bounded(READERS, "80 readers of 80 addresses");
}
END_TEST

START_TEST(a_page_by_its_number_is_whole_or_503) {
    stack_start_with(stack, "ingest-2", (const char *const[]){"MAX_CLIENT_BYTES=134217728", NULL});
    struct answer *answer = get("ingest-2", thread, "?page=1");
    ck_assert_int_eq(answer->status, 200);
    ck_assert_int_eq(items_of(answer), MAILS);
    answer_free(answer);
    answer = get("ingest-2", thread, ""); // while there is room, no page is shorter
    ck_assert_int_eq(items_of(answer), MAILS);
    answer_free(answer);
    int *fds = ask_and_not_read("ingest-2", "?page=1", 1);
    WAIT_FOR(60000, count_status(fds, "200") + count_status(fds, "503") == READERS);
    ck_assert_uint_ge(count_status(fds, "200"), 1);
    ck_assert_uint_le(count_status(fds, "200"), 2); // what a quarter holds
    answer = get("ingest-2", thread, "?page=1");    // of another address
    ck_assert_int_eq(answer->status, 200);
    ck_assert_int_eq(items_of(answer), MAILS);
    answer_free(answer);
    close_readers(fds);
    stack_stop(stack, "ingest-2");
    answer = get("ingest-1", thread, "?page=1"); // more than its quarter ever is
    ck_assert_int_eq(answer->status, 503);
    ck_assert_int_ge(answer_header_number(answer, "Retry-After"), 1);
    answer_free(answer);
}
END_TEST

START_TEST(dead_letters_with_large_payloads_are_walked_in_shorter_pages) {
    char parameters[128] = "";
    int seen = 0, pages = 0;
    (void)stack_sql(
        stack,
        "WITH made AS (INSERT INTO dead_letters (stage, generation, provider, reason, attempts, failed_at, entry)"
        " SELECT 'persist', 0, 'email', 'poison', 1, now() - i * interval '1 second',"
        " '{\"n\":' || i || ',\"filled\":\"' || repeat('x', 250000) || '\"}'"
        " FROM generate_series(0, 59) AS i RETURNING 1) SELECT count(*) FROM made");
    do {
        struct answer *answer = get("ingest-1", "/api/dead-letters", parameters);
        ck_assert_int_eq(answer->status, 200);
        int items = items_of(answer);
        ck_assert_int_gt(items, 0);
        for (int i = 0; i < items; i++, seen++) {
            char at[32];
            snprintf(at, sizeof at, "items.%d.payload.n", i);
            ck_assert_int_eq((int)answer_number(answer, at), seen);
        }
        snprintf(parameters, sizeof parameters, "?cursor=%s", answer_text(answer, "meta.next_cursor"));
        answer_free(answer);
        pages++;
    } while (strcmp(parameters, "?cursor=") != 0 && pages <= 60);
    ck_assert_int_eq(seen, 60);
    ck_assert_int_gt(pages, 2);
    WAIT_FOR(10000, held_bytes() == 0);
}
END_TEST

// ---- The persister

// By the small ones it can't know what comes behind them.
START_TEST(a_persister_that_comes_back_to_large_mails_behind_small_ones_reads_a_few_at_a_time) {
    enum { SMALL = 300, LARGE = 400, PERSISTER_MIB = 200 };
    char *large = xcalloc(MAIL_BYTES + 1, 1);
    memset(large, 'x', MAIL_BYTES);
    stack_stop(stack, "persister-1");
    for (int i = 0; i < SMALL + LARGE; i++) {
        char *id = xasprintf("<behind-%d@example.com>", i);
        free(send_accepted(
            stack, "ingest-1", PATH_EMAIL_WEBHOOK,
            payload_email_webhook("behind@example.com", "us@example.com", id, i < SMALL ? "small" : large)));
        free(id);
    }
    stack_start(stack, "persister-1");
    WAIT_FOR(120000, stack_sql(stack, "SELECT message_count FROM conversations WHERE participant_a = "
                                      "'behind@example.com'") == SMALL + LARGE);
    int64_t peak = memory_of("persister-1", "VmHWM:");
    printf("  %-34s peak %" PRId64 " MiB of the persister\n", "400 large mails behind 300 small", peak);
    assert_memory(peak, PERSISTER_MIB);
    free(large);
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
    tcase_add_test(tests, clients_behind_a_trusted_proxy_have_a_quarter_each);
    tcase_add_test(tests, long_lists_are_bounded_too);
    tcase_add_test(tests, long_lists_that_wait_for_redis_are_bounded_and_answered);
    tcase_add_test(tests, bodies_that_wait_for_redis_are_bounded_too);
    tcase_add_test(tests, readers_by_cursor_who_do_not_read_get_shorter_pages_and_hinder_nobody);
    tcase_add_test(tests, a_page_by_its_number_is_whole_or_503);
    tcase_add_test(tests, dead_letters_with_large_payloads_are_walked_in_shorter_pages);
    tcase_add_test(tests, a_persister_that_comes_back_to_large_mails_behind_small_ones_reads_a_few_at_a_time);
    tcase_add_test(tests, the_programs_end_with_status_0_and_logged_nothing_unexpected);
    suite_add_tcase(suite, tests);
    return suite;
}
