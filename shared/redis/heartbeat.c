// SPDX-License-Identifier: MIT
#include "shared/redis/heartbeat.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/buf.h"
#include "shared/base/clock.h"
#include "shared/base/decimal.h"
#include "shared/base/json.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/message/format.h"
#include "shared/redis/keys.h"

enum { BEAT_MS = 1000, FORGET_MS = 24 * 3600 * 1000 };

#define MOCK_PROVIDER "mock-provider" // reads no entries
#define WRITES "writes:"              // before a format, in `formats`

struct trouble {
    char code[HEARTBEAT_CODE_SIZE]; // "": this place is free
    char text[HEARTBEAT_TEXT_BYTES + 1];
    int64_t since_ms; // clock_boot_ms
};

struct heartbeat {
    uv_timer_t timer;
    struct redis_link *link;
    char *member;
    char *format_member; // of `formats`; NULL: it reads no entries
    char *trouble_key;
    char **readers; // who lives and reads entries, while their formats are looked up
    size_t reader_count;
    bool beside_older; // a program that reads an older format lives, by the last look
    struct trouble troubles[HEARTBEAT_TROUBLES];
    bool told;   // that key may be there
    char **tags; // of the partitions that it serves
    size_t tag_count;
    void (*on_beat)(void *argument, const char *refusal); // may be NULL
    void *argument;
    unsigned awaited; // answers to beats and looks
    bool closed;
};

static void heartbeat_forget_readers(struct heartbeat *heartbeat) {
    for (size_t i = 0; i < heartbeat->reader_count; i++) {
        free(heartbeat->readers[i]);
    }
    free(heartbeat->readers);
    heartbeat->readers = NULL;
    heartbeat->reader_count = 0;
}

static void free_once_done(struct heartbeat *heartbeat) {
    if (heartbeat->closed && heartbeat->awaited == 0) {
        for (size_t i = 0; i < heartbeat->tag_count; i++) {
            free(heartbeat->tags[i]);
        }
        free(heartbeat->tags);
        heartbeat_forget_readers(heartbeat);
        free(heartbeat->member);
        free(heartbeat->format_member);
        free(heartbeat->trouble_key);
        free(heartbeat);
    }
}

// ---- What troubles it

static void heartbeat_write_trouble(const struct trouble *trouble, int64_t now_ms, struct buf *out) {
    buf_puts(out, out->length == 1 ? "{" : ",{");
    json_write_member(out, "code", trouble->code);
    json_write_member_int(out, "since_ms", now_ms - (clock_boot_ms() - trouble->since_ms));
    json_write_member(out, "text", trouble->text);
    buf_putc(out, '}');
}

static void heartbeat_tell(struct heartbeat *heartbeat) {
    struct buf json = {0};
    buf_putc(&json, '[');
    for (size_t i = 0; i < HEARTBEAT_TROUBLES; i++) {
        if (*heartbeat->troubles[i].code) {
            heartbeat_write_trouble(&heartbeat->troubles[i], redis_link_now_ms(heartbeat->link), &json);
        }
    }
    buf_putc(&json, ']');
    const char *set[] = {"SET", heartbeat->trouble_key, json.data, "PX", DECIMAL(HEARTBEAT_ALIVE_MS)};
    const char *del[] = {"DEL", heartbeat->trouble_key};
    if (json.length > 2) {
        heartbeat->told |= redis_link_call(heartbeat->link, NULL, NULL, 5, set, NULL) == 0;
    } else if (heartbeat->told && redis_link_call(heartbeat->link, NULL, NULL, 2, del, NULL) == 0) {
        heartbeat->told = false;
    }
    buf_free(&json);
}

static struct trouble *heartbeat_find(struct heartbeat *heartbeat, const char *code) {
    for (size_t i = 0; i < HEARTBEAT_TROUBLES; i++) {
        if (strcmp(heartbeat->troubles[i].code, code) == 0) {
            return &heartbeat->troubles[i];
        }
    }
    return NULL;
}

void heartbeat_trouble(struct heartbeat *heartbeat, const char *code, const char *text) {
    struct trouble *known = heartbeat_find(heartbeat, code),
                   *place = known != NULL ? known : heartbeat_find(heartbeat, "");
    if (text == NULL && known != NULL) {
        *known = (struct trouble){0};
    } else if (text != NULL && place != NULL && strcmp(place->text, text) != 0) {
        place->since_ms = known != NULL ? known->since_ms : clock_boot_ms();
        snprintf(place->code, sizeof place->code, "%s", code);
        snprintf(place->text, sizeof place->text, "%s", text);
    } else {
        return;
    }
    heartbeat_tell(heartbeat);
}

// ---- What it serves

void heartbeat_serve(struct heartbeat *heartbeat, const char *tag) {
    for (size_t i = 0; i < heartbeat->tag_count; i++) {
        if (strcmp(heartbeat->tags[i], tag) == 0) {
            return;
        }
    }
    heartbeat->tags = xrealloc(heartbeat->tags, (heartbeat->tag_count + 1) * sizeof *heartbeat->tags);
    heartbeat->tags[heartbeat->tag_count++] = xstrdup(tag);
}

static void renew_partitions(const struct heartbeat *heartbeat) {
    const char **add = xcalloc(heartbeat->tag_count + 2, sizeof *add);
    add[0] = "SADD";
    add[1] = KEY_PARTITIONS;
    for (size_t i = 0; i < heartbeat->tag_count; i++) {
        add[i + 2] = heartbeat->tags[i];
    }
    if (heartbeat->tag_count > 0) {
        (void)!redis_link_call(heartbeat->link, NULL, NULL, (int)heartbeat->tag_count + 2, add, NULL);
    }
    free(add);
}

// ---- What the others read

bool heartbeat_reads_entries(const char *program) {
    return strncmp(program, MOCK_PROVIDER ":", strlen(MOCK_PROVIDER ":")) != 0;
}

int heartbeat_format(const char *program, const redisReply *announced) {
    int format = 0;
    for (size_t i = 0; i < announced->elements; i++) {
        const char *text = announced->element[i]->str;
        char *end;
        long one = strtol(text, &end, 10);
        if (*end == ':' && strcmp(end + 1, program) == 0 && (format == 0 || one < format)) {
            format = one < STREAM_FORMAT_OLDEST || one > INT_MAX ? STREAM_FORMAT_OLDEST : (int)one;
        }
    }
    return format == 0 ? STREAM_FORMAT_OLDEST : format;
}

// The newest format that others say they write, 0 where nobody does.
static int heartbeat_written(const redisReply *announced) {
    int newest = 0;
    for (size_t i = 0; i < announced->elements; i++) {
        const char *text = announced->element[i]->str;
        if (strncmp(text, WRITES, strlen(WRITES)) == 0) {
            long format = strtol(text + strlen(WRITES), NULL, 10);
            newest = format > newest && format <= STREAM_FORMAT ? (int)format : newest;
        }
    }
    return newest;
}

static bool heartbeat_is_list(enum redis_result result, const redisReply *reply) {
    return result == REDIS_LINK_OK && reply->type == REDIS_REPLY_ARRAY;
}

static void heartbeat_on_readers(void *argument, enum redis_result result, const redisReply *reply) {
    struct heartbeat *heartbeat = argument;
    heartbeat->awaited--;
    heartbeat_forget_readers(heartbeat);
    if (heartbeat_is_list(result, reply)) {
        heartbeat->readers = xcalloc(reply->elements + 1, sizeof *heartbeat->readers);
        for (size_t i = 0; i < reply->elements; i++) {
            if (heartbeat_reads_entries(reply->element[i]->str)) {
                heartbeat->readers[heartbeat->reader_count++] = xstrdup(reply->element[i]->str);
            }
        }
    }
    free_once_done(heartbeat);
}

static bool heartbeat_is_reader(const struct heartbeat *heartbeat, const char *member) {
    for (size_t i = 0; i < heartbeat->reader_count; i++) {
        if (strcmp(heartbeat->readers[i], member) == 0) {
            return true;
        }
    }
    return false;
}

// INT_MAX where there are no others.
static int heartbeat_lowest_of_others(const struct heartbeat *heartbeat, const redisReply *announced) {
    int lowest = INT_MAX;
    for (size_t i = 0; i < heartbeat->reader_count; i++) {
        int format = heartbeat_format(heartbeat->readers[i], announced);
        if (format < lowest && strcmp(heartbeat->readers[i], heartbeat->member) != 0) {
            lowest = format;
        }
    }
    return lowest;
}

// The log says why meanwhile some of what this release does isn't done.
static void say_older(struct heartbeat *heartbeat, bool older) {
    if (older && !heartbeat->beside_older) {
        log_warn("older_release",
                 "a program of an older release runs, and nothing is written that it can't read: sends "
                 "take no turns, receipts and messages for later wait until it has ended");
    } else if (!older && heartbeat->beside_older) {
        log_info("older_release_gone", "no program of an older release runs any more");
    }
    heartbeat->beside_older = older;
}

static void heartbeat_on_formats(void *argument, enum redis_result result, const redisReply *reply) {
    struct heartbeat *heartbeat = argument;
    heartbeat->awaited--;
    // A set without this process is no picture of who lives.
    int lowest = STREAM_FORMAT_OLDEST, written = 0;
    if (heartbeat_is_list(result, reply) && heartbeat_is_reader(heartbeat, heartbeat->member)) {
        lowest = heartbeat_lowest_of_others(heartbeat, reply);
        written = heartbeat_written(reply);
        say_older(heartbeat, lowest < STREAM_FORMAT);
    }
    if (result != REDIS_LINK_LOST) {
        format_looked(lowest, written, clock_boot_ms());
    }
    free_once_done(heartbeat);
}

// Who lives is asked before what is announced, and announced the other way around: nobody is seen between the two.
static void heartbeat_look(struct heartbeat *heartbeat) {
    const char *since = DECIMAL(redis_link_now_ms(heartbeat->link) - HEARTBEAT_ALIVE_MS);
    const char *readers[] = {"ZRANGEBYSCORE", KEY_PROCESSES, since, "+inf"};
    const char *formats[] = {"ZRANGEBYSCORE", KEY_FORMATS, since, "+inf"};
    if (redis_link_call(heartbeat->link, heartbeat_on_readers, heartbeat, 4, readers, NULL) == 0) {
        heartbeat->awaited++;
    }
    if (redis_link_call(heartbeat->link, heartbeat_on_formats, heartbeat, 4, formats, NULL) == 0) {
        heartbeat->awaited++;
    }
}

// ---- The beat

static void heartbeat_on_beaten(void *argument, enum redis_result result, const redisReply *reply) {
    struct heartbeat *heartbeat = argument;
    heartbeat->awaited--;
    if (result != REDIS_LINK_LOST && heartbeat->on_beat != NULL) {
        heartbeat->on_beat(heartbeat->argument, result == REDIS_LINK_OK ? NULL : reply->str);
    }
    free_once_done(heartbeat);
}

void heartbeat_watch(struct heartbeat *heartbeat, void (*on_beat)(void *argument, const char *refusal),
                     void *argument) {
    heartbeat->on_beat = on_beat;
    heartbeat->argument = argument;
}

// Renews a member of a sorted set by when it was last heard of, and removes what no longer counts. Who was heard of in
// the future was heard by a clock that was wrong: it would look alive for as long. Who lives says so again.
static void heartbeat_say(struct heartbeat *heartbeat, const char *key, const char *member, redis_link_reply done) {
    int64_t now = redis_link_now_ms(heartbeat->link);
    const char *forget[] = {"ZREMRANGEBYSCORE", key, "-inf", DECIMAL(now - FORGET_MS)};
    const char *disbelieve[] = {"ZREMRANGEBYSCORE", key, DECIMAL(now + HEARTBEAT_ALIVE_MS), "+inf"};
    const char *add[] = {"ZADD", key, DECIMAL(now), member};
    (void)!redis_link_call(heartbeat->link, NULL, NULL, 4, forget, NULL);
    (void)!redis_link_call(heartbeat->link, NULL, NULL, 4, disbelieve, NULL);
    if (redis_link_call(heartbeat->link, done, heartbeat, 4, add, NULL) == 0 && done != NULL) {
        heartbeat->awaited++;
    }
}

static void heartbeat_say_written(struct heartbeat *heartbeat) {
    int format = format_to_write();
    if (format > STREAM_FORMAT_OLDEST) {
        char member[sizeof WRITES + 12];
        snprintf(member, sizeof member, WRITES "%d", format);
        heartbeat_say(heartbeat, KEY_FORMATS, member, NULL);
    }
}

static void heartbeat_beat(struct heartbeat *heartbeat) {
    if (heartbeat->format_member != NULL) {
        heartbeat_say(heartbeat, KEY_FORMATS, heartbeat->format_member, NULL);
        heartbeat_say_written(heartbeat);
    }
    heartbeat_say(heartbeat, KEY_PROCESSES, heartbeat->member, heartbeat_on_beaten);
    if (heartbeat->format_member != NULL) {
        heartbeat_look(heartbeat);
    }
}

static void heartbeat_on_timer(uv_timer_t *timer) {
    struct heartbeat *heartbeat = timer->data;
    if (redis_link_is_up(heartbeat->link)) {
        heartbeat_beat(heartbeat);
        renew_partitions(heartbeat);
    }
    heartbeat_tell(heartbeat);
}

void heartbeat_on_up(struct heartbeat *heartbeat) {
    heartbeat_beat(heartbeat);
}

struct heartbeat *heartbeat_create(uv_loop_t *loop, struct redis_link *link, const char *program,
                                   const char *instance) {
    struct heartbeat *heartbeat = xcalloc(1, sizeof *heartbeat);
    heartbeat->link = link;
    heartbeat->member = xasprintf("%s:%s", program, instance);
    if (strcmp(program, MOCK_PROVIDER) != 0) {
        heartbeat->format_member = xasprintf("%d:%s", STREAM_FORMAT, heartbeat->member);
    }
    heartbeat->trouble_key = xasprintf(KEY_TROUBLE "%s", heartbeat->member);
    heartbeat->told = true; // maybe, by the one of that name before us
    heartbeat->timer.data = heartbeat;
    uv_timer_init(loop, &heartbeat->timer);
    uv_timer_start(&heartbeat->timer, heartbeat_on_timer, BEAT_MS / 10, BEAT_MS);
    return heartbeat;
}

static void heartbeat_on_closed(uv_handle_t *handle) {
    struct heartbeat *heartbeat = handle->data;
    heartbeat->closed = true;
    free_once_done(heartbeat);
}

void heartbeat_stop(struct heartbeat *heartbeat) {
    const char *leave[] = {"ZREM", KEY_PROCESSES, heartbeat->member};
    const char *withdraw[] = {"ZREM", KEY_FORMATS, heartbeat->format_member};
    uv_timer_stop(&heartbeat->timer);
    (void)!redis_link_call(heartbeat->link, NULL, NULL, 3, leave, NULL);
    if (heartbeat->format_member != NULL) {
        (void)!redis_link_call(heartbeat->link, NULL, NULL, 3, withdraw, NULL);
    }
    memset(heartbeat->troubles, 0, sizeof heartbeat->troubles);
    heartbeat_tell(heartbeat);
}

void heartbeat_destroy(struct heartbeat *heartbeat) {
    heartbeat->on_beat = NULL;
    uv_close((uv_handle_t *)&heartbeat->timer, heartbeat_on_closed);
}
