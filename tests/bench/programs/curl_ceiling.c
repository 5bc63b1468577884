// SPDX-License-Identifier: MIT
// The ceiling of dispatching: a bare libcurl multi loop on libuv that makes the same calls of the same provider as the
// dispatcher, at the same concurrency, and drops the answers. Only the idempotency key differs from call to call, and
// is changed in place.
//   curl_ceiling URL IN_FLIGHT COUNT HANDLES_A_MULTI
// libcurl gets slower with the number of handles in a multi; HANDLES_A_MULTI spreads them over several.
// Prints "seconds", "calls" and "failed".

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "tests/bench/lib/traffic.h"

#define KEY_SIZE 40
#define TIMEOUT_MS 30000L

struct multi {
    CURLM *curl;
    uv_timer_t timer;
};

struct slot {
    CURL *easy;
    struct multi *multi;
    struct curl_slist *headers;
    char *keys[2]; // the two headers' values, within the list's texts
    char body[128];
};

struct watched {
    uv_poll_t poll;
    struct multi *multi;
    curl_socket_t socket;
};

static uv_loop_t *loop;
static size_t wanted, issued, done, failed;
static const char *url;

static struct curl_slist *append(struct curl_slist *list, const char *text) {
    struct curl_slist *longer = curl_slist_append(list, text);
    if (longer == NULL) {
        abort();
    }
    return longer;
}

static size_t drop(char *bytes, size_t size, size_t count, void *argument) {
    (void)bytes, (void)argument;
    return size * count;
}

static void issue(struct slot *slot) {
    char key[KEY_SIZE], sender[TRAFFIC_SENDER_SIZE];
    snprintf(key, sizeof key, "%08x-0000-7000-8000-%012zx", (unsigned)getpid(), issued);
    traffic_sender(issued++, sender);
    memcpy(slot->keys[0], key, strlen(key));
    memcpy(slot->keys[1], key, strlen(key));
    snprintf(slot->body, sizeof slot->body,
             "From=%%2B%s&To=%%2B%s&Body=Hello%%21%%20This%%20is%%20a%%20test%%20SMS%%20message.", sender + 1,
             &TRAFFIC_TO[1]);
    curl_easy_setopt(slot->easy, CURLOPT_POSTFIELDSIZE, (long)strlen(slot->body));
    curl_easy_setopt(slot->easy, CURLOPT_POSTFIELDS, slot->body);
    curl_multi_add_handle(slot->multi->curl, slot->easy);
}

static void take_done(struct multi *multi) {
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(multi->curl, &left)) != NULL) {
        CURL *easy = message->easy_handle;
        struct slot *slot;
        long status = 0;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&slot);
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
        failed += message->data.result != CURLE_OK || status / 100 != 2;
        done++;
        curl_multi_remove_handle(multi->curl, easy);
        if (issued < wanted) {
            issue(slot);
        }
    }
    if (done == wanted) {
        uv_stop(loop);
    }
}

static void on_timer(uv_timer_t *timer) {
    struct multi *multi = timer->data;
    int running;
    curl_multi_socket_action(multi->curl, CURL_SOCKET_TIMEOUT, 0, &running);
    take_done(multi);
}

static int on_curl_timer(CURLM *curl, long timeout_ms, void *argument) {
    (void)curl;
    struct multi *multi = argument;
    if (timeout_ms < 0) {
        uv_timer_stop(&multi->timer);
    } else {
        uv_timer_start(&multi->timer, on_timer, (uint64_t)timeout_ms, 0);
    }
    return 0;
}

static void on_poll(uv_poll_t *poll, int status, int events) {
    struct watched *watched = poll->data;
    int flags = (status < 0 ? CURL_CSELECT_ERR : 0) | (events & UV_READABLE ? CURL_CSELECT_IN : 0) |
                (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0);
    struct multi *multi = watched->multi;
    int running;
    curl_multi_socket_action(multi->curl, watched->socket, flags, &running);
    take_done(multi);
}

static void on_closed(uv_handle_t *handle) {
    free(handle->data);
}

static int on_curl_socket(CURL *easy, curl_socket_t socket, int what, void *argument, void *assigned) {
    (void)easy;
    struct multi *multi = argument;
    struct watched *watched = assigned;
    if (what == CURL_POLL_REMOVE) {
        if (watched != NULL) {
            curl_multi_assign(multi->curl, socket, NULL);
            uv_close((uv_handle_t *)&watched->poll, on_closed);
        }
        return 0;
    }
    if (watched == NULL) {
        watched = xcalloc(1, sizeof *watched);
        *watched = (struct watched){.multi = multi, .socket = socket};
        uv_poll_init_socket(loop, &watched->poll, socket);
        watched->poll.data = watched;
        curl_multi_assign(multi->curl, socket, watched);
    }
    int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    return uv_poll_start(&watched->poll, events, on_poll);
}

static void open_multi(struct multi *multi, size_t handles) {
    multi->curl = curl_multi_init();
    curl_multi_setopt(multi->curl, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
    curl_multi_setopt(multi->curl, CURLMOPT_SOCKETDATA, multi);
    curl_multi_setopt(multi->curl, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    curl_multi_setopt(multi->curl, CURLMOPT_TIMERDATA, multi);
    curl_multi_setopt(multi->curl, CURLMOPT_MAXCONNECTS, (long)handles);
    multi->timer.data = multi;
    uv_timer_init(loop, &multi->timer);
}

static void open_slot(struct slot *slot, struct multi *multi) {
    static const char room[] = "00000000-0000-7000-8000-000000000000";
    char line[128];
    slot->multi = multi;
    slot->easy = curl_easy_init();
    snprintf(line, sizeof line, "Idempotency-Key: %s", room);
    slot->headers = append(NULL, line);
    slot->keys[0] = slot->headers->data + strlen(line) - strlen(room);
    snprintf(line, sizeof line, "I-Twilio-Idempotency-Token: %s", room);
    append(slot->headers, line);
    slot->keys[1] = slot->headers->next->data + strlen(line) - strlen(room);
    append(slot->headers, "Accept: application/json");
    append(slot->headers, "Expect:");
    curl_easy_setopt(slot->easy, CURLOPT_URL, url);
    curl_easy_setopt(slot->easy, CURLOPT_USERPWD, "AC00000000000000000000000000000000:mock-token");
    curl_easy_setopt(slot->easy, CURLOPT_HTTPHEADER, slot->headers);
    curl_easy_setopt(slot->easy, CURLOPT_WRITEFUNCTION, drop);
    curl_easy_setopt(slot->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(slot->easy, CURLOPT_PROXY, "");
    curl_easy_setopt(slot->easy, CURLOPT_TIMEOUT_MS, TIMEOUT_MS);
    curl_easy_setopt(slot->easy, CURLOPT_PRIVATE, slot);
}

int main(int argc, char **argv) {
    if (argc != 5) {
        fprintf(stderr, "usage: curl_ceiling URL IN_FLIGHT COUNT HANDLES_A_MULTI\n");
        return 2;
    }
    url = argv[1];
    size_t in_flight = strtoul(argv[2], NULL, 10);
    wanted = strtoul(argv[3], NULL, 10);
    size_t handles = strtoul(argv[4], NULL, 10);
    loop = uv_default_loop();
    if (curl_global_init(CURL_GLOBAL_ALL) != CURLE_OK) {
        return EXIT_FAILURE;
    }
    size_t multi_count = (in_flight + handles - 1) / handles;
    struct multi *multis = xcalloc(multi_count, sizeof *multis);
    struct slot *slots = xcalloc(in_flight, sizeof *slots);
    for (size_t i = 0; i < multi_count; i++) {
        open_multi(&multis[i], handles);
    }
    for (size_t i = 0; i < in_flight; i++) {
        open_slot(&slots[i], &multis[i / handles]);
    }
    int64_t began_us = clock_monotonic_us();
    for (size_t i = 0; i < in_flight && issued < wanted; i++) {
        issue(&slots[i]);
    }
    uv_run(loop, UV_RUN_DEFAULT);
    printf("seconds %.6f\ncalls %zu\nfailed %zu\n", (double)(clock_monotonic_us() - began_us) / 1e6, done, failed);
    fflush(stdout);
    _exit(EXIT_SUCCESS); // thousands of handles and connections: the system is quicker at it
}
