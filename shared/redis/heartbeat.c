// SPDX-License-Identifier: MIT
#include "shared/redis/heartbeat.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/buf.h"
#include "shared/base/clock.h"
#include "shared/base/json.h"
#include "shared/base/mem.h"
#include "shared/redis/keys.h"

enum { BEAT_MS = 1000, FORGET_MS = 24 * 3600 * 1000 };

#define NUMBER_SIZE 24

struct trouble {
    char code[HEARTBEAT_CODE_SIZE]; // "": this place is free
    char text[HEARTBEAT_TEXT_BYTES + 1];
    int64_t since_ms; // clock_boot_ms
};

struct heartbeat {
    uv_timer_t timer;
    struct redis_link *link;
    char *member;
    char *trouble_key;
    struct trouble troubles[HEARTBEAT_TROUBLES];
    bool told;   // that key may be there
    char **tags; // of the partitions that it serves
    size_t tag_count;
    void (*on_beat)(void *argument, const char *refusal); // may be NULL
    void *argument;
    unsigned awaited; // answers to beats
    bool closed;
};

static void free_once_done(struct heartbeat *heartbeat) {
    if (heartbeat->closed && heartbeat->awaited == 0) {
        for (size_t i = 0; i < heartbeat->tag_count; i++) {
            free(heartbeat->tags[i]);
        }
        free(heartbeat->tags);
        free(heartbeat->member);
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
    char ttl[NUMBER_SIZE];
    snprintf(ttl, sizeof ttl, "%d", HEARTBEAT_ALIVE_MS);
    const char *set[] = {"SET", heartbeat->trouble_key, json.data, "PX", ttl};
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
    struct trouble *known = heartbeat_find(heartbeat, code), *place = known ? known : heartbeat_find(heartbeat, "");
    if (text == NULL && known) {
        *known = (struct trouble){0};
    } else if (text && place && strcmp(place->text, text) != 0) {
        place->since_ms = known ? known->since_ms : clock_boot_ms();
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

// Who was heard of in the future was heard by a clock that was wrong: it would look alive for as long. Whoever lives
// says so again.
static void heartbeat_beat(struct heartbeat *heartbeat) {
    int64_t now = redis_link_now_ms(heartbeat->link);
    char at[NUMBER_SIZE], forgotten[NUMBER_SIZE], unbelievable[NUMBER_SIZE];
    snprintf(at, sizeof at, "%" PRId64, now);
    snprintf(forgotten, sizeof forgotten, "%" PRId64, now - FORGET_MS);
    snprintf(unbelievable, sizeof unbelievable, "%" PRId64, now + HEARTBEAT_ALIVE_MS);
    const char *forget[] = {"ZREMRANGEBYSCORE", KEY_PROCESSES, "-inf", forgotten};
    const char *disbelieve[] = {"ZREMRANGEBYSCORE", KEY_PROCESSES, unbelievable, "+inf"};
    const char *add[] = {"ZADD", KEY_PROCESSES, at, heartbeat->member};
    (void)!redis_link_call(heartbeat->link, NULL, NULL, 4, forget, NULL);
    (void)!redis_link_call(heartbeat->link, NULL, NULL, 4, disbelieve, NULL);
    if (redis_link_call(heartbeat->link, heartbeat_on_beaten, heartbeat, 4, add, NULL) == 0) {
        heartbeat->awaited++;
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

struct heartbeat *heartbeat_create(uv_loop_t *loop, struct redis_link *link, const char *program,
                                   const char *instance) {
    struct heartbeat *heartbeat = xcalloc(1, sizeof *heartbeat);
    heartbeat->link = link;
    heartbeat->member = xasprintf("%s:%s", program, instance);
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
    uv_timer_stop(&heartbeat->timer);
    (void)!redis_link_call(heartbeat->link, NULL, NULL, 3, leave, NULL);
    memset(heartbeat->troubles, 0, sizeof heartbeat->troubles);
    heartbeat_tell(heartbeat);
}

void heartbeat_destroy(struct heartbeat *heartbeat) {
    heartbeat->on_beat = NULL;
    uv_close((uv_handle_t *)&heartbeat->timer, heartbeat_on_closed);
}
