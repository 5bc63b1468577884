// SPDX-License-Identifier: MIT
//
// Sends SMS over keep-alive connections: as fast as the answers come (a closed loop), or at a constant rate whatever
// the answers do (an open loop). In the open loop a send that is due while all connections are busy waits, and its
// latency counts from when it was due: so a pause of the server shows in all the sends that it held up.
//
// Some of the messages can be watched: GET /api/messages/{id} every millisecond, until it is there and until it is
// `sent`. A look costs what a client's would, so only every so-manieth message is watched.
//   generator PORT CONNECTIONS COUNT RATE WATCH_EVERY        RATE 0: the closed loop; WATCH_EVERY 0: none
// Prints "seconds" (from the first send to the last 202), "accepted", "p50_ms", "p99_ms", and of the watched ones
// "visible_p50_ms", "visible_p99_ms", "sent_p50_ms", "sent_p99_ms" (after the 202), "watched".
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <uv.h>

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "tests/bench/lib/samples.h"
#include "tests/bench/lib/traffic.h"
#include "tests/bench/lib/wire.h"

#define WATCHERS 16
#define LOOK_MS 1
#define PATIENCE_US (60 * 1000000LL)
#define ID_SIZE 40
#define MOST_WATCHED 65536

struct send {
    size_t number;
    int64_t intended_us;
};

struct watched {
    char id[ID_SIZE];
    int64_t accepted_us;
    bool is_visible, is_asked, is_over;
};

static struct {
    uint16_t port;
    size_t connections, count, watch_every;
    double rate;
} options;

static uv_loop_t *loop;
static uv_timer_t look;
static uv_poll_t due;
static int due_fd;
// Connections without a request, taken in turn, so that none idles so long that the server closes it.
struct pool {
    struct wire **wires;
    size_t room, first, count;
};

static struct pool idle, watchers;
static size_t ready_count;
static struct watched *watched;
static size_t watched_first, watched_count; // the ones before first are over
static size_t issued, accepted;
static int64_t began_us, ended_us, progress_us;
static struct samples latency, visible, sent;

static void pool_open(struct pool *pool, size_t room) {
    *pool = (struct pool){.wires = xcalloc(room, sizeof(struct wire *)), .room = room};
}

static void pool_put(struct pool *pool, struct wire *wire) {
    pool->wires[(pool->first + pool->count++) % pool->room] = wire;
}

static struct wire *pool_take(struct pool *pool) {
    struct wire *wire = pool->wires[pool->first];
    pool->first = (pool->first + 1) % pool->room;
    pool->count--;
    return wire;
}

static _Noreturn void fail(const char *what, int status, const char *body) {
    fprintf(stderr, "generator: %s: %d %s\n", what, status, body);
    exit(EXIT_FAILURE);
}

static double ms_since(int64_t us) {
    return (double)(clock_monotonic_us() - us) / 1000;
}

static int64_t due_us(size_t number) {
    return options.rate > 0 ? began_us + (int64_t)((double)number * 1e6 / options.rate) : 0;
}

static void put_request(struct wire *wire, const struct send *send) {
    char sender[TRAFFIC_SENDER_SIZE], body[256], request[512];
    traffic_sender(send->number, sender);
    int length = snprintf(body, sizeof body,
                          "{\"from\":\"%s\",\"to\":\"" TRAFFIC_TO "\",\"type\":\"sms\",\"body\":\"" TRAFFIC_BODY
                          "\",\"attachments\":null,\"timestamp\":\"" TRAFFIC_TIME "\"}",
                          sender);
    length = snprintf(request, sizeof request,
                      "POST /api/messages/sms HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                      "Content-Length: %d\r\n\r\n%s",
                      length, body);
    wire_send(wire, request, (size_t)length);
}

static void send_one(struct wire *wire) {
    struct send *send = wire_context(wire);
    send->number = issued++;
    send->intended_us = options.rate > 0 ? due_us(send->number) : clock_monotonic_us();
    put_request(wire, send);
}

static void arm(void) {
    struct itimerspec at = {0};
    int64_t us = due_us(issued);
    at.it_value.tv_sec = us / 1000000;
    at.it_value.tv_nsec = us % 1000000 * 1000;
    timerfd_settime(due_fd, TFD_TIMER_ABSTIME, &at, NULL);
}

static void send_due(void) {
    while (idle.count > 0 && issued < options.count && due_us(issued) <= clock_monotonic_us()) {
        send_one(pool_take(&idle));
    }
    if (options.rate > 0 && idle.count > 0 && issued < options.count) {
        arm();
    }
}

static void on_due(uv_poll_t *poll, int status, int events) {
    (void)poll, (void)status, (void)events;
    uint64_t expirations;
    if (read(due_fd, &expirations, sizeof expirations) > 0) {
        send_due();
    }
}

static void end_if_done(void) {
    if (accepted == options.count && watched_first == watched_count) {
        uv_stop(loop);
    }
}

static void note_watched(const struct send *send, const char *body) {
    const char *id = strstr(body, "\"id\":\"");
    if (options.watch_every == 0 || send->number % options.watch_every != 0 || watched_count == MOST_WATCHED) {
        return;
    }
    if (id == NULL) {
        fail("an answer without an id", 202, body);
    }
    struct watched *one = &watched[watched_count++];
    *one = (struct watched){.accepted_us = clock_monotonic_us()};
    snprintf(one->id, sizeof one->id, "%.36s", id + strlen("\"id\":\""));
}

static void on_answer(struct wire *wire, int status, const char *body, void *argument) {
    (void)argument;
    struct send *send = wire_context(wire);
    if (status == 503 && strstr(body, "ambiguous") == NULL) {
        put_request(wire, send); // nothing was written: once more, and its latency runs on
        return;
    }
    if (status != 202) {
        fail("a send was refused", status, body);
    }
    samples_add(&latency, ms_since(send->intended_us));
    accepted++;
    ended_us = progress_us = clock_monotonic_us();
    note_watched(send, body);
    pool_put(&idle, wire);
    send_due();
    end_if_done();
}

static void begin_when_ready(void) {
    if (++ready_count < options.connections + (options.watch_every > 0 ? WATCHERS : 0)) {
        return;
    }
    began_us = progress_us = clock_monotonic_us();
    send_due();
}

static void on_ready(struct wire *wire, void *argument) {
    (void)argument;
    pool_put(&idle, wire);
    begin_when_ready();
}

// ---- Watching

static void on_watcher_ready(struct wire *wire, void *argument) {
    (void)argument;
    pool_put(&watchers, wire);
    begin_when_ready();
}

static void on_seen(struct wire *wire, int status, const char *body, void *argument) {
    (void)argument;
    struct watched *one = wire_context(wire);
    one->is_asked = false;
    if (status == 200 && !one->is_visible) {
        one->is_visible = true;
        samples_add(&visible, ms_since(one->accepted_us));
    }
    if (status == 200 && strstr(body, "\"status\":\"sent\"") != NULL) {
        one->is_over = true;
        samples_add(&sent, ms_since(one->accepted_us));
    } else if (status != 200 && status != 404) {
        fail("a read failed", status, body);
    }
    pool_put(&watchers, wire);
    while (watched_first < watched_count && watched[watched_first].is_over) {
        watched_first++;
    }
    progress_us = clock_monotonic_us();
    end_if_done();
}

static void on_look(uv_timer_t *timer) {
    (void)timer;
    for (size_t i = watched_first; i < watched_count && watchers.count > 0; i++) {
        struct watched *one = &watched[i];
        if (one->is_asked || one->is_over) {
            continue;
        }
        if (clock_monotonic_us() - one->accepted_us > PATIENCE_US) {
            fail("a message is missing", 0, one->id);
        }
        char request[128];
        struct wire *wire = pool_take(&watchers);
        one->is_asked = true;
        wire_set_context(wire, one);
        int length =
            snprintf(request, sizeof request, "GET /api/messages/%s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", one->id);
        wire_send(wire, request, (size_t)length);
    }
    if (began_us > 0 && clock_monotonic_us() - progress_us > PATIENCE_US) {
        fail("nothing has happened for a minute", 0, "");
    }
}

// ---- Life

static void open_connections(void) {
    const struct wire_events sending = {on_ready, on_answer}, watching = {on_watcher_ready, on_seen};
    pool_open(&idle, options.connections);
    pool_open(&watchers, WATCHERS);
    struct send *sends = xcalloc(options.connections, sizeof *sends);
    for (size_t i = 0; i < options.connections; i++) {
        wire_set_context(wire_open(loop, options.port, &sending, NULL), &sends[i]);
    }
    for (size_t i = 0; i < WATCHERS && options.watch_every > 0; i++) {
        wire_open(loop, options.port, &watching, NULL);
    }
}

static void print(const char *name, struct samples *samples) {
    printf("%sp50_ms %.3f\n%sp99_ms %.3f\n", name, samples_percentile(samples, 50), name,
           samples_percentile(samples, 99));
}

int main(int argc, char **argv) {
    if (argc != 6) {
        fprintf(stderr, "usage: generator PORT CONNECTIONS COUNT RATE WATCH_EVERY\n");
        return 2;
    }
    options.port = (uint16_t)strtoul(argv[1], NULL, 10);
    options.connections = strtoul(argv[2], NULL, 10);
    options.count = strtoul(argv[3], NULL, 10);
    options.rate = strtod(argv[4], NULL);
    options.watch_every = strtoul(argv[5], NULL, 10);
    watched = xcalloc(MOST_WATCHED, sizeof *watched);
    loop = uv_default_loop();
    due_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    uv_poll_init(loop, &due, due_fd);
    uv_poll_start(&due, UV_READABLE, on_due);
    uv_timer_init(loop, &look);
    uv_timer_start(&look, on_look, LOOK_MS, options.watch_every > 0 ? LOOK_MS : 1000);
    open_connections();
    uv_run(loop, UV_RUN_DEFAULT);
    printf("seconds %.6f\naccepted %zu\nwatched %zu\n", (double)(ended_us - began_us) / 1e6, accepted, watched_count);
    print("", &latency);
    print("visible_", &visible);
    print("sent_", &sent);
    return EXIT_SUCCESS;
}
