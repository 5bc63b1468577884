// SPDX-License-Identifier: MIT
//
// Every client has the id of the last entry it was given. A client in step gets what the thread's one XREAD brings; one
// that comes with Last-Event-ID reads by itself, XRANGE by XRANGE, until it has come as far as the thread, and is in
// step from then on. So nothing is given twice or left out, and no client can hold the others up.
//
//   no client ──first one──▶ LOCATING (where the feed ends) ──▶ READING (XREAD, again and again) ──last one gone──▶ …
//                               ▲                                  │
//                               └── nothing came, or it is another connection ──┘
//
// A client whose id the feed doesn't hold is told to start over, and goes on from where the thread is: an id that was
// trimmed, one of another Redis, one ahead of the feed. The thread's own position may turn out to be such an id as well
// (the feed was flushed, or a fail-over gave its ids out again): it looks where the feed ends whenever nothing came,
// and where that is before its position, or the connection is a new one, all in step catch up as if they had just come.
#include "ingest/watch/events.h"

#include <ctype.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "ingest/access/access.h"
#include "ingest/request/log.h"
#include "ingest/request/request.h"
#include "ingest/request/resources.h"
#include "ingest/request/response.h"
#include "ingest/watch/flow_here.h"
#include "ingest/watch/pipeline.h"
#include "ingest/watch/pipeline_json.h"
#include "shared/base/clock.h"
#include "shared/base/decimal.h"
#include "shared/base/log.h"
#include "shared/http/budget.h"
#include "shared/message/entry.h"
#include "shared/redis/keys.h"
#include "shared/redis/reply.h"

enum { TICK_MS = 1000, BLOCK_MS = 2000, MOST = 200 }; // MOST: entries a read

#define START "0-0"

struct event_client {
    struct event_hub *hub;
    struct ingest_request *request;
    char last[ENTRY_ID_SIZE]; // of the entries it was given; "": where the feed ends when it is located
    bool in_step, is_dropped;
    bool resumes; // what follows `last` is to be asked for
    LIST_ENTRY(event_client) entry;
};

enum hub_state { HUB_IDLE, HUB_LOCATING, HUB_READING };

struct event_hub {
    struct ingest_resources *with;
    struct redis_link *link; // blocks in XREAD, so it is its own
    uv_timer_t tick;
    enum hub_state step;
    char position[ENTRY_ID_SIZE]; // up to where the feed was read; "": not known
    bool reading;                 // an XREAD is under way
    bool doubtful;                // those in step may have missed something: they catch up once the feed's end is known
    bool looking;                 // the pipeline is being read
    bool ended;
    int64_t beaten_ms; // clock_boot_ms of the last heartbeat
    LIST_HEAD(event_clients, event_client) clients;
    struct buf frame; // scratch
    struct buf state; // the last frame about the pipeline, for those who come within the second
    int64_t state_ms; // clock_boot_ms of it
};

// A client's catching up, while Redis is asked. The request's memory stays until the answer came.
static void catch_up(struct event_client *client);
static void read_on(struct event_hub *hub);
static void events_locate(struct event_hub *hub);

// ---- Ids: two numbers, compared as such

struct entry_id {
    unsigned long long ms, sequence;
};

static struct entry_id id_of(const char *text) {
    char *end;
    struct entry_id id = {strtoull(text, &end, 10), 0};
    if (*end == '-') {
        id.sequence = strtoull(end + 1, NULL, 10);
    }
    return id;
}

static int events_compare(const char *left, const char *right) {
    struct entry_id a = id_of(left), b = id_of(right);
    if (a.ms != b.ms) {
        return a.ms > b.ms ? 1 : -1;
    }
    return (a.sequence > b.sequence) - (a.sequence < b.sequence);
}

static bool is_after(const char *left, const char *right) {
    return events_compare(left, right) > 0;
}

static bool is_number(const char *text, size_t length) {
    if (length == 0 || length > 19) { // within 64 bits
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        if (!isdigit((unsigned char)text[i])) {
            return false;
        }
    }
    return true;
}

static bool is_id(const char *text) {
    const char *dash = strchr(text, '-');
    return dash != NULL && is_number(text, (size_t)(dash - text)) && is_number(dash + 1, strlen(dash + 1));
}

static void set_id(char out[ENTRY_ID_SIZE], const char *id) {
    snprintf(out, ENTRY_ID_SIZE, "%s", id);
}

// ---- Writing. A client that is too slow is dropped by http_stream_write, which ends its request (events_leave).

static void events_give(struct event_client *client, const char *bytes, size_t length) {
    if (client->is_dropped || http_stream_write(client->request->http, bytes, length) == 0) {
        return;
    }
    client->is_dropped = true; // it is on its way out
    client->in_step = false;
    request_log_trouble(client->request, LOG_INFO, "event_client_dropped", "it reads too slowly");
}

static void give_all(struct event_hub *hub, const struct buf *frame) {
    for (struct event_client *client = LIST_FIRST(&hub->clients); client != NULL; client = LIST_NEXT(client, entry)) {
        events_give(client, frame->data, frame->length);
    }
}

// From here on a client that is cut off knows where to go on, though no event has brought an id (WHATWG HTML, 9.2.6: an
// event without data isn't one, but its id counts).
static void give_place(struct event_client *client) {
    struct buf *frame = &client->hub->frame;
    buf_clear(frame);
    buf_printf(frame, "id: %s\n\n", client->last);
    events_give(client, frame->data, frame->length);
}

// An entry as an event. Anyone can XADD: what would break a line out of its event is passed over.
static bool write_frame(struct buf *frame, const char *id, const redisReply *fields) {
    const char *type = redis_reply_field(fields, "t", NULL), *data = redis_reply_field(fields, "d", NULL);
    buf_clear(frame);
    if (type == NULL || data == NULL || strpbrk(type, "\r\n") != NULL || strpbrk(data, "\r\n") != NULL) {
        return false;
    }
    buf_printf(frame, "id: %s\nevent: %s\ndata: ", id, type);
    buf_puts(frame, data);
    buf_puts(frame, "\n\n");
    return true;
}

// ---- The feed, for those in step

static void fan_out(struct event_hub *hub, const redisReply *entry) {
    const char *id = entry->element[0]->str;
    bool shown = write_frame(&hub->frame, id, entry->element[1]);
    set_id(hub->position, id);
    for (struct event_client *client = LIST_FIRST(&hub->clients); client != NULL; client = LIST_NEXT(client, entry)) {
        if (!client->in_step || !is_after(id, client->last)) {
            continue;
        }
        set_id(client->last, id);
        if (shown) {
            events_give(client, hub->frame.data, hub->frame.length);
        }
    }
}

static bool events_is_entry(const redisReply *reply) {
    return reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 && reply->element[0]->str != NULL;
}

static void events_rest(struct event_hub *hub) {
    hub->step = HUB_IDLE;
}

// Nobody is left for whom the place matters.
static void events_forget(struct event_hub *hub) {
    events_rest(hub);
    hub->position[0] = '\0';
    hub->doubtful = false;
}

static void events_on_read(void *argument, enum redis_result result, const redisReply *reply) {
    struct event_hub *hub = argument;
    hub->reading = false;
    if (LIST_EMPTY(&hub->clients)) {
        events_forget(hub);
        return;
    }
    if (result != REDIS_LINK_OK) {
        return; // the tick, or the link when it is up again, reads on
    }
    if (reply->type == REDIS_REPLY_NIL) {
        events_locate(hub); // is it still there, where we wait?
        return;
    }
    const redisReply *entries = redis_reply_entries(reply);
    for (size_t i = 0; entries != NULL && i < entries->elements; i++) {
        if (events_is_entry(entries->element[i])) {
            fan_out(hub, entries->element[i]);
        }
    }
    read_on(hub);
}

static void read_on(struct event_hub *hub) {
    if (hub->step != HUB_READING || hub->reading || hub->ended || LIST_EMPTY(&hub->clients)) {
        return;
    }
    const char *argv[] = {"XREAD",           "COUNT",   DECIMAL(MOST), "BLOCK",
                          DECIMAL(BLOCK_MS), "STREAMS", KEY_FEED,      hub->position};
    hub->reading = redis_link_call_blocking(hub->link, BLOCK_MS, events_on_read, hub, 8, argv, NULL) == 0;
}

// ---- Where the feed ends

static void enter_step(struct event_client *client) {
    client->in_step = true;
    give_place(client);
}

static void enter_step_here(struct event_client *client) {
    set_id(client->last, client->hub->position);
    enter_step(client);
}

static void start(struct event_client *client) {
    if (client->resumes) {
        client->resumes = false;
        catch_up(client);
    } else if (client->last[0] == '\0') {
        enter_step_here(client);
    }
}

static void start_all(struct event_hub *hub) {
    for (struct event_client *client = LIST_FIRST(&hub->clients); client != NULL; client = LIST_NEXT(client, entry)) {
        start(client);
    }
}

static void take_end(struct event_hub *hub, const char *end) {
    bool known = hub->position[0] != '\0';
    hub->doubtful |= known && is_after(hub->position, end);
    if (hub->doubtful || !known) {
        set_id(hub->position, end);
    }
    for (struct event_client *client = LIST_FIRST(&hub->clients); hub->doubtful && client != NULL;
         client = LIST_NEXT(client, entry)) {
        client->resumes |= client->in_step;
        client->in_step = false;
    }
    hub->doubtful = false;
}

static void events_on_located(void *argument, enum redis_result result, const redisReply *reply) {
    struct event_hub *hub = argument;
    if (result != REDIS_LINK_OK || reply->type != REDIS_REPLY_ARRAY) {
        events_rest(hub);
        return;
    }
    if (LIST_EMPTY(&hub->clients)) {
        events_forget(hub);
        return;
    }
    bool found = reply->elements > 0 && events_is_entry(reply->element[0]);
    take_end(hub, found ? reply->element[0]->element[0]->str : START);
    hub->step = HUB_READING;
    start_all(hub);
    read_on(hub);
}

static void events_locate(struct event_hub *hub) {
    const char *argv[] = {"XREVRANGE", KEY_FEED, "+", "-", "COUNT", "1"};
    hub->step = HUB_LOCATING;
    if (redis_link_call(hub->link, events_on_located, hub, 6, argv, NULL) != 0) {
        events_rest(hub);
    }
}

// Takes whatever step is next; asked when something has changed, and every second.
static void events_go_on(struct event_hub *hub) {
    if (hub->ended || LIST_EMPTY(&hub->clients)) {
        return;
    }
    if (hub->step == HUB_IDLE) {
        events_locate(hub);
    } else if (hub->step == HUB_READING) {
        start_all(hub);
        read_on(hub);
    }
}

// ---- Resuming

static const char reset_frame[] = "event: reset\ndata: {}\n\n";

// What is missing is unknown: everything is to be fetched again, and whatever changes from here on is told.
static void reset(struct event_client *client) {
    events_give(client, reset_frame, sizeof reset_frame - 1);
    enter_step_here(client);
}

// The first entry is the one that the client had last, unless the feed doesn't hold it. Before the first one there is
// nothing to hold.
static bool has_place(const struct event_client *client, const redisReply *entries) {
    if (entries->elements == 0) {
        return events_compare(client->last, START) == 0;
    }
    return events_is_entry(entries->element[0]) &&
           events_compare(entries->element[0]->element[0]->str, client->last) == 0;
}

static void give_missed(struct event_client *client, const redisReply *entries) {
    struct buf *frame = &client->hub->frame;
    for (size_t i = 1; i < entries->elements; i++) {
        if (!events_is_entry(entries->element[i])) {
            continue;
        }
        set_id(client->last, entries->element[i]->element[0]->str);
        if (write_frame(frame, client->last, entries->element[i]->element[1])) {
            events_give(client, frame->data, frame->length);
        }
    }
}

static void events_on_missed(void *argument, enum redis_result result, const redisReply *reply) {
    struct ingest_request *request = argument;
    if (!request_reply_came(request)) {
        return;
    }
    struct event_client *client = request->state;
    if (result != REDIS_LINK_OK || reply->type != REDIS_REPLY_ARRAY) {
        client->resumes = true; // with the next tick
        return;
    }
    if (!has_place(client, reply)) {
        reset(client);
        return;
    }
    give_missed(client, reply);
    if (is_after(client->hub->position, client->last)) {
        catch_up(client); // more was there than one read brings, or has come meanwhile
    } else {
        enter_step(client);
    }
}

static void catch_up(struct event_client *client) {
    const char *argv[] = {"XRANGE", KEY_FEED, client->last, "+", "COUNT", DECIMAL(MOST)};
    if (redis_link_call(client->hub->with->redis, events_on_missed, client->request, 6, argv, NULL) != 0) {
        client->resumes = true; // with the next tick
        return;
    }
    request_expect_reply(client->request);
}

// ---- Every second: the pipeline, and now and then a sign of life

static void write_state(struct event_hub *hub, const struct pipeline *pipeline) {
    struct flow flow;
    flow_judge_here(hub->with, pipeline, NULL, &flow);
    buf_puts(&hub->state, "event: pipeline\ndata: ");
    pipeline_write_json(pipeline, &flow, http_budget_used(hub->with->budget), &hub->state);
    buf_puts(&hub->state, "\n\n");
    flow_free(&flow);
}

static void events_on_pipeline(void *argument, struct pipeline *pipeline, const char *why) {
    struct event_hub *hub = argument;
    (void)why;
    hub->looking = false;
    if (hub->ended) {
        pipeline_free(pipeline);
        return;
    }
    buf_clear(&hub->state);
    if (pipeline == NULL) {
        buf_puts(&hub->state, "event: trouble\ndata: {\"message\":\"Redis is unreachable\"}\n\n");
    } else {
        write_state(hub, pipeline);
    }
    pipeline_free(pipeline);
    hub->state_ms = clock_boot_ms();
    give_all(hub, &hub->state);
}

static void events_look(struct event_hub *hub) {
    if (hub->looking) {
        return;
    }
    hub->looking = true;
    counters_flush(hub->with->counters);
    if (pipeline_read(hub->with->redis, events_on_pipeline, hub) != 0) {
        events_on_pipeline(hub, NULL, NULL);
    }
}

// Many may come at once: a state that is fresh enough is given to the newcomer alone.
static void show_state(struct event_client *client) {
    struct event_hub *hub = client->hub;
    if (hub->state.length > 0 && clock_boot_ms() - hub->state_ms < TICK_MS) {
        events_give(client, hub->state.data, hub->state.length);
    } else {
        events_look(hub);
    }
}

static void events_beat(struct event_hub *hub) {
    static const char comment[] = ": alive\n\n";
    int64_t now_ms = clock_boot_ms();
    if (now_ms - hub->beaten_ms < hub->with->settings->events_heartbeat_secs * 1000) {
        return;
    }
    hub->beaten_ms = now_ms;
    for (struct event_client *client = LIST_FIRST(&hub->clients); client != NULL; client = LIST_NEXT(client, entry)) {
        events_give(client, comment, sizeof comment - 1);
    }
}

// A key that was taken away ends what it has begun.
static void dismiss(struct event_hub *hub) {
    for (struct event_client *client = LIST_FIRST(&hub->clients); client != NULL; client = LIST_NEXT(client, entry)) {
        if (!client->is_dropped && !access_holds(client->request)) {
            client->is_dropped = true;
            client->in_step = false;
            http_stream_end(client->request->http);
            request_log_trouble(client->request, LOG_INFO, "event_client_dropped", "its key was taken away");
        }
    }
}

static void events_on_tick(uv_timer_t *timer) {
    struct event_hub *hub = timer->data;
    if (LIST_EMPTY(&hub->clients) || hub->ended) {
        uv_timer_stop(timer);
        return;
    }
    events_go_on(hub);
    dismiss(hub);
    events_look(hub);
    events_beat(hub);
}

// ---- Clients

static bool take_seat(struct ingest_resources *with) {
    if (atomic_fetch_add(with->event_clients, 1) < with->settings->events_max_clients) {
        return true;
    }
    atomic_fetch_sub(with->event_clients, 1);
    return false;
}

static void events_leave(struct ingest_request *request) {
    struct event_client *client = request->state;
    struct event_hub *hub = client->hub;
    LIST_REMOVE(client, entry);
    atomic_fetch_sub(hub->with->event_clients, 1);
    if (LIST_EMPTY(&hub->clients) && hub->step == HUB_READING && !hub->reading) {
        events_forget(hub);
    }
}

static struct event_client *join(struct event_hub *hub, struct ingest_request *request, const char *last) {
    struct event_client *client = request_state(request, sizeof *client);
    request->leave = events_leave;
    client->hub = hub;
    client->request = request;
    client->resumes = last != NULL;
    set_id(client->last, last != NULL ? last : "");
    LIST_INSERT_HEAD(&hub->clients, client, entry);
    return client;
}

void events_show(struct ingest_request *request) {
    static const char type[] = "text/event-stream", welcome[] = "retry: 2000\n\n";
    struct event_hub *hub = request->with->hub;
    const char *last = http_header(request->http, "Last-Event-ID");
    if (last != NULL && last[0] == '\0') {
        last = NULL;
    }
    if (last != NULL && !is_id(last)) {
        response_bad_field(request, "Last-Event-ID", "must be an id that this resource has given");
        return;
    }
    if (strcmp(http_method(request->http), "HEAD") == 0) {
        response_stream_head(request, type);
        return;
    }
    if (hub->ended || !take_seat(request->with)) {
        response_unavailable(request, hub->ended ? "this process is being stopped" : "too many event streams are open",
                             5, false);
        return;
    }
    struct event_client *client = join(hub, request, last);
    response_stream(request, type, (size_t)request->with->settings->events_max_unsent_bytes);
    events_give(client, welcome, sizeof welcome - 1);
    events_go_on(hub);
    show_state(client);
    if (!uv_is_active((uv_handle_t *)&hub->tick)) {
        uv_timer_start(&hub->tick, events_on_tick, TICK_MS, TICK_MS);
    }
}

// ---- Life

static void events_on_up(void *argument) {
    struct event_hub *hub = argument;
    hub->doubtful = true; // trimmed meanwhile, or another Redis
    events_rest(hub);
    events_go_on(hub);
}

struct event_hub *event_hub_create(uv_loop_t *loop, struct ingest_resources *with) {
    struct event_hub *hub = xcalloc(1, sizeof *hub);
    hub->with = with;
    uv_timer_init(loop, &hub->tick);
    hub->tick.data = hub;
    hub->link = redis_link_create(loop, &(struct redis_link_options){.target = with->target,
                                                                     .name = "events",
                                                                     .timeout_ms = with->settings->redis_timeout_ms,
                                                                     .on_up = events_on_up,
                                                                     .argument = hub});
    return hub;
}

void event_hub_end(struct event_hub *hub) {
    hub->ended = true;
    uv_timer_stop(&hub->tick);
    for (struct event_client *client = LIST_FIRST(&hub->clients); client != NULL; client = LIST_NEXT(client, entry)) {
        http_stream_end(client->request->http);
    }
}

static void events_on_closed(uv_handle_t *handle) {
    struct event_hub *hub = handle->data;
    buf_free(&hub->frame);
    buf_free(&hub->state);
    free(hub);
}

void event_hub_destroy(struct event_hub *hub) {
    hub->ended = true;
    redis_link_destroy(hub->link);
    uv_close((uv_handle_t *)&hub->tick, events_on_closed);
}
