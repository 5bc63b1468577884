// SPDX-License-Identifier: MIT
#include "dispatcher/provider/call.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/authorities.h"
#include "shared/base/clock.h"
#include "shared/base/mem.h"

enum {
    MOST_ANSWER_BYTES = 64 * 1024, // what is kept of an answer
    MOST_DRAINED_BYTES = 1 << 20,  // what is read of one before its connection is given up
    MOST_KEPT_BYTES = 64 * 1024,   // of memory for a body, while its call is not in use
};

struct caller {
    struct transport *transport;
    const struct provider_adapter *adapter;
    const struct settings *settings;
    char *url;
    char *authorization;
    char *authorities; // what PROVIDER_CA_FILE holds; NULL: none is set, or it can't be read any more
    unsigned renewals;
    struct call *unused;
};

struct call {
    struct transfer transfer; // first: the transport hands it back
    struct caller *caller;
    struct call *next; // in caller->unused
    const struct call_events *events;
    void *argument;
    unsigned renewals;          // the caller's, when this was set up
    struct curl_slist *headers; // kept from call to call
    size_t key_length;          // of the idempotency key in them
    struct buf body;
    struct buf answer;
    size_t answered; // bytes that came, kept or not
    bool left_unsent;
    int64_t started_us, started_ms;
    char error[CURL_ERROR_SIZE];
};

static size_t provider_call_on_answer(char *bytes, size_t size, size_t count, void *argument) {
    struct call *call = argument;
    size_t length = size * count;
    size_t room = MOST_ANSWER_BYTES - call->answer.length;
    buf_append(&call->answer, bytes, length < room ? length : room);
    call->answered += length;
    return call->answered <= MOST_DRAINED_BYTES ? length : 0;
}

static int provider_call_on_connected(void *argument, char *peer, char *local, int peer_port, int local_port) {
    (void)peer, (void)local, (void)peer_port, (void)local_port;
    struct call *call = argument;
    call->left_unsent = !call->events->may_begin(call->argument);
    return call->left_unsent ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

static const char *header_value(CURL *easy, const char *name) {
    struct curl_header *header;
    return curl_easy_header(easy, name, 0, CURLH_HEADER, -1, &header) == CURLHE_OK ? header->value : NULL;
}

static const char *describe(const struct call *call, CURLcode result) {
    return call->error[0] ? call->error : curl_easy_strerror(result);
}

static struct outcome read_outcome(struct call *call, CURLcode result) {
    CURL *easy = call->transfer.easy;
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    int64_t latency_us = clock_monotonic_us() - call->started_us;
    struct outcome outcome = {
        .class = outcome_classify(status, result, latency_us / 1000 - call->caller->settings->provider_timeout_ms),
        .http_status = status >= 200 ? (int)status : 0,
        .latency_us = latency_us,
        .started_ms = call->started_ms,
        .retry_after_ms = outcome_retry_after_ms(header_value(easy, "Retry-After"), clock_unix_ms()),
    };
    if (outcome.http_status == 0) {
        outcome.error = provider_error(NULL, describe(call, result));
        return outcome;
    }
    buf_reserve(&call->answer, 0);
    call->caller->adapter->read_answer(call->answer.data, call->answer.length, header_value(easy, "X-Message-Id"),
                                       &outcome);
    if (outcome.class != OUTCOME_SENT && outcome.error == NULL) {
        outcome.error = xasprintf("HTTP status %ld", status);
    }
    return outcome;
}

static void put_away(struct call *call) {
    if (call->body.room > MOST_KEPT_BYTES) {
        buf_free(&call->body);
    }
    call->next = call->caller->unused;
    call->caller->unused = call;
}

static void provider_call_on_done(struct transfer *transfer, CURLcode result) {
    struct call *call = (struct call *)(void *)transfer;
    const struct call_events *events = call->events;
    void *argument = call->argument;
    bool unsent = call->left_unsent;
    struct outcome outcome = {0};
    if (!unsent) {
        outcome = read_outcome(call, result);
    }
    put_away(call);
    events->done(argument, unsent ? NULL : &outcome);
}

// The system's folder of authorities is looked into as well. The file isn't named to curl, which would read it again at
// whatever time.
static void trust(CURL *easy, const struct caller *caller) {
    const char *path = caller->settings->provider_ca_file;
    struct curl_blob text = {.data = caller->authorities, .flags = CURL_BLOB_COPY};
    if (caller->authorities != NULL) {
        text.len = strlen(caller->authorities);
        curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &text);
    } else if (*path != '\0') {
        curl_easy_setopt(easy, CURLOPT_CAINFO, path); // curl says what is wrong with it
    }
}

// What is the same for every call of this provider.
static void set_up(struct call *call) {
    const struct settings *settings = call->caller->settings;
    CURL *easy = call->transfer.easy;
    call->renewals = call->caller->renewals;
    curl_easy_setopt(easy, CURLOPT_URL, call->caller->url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_PROXY, ""); // not even one that the environment names
    trust(easy, call->caller);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)settings->provider_timeout_ms);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)settings->provider_connect_timeout_ms);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "messaging-service");
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, provider_call_on_answer);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, provider_call_on_connected);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, call);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->error);
}

static void provider_call_free(struct call *call) {
    curl_easy_cleanup(call->transfer.easy);
    curl_slist_free_all(call->headers);
    buf_free(&call->body);
    buf_free(&call->answer);
    free(call);
}

static struct call *provider_call_take_call(struct caller *caller) {
    struct call *call;
    while ((call = caller->unused) != NULL) {
        caller->unused = call->next;
        if (call->renewals == caller->renewals) {
            return call;
        }
        provider_call_free(call); // it was under way at the renewal
    }
    call = xcalloc(1, sizeof *call);
    call->caller = caller;
    call->transfer.done = provider_call_on_done;
    call->transfer.easy = curl_easy_init();
    if (call->transfer.easy == NULL) {
        mem_exhausted();
    }
    set_up(call);
    return call;
}

static void add_header(struct call *call, const char *name, const char *value) {
    char *line = xasprintf("%s: %s", name, value);
    struct curl_slist *longer = curl_slist_append(call->headers, line);
    if (longer == NULL) {
        mem_exhausted();
    }
    call->headers = longer;
    free(line);
}

// All but the idempotency key and a signature are the same for every call, and the list is curl's until the call has
// ended. signature may be NULL.
static void make_headers(struct call *call, const char *message_id, const char *signature) {
    const struct caller *caller = call->caller;
    curl_slist_free_all(call->headers);
    call->headers = NULL;
    add_header(call, "Idempotency-Key", message_id);
    if (caller->adapter->idempotency_header != NULL) {
        add_header(call, caller->adapter->idempotency_header, message_id);
    }
    add_header(call, "Content-Type", caller->adapter->content_type);
    add_header(call, "Accept", "application/json");
    if (caller->authorization != NULL) {
        add_header(call, "Authorization", caller->authorization);
    }
    if (signature != NULL) {
        add_header(call, "X-Signature", signature);
    }
    add_header(call, "Expect", ""); // without a value, curl leaves it out: no 100-continue round trip
    curl_easy_setopt(call->transfer.easy, CURLOPT_HTTPHEADER, call->headers);
}

// The key stands at the end of the first lines; one of the same length goes over it.
static void put_key(struct call *call, const char *message_id) {
    size_t length = strlen(message_id);
    if (call->headers == NULL || length != call->key_length) {
        make_headers(call, message_id, NULL);
        call->key_length = length;
        return;
    }
    struct curl_slist *line = call->headers;
    int lines = call->caller->adapter->idempotency_header != NULL ? 2 : 1;
    for (int i = 0; i < lines; i++, line = line->next) {
        memcpy(line->data + strlen(line->data) - length, message_id, length);
    }
}

// Returns whether the call is signed: its headers are then its own.
static bool put_signature(struct call *call, const char *message_id) {
    const struct provider_adapter *adapter = call->caller->adapter;
    struct buf value = {0};
    bool is_signed =
        adapter->sign != NULL && adapter->sign(call->caller->settings, &call->body, clock_unix_ms() / 1000, &value);
    if (is_signed) {
        make_headers(call, message_id, value.data);
    }
    buf_free(&value);
    return is_signed;
}

struct call *call_start(struct caller *caller, const struct provider_send *send, const struct call_events *events,
                        void *argument) {
    struct call *call = provider_call_take_call(caller);
    call->events = events;
    call->argument = argument;
    call->left_unsent = false;
    call->answered = 0;
    call->error[0] = '\0';
    buf_clear(&call->answer);
    buf_clear(&call->body);
    caller->adapter->write_body(send, &call->body);
    if (!put_signature(call, send->message_id)) {
        put_key(call, send->message_id);
    }
    curl_easy_setopt(call->transfer.easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.length);
    curl_easy_setopt(call->transfer.easy, CURLOPT_POSTFIELDS, call->body.data);
    call->started_us = clock_monotonic_us();
    call->started_ms = clock_unix_ms();
    transport_start(caller->transport, &call->transfer);
    return call;
}

void call_cancel(struct call *call) {
    transport_cancel(&call->transfer);
    put_away(call);
}

static void provider_call_read_settings(struct caller *caller) {
    const char *path = caller->settings->provider_ca_file;
    free(caller->url);
    free(caller->authorization);
    free(caller->authorities);
    caller->url = caller->adapter->url(caller->settings);
    caller->authorization = caller->adapter->authorization(caller->settings);
    caller->authorities = *path != '\0' ? authorities_read(path) : NULL;
}

void caller_renew(struct caller *caller) {
    caller->renewals++;
    provider_call_read_settings(caller);
}

struct caller *caller_create(struct transport *transport, const struct provider_adapter *adapter,
                             const struct settings *settings) {
    struct caller *caller = xcalloc(1, sizeof *caller);
    caller->transport = transport;
    caller->adapter = adapter;
    caller->settings = settings;
    provider_call_read_settings(caller);
    return caller;
}

void caller_destroy(struct caller *caller) {
    while (caller->unused != NULL) {
        struct call *call = caller->unused;
        caller->unused = call->next;
        provider_call_free(call);
    }
    free(caller->url);
    free(caller->authorization);
    free(caller->authorities);
    free(caller);
}
