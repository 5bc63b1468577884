// SPDX-License-Identifier: MIT
#include "dispatcher/mock/post.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "shared/base/buf.h"
#include "shared/base/mem.h"
#include "shared/loop/transport.h"

enum {
    CONNECT_TIMEOUT_MS = 5000, // Twilio's: https://www.twilio.com/docs/api/errors/11205
    TIMEOUT_MS = 15000,        // and its for the whole
    MOST_ANSWER_BYTES = 64 * 1024,
    MOST_DRAINED_BYTES = 1 << 20, // what is read of an answer before its connection is given up
};

struct posting {
    struct transfer transfer; // first: the transport hands it back
    struct mock_poster *poster;
    LIST_ENTRY(posting) entry;
    struct curl_slist *headers;
    struct buf answer;
    size_t answered; // bytes that came, kept or not
    char error[CURL_ERROR_SIZE];
    void (*done)(void *argument, const struct mock_posted *posted);
    void *argument;
};

struct mock_poster {
    const struct settings *settings;
    struct transport *transport;
    LIST_HEAD(posting_list, posting) under_way;
};

static size_t mock_post_on_answer(char *bytes, size_t size, size_t count, void *argument) {
    struct posting *posting = argument;
    size_t length = size * count, room = MOST_ANSWER_BYTES - posting->answer.length;
    buf_append(&posting->answer, bytes, length < room ? length : room);
    posting->answered += length;
    return posting->answered <= MOST_DRAINED_BYTES ? length : 0;
}

static void mock_post_free(struct posting *posting) {
    LIST_REMOVE(posting, entry);
    curl_easy_cleanup(posting->transfer.easy);
    curl_slist_free_all(posting->headers);
    buf_free(&posting->answer);
    free(posting);
}

static void mock_post_tell(struct posting *posting, CURLcode result) {
    CURL *easy = posting->transfer.easy;
    struct mock_posted posted = {0};
    curl_off_t ready_us = 0; // when it was connected, encrypted where it had to be, and the request could begin
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &posted.status);
    curl_easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &posted.content_type);
    curl_easy_getinfo(easy, CURLINFO_PRETRANSFER_TIME_T, &ready_us);
    buf_reserve(&posting->answer, 0);
    posted.connected = posted.status != 0 || ready_us > 0;
    posted.body = posting->answer.data;
    posted.length = posting->answer.length;
    posted.error = posting->error[0] != '\0' ? posting->error : curl_easy_strerror(result);
    posting->done(posting->argument, &posted);
}

static void mock_post_on_done(struct transfer *transfer, CURLcode result) {
    struct posting *posting = (struct posting *)(void *)transfer;
    mock_post_tell(posting, result);
    mock_post_free(posting);
}

static void mock_post_add_header(struct posting *posting, const char *line) {
    struct curl_slist *longer = curl_slist_append(posting->headers, line);
    if (longer == NULL) {
        mem_exhausted();
    }
    posting->headers = longer;
}

static void mock_post_set_up(struct posting *posting, const struct mock_post *post) {
    CURL *easy = posting->transfer.easy;
    curl_easy_setopt(easy, CURLOPT_URL, post->url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L); // what is called must be what is signed
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    if (*posting->poster->settings->provider_ca_file != '\0') {
        curl_easy_setopt(easy, CURLOPT_CAINFO, posting->poster->settings->provider_ca_file);
    }
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)TIMEOUT_MS);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, mock_post_on_answer);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, posting);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, posting->error);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, posting->headers);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)post->length);
    curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, post->body);
}

void mock_poster_send(struct mock_poster *poster, const struct mock_post *post,
                      void (*done)(void *argument, const struct mock_posted *posted), void *argument) {
    struct posting *posting = xcalloc(1, sizeof *posting);
    posting->poster = poster;
    posting->done = done;
    posting->argument = argument;
    posting->transfer.done = mock_post_on_done;
    posting->transfer.easy = curl_easy_init();
    if (posting->transfer.easy == NULL) {
        mem_exhausted();
    }
    mock_post_add_header(posting, "Expect:"); // without a value, curl leaves it out: no 100-continue round trip
    for (const char *const *line = post->headers; *line != NULL; line++) {
        mock_post_add_header(posting, *line);
    }
    mock_post_set_up(posting, post);
    LIST_INSERT_HEAD(&poster->under_way, posting, entry);
    transport_start(poster->transport, &posting->transfer);
}

struct mock_poster *mock_poster_create(uv_loop_t *loop, const struct settings *settings, unsigned most) {
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return NULL;
    }
    struct mock_poster *poster = xcalloc(1, sizeof *poster);
    poster->settings = settings;
    poster->transport = transport_create(loop, most);
    LIST_INIT(&poster->under_way);
    return poster;
}

void mock_poster_destroy(struct mock_poster *poster) {
    for (struct posting *posting = LIST_FIRST(&poster->under_way), *next; posting != NULL; posting = next) {
        next = LIST_NEXT(posting, entry);
        transport_cancel(&posting->transfer);
        snprintf(posting->error, sizeof posting->error, "the mock ends");
        posting->done(posting->argument, &(struct mock_posted){.error = posting->error});
        mock_post_free(posting);
    }
    transport_destroy(poster->transport);
    curl_global_cleanup();
    free(poster);
}
