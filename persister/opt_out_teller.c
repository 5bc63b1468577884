// SPDX-License-Identifier: MIT
#include "persister/opt_out_teller.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "persister/acknowledge.h"
#include "shared/base/json.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/redis/keys.h"
#include "shared/redis/opt_out_call.h"
#include "shared/redis/partitions.h"
#include "shared/redis/words.h"

#define AGAIN_MS 500

// What one batch has told.
struct telling {
    struct telling *next;
    struct opt_out_teller *teller;
    struct opt_out_said *said[PROVIDER_COUNT];
    size_t counts[PROVIDER_COUNT];
    struct batch_entry *entries;
    size_t entry_count;
    size_t calls; // under way
    bool lost;    // one of them
};

struct opt_out_teller {
    uv_timer_t again;
    struct redis_link *link;
    struct telling *first, **last; // the first is being told
    bool telling;
    void (*on_idle)(void *argument);
    void *argument;
};

static void tell_first(struct opt_out_teller *teller);

// ---- What a batch has told

static void telling_free(struct telling *telling) {
    for (int provider = 0; provider < PROVIDER_COUNT; provider++) {
        for (size_t i = 0; i < telling->counts[provider]; i++) {
            opt_out_said_free(&telling->said[provider][i]);
        }
        free(telling->said[provider]);
    }
    free(telling->entries);
    free(telling);
}

static void telling_add(struct telling *telling, const cJSON *told) {
    struct opt_out opt_out;
    const char *error = opt_out_read(told, &opt_out);
    if (error != NULL) {
        log_error("opt_out_unreadable", "%s", error);
        return;
    }
    size_t *count = &telling->counts[opt_out.provider];
    struct opt_out_said **said = &telling->said[opt_out.provider];
    *said = xrealloc(*said, (*count + 1) * sizeof **said);
    opt_out_said_of(&opt_out, false, &(*said)[*count]);
    const char *instead_of = json_string(told, "instead_of");
    snprintf((*said)[*count].instead_of, OPT_OUT_PLACE_SIZE, "%s", instead_of != NULL ? instead_of : "");
    (*count)++;
    opt_out_free(&opt_out);
}

static void telling_read(struct telling *telling, const char *text) {
    const char *error;
    cJSON *list = json_parse(text, strlen(text), &error);
    const cJSON *told;
    cJSON_ArrayForEach(told, list) {
        telling_add(telling, told);
    }
    cJSON_Delete(list);
}

// ---- Telling it

static void opt_out_teller_end_first(struct opt_out_teller *teller) {
    struct telling *telling = teller->first;
    teller->first = telling->next;
    teller->last = teller->first == NULL ? &teller->first : teller->last;
    acknowledge(telling->entries, telling->entry_count);
    telling_free(telling);
    if (teller->first != NULL) {
        tell_first(teller);
    } else {
        teller->on_idle(teller->argument);
    }
}

static void opt_out_teller_on_again(uv_timer_t *timer) {
    tell_first(timer->data);
}

// The last call to end is the end of all. What Redis refuses it would refuse again; what was lost goes out once more.
static void opt_out_teller_call_ended(struct telling *telling) {
    struct opt_out_teller *teller = telling->teller;
    if (--telling->calls > 0) {
        return;
    }
    teller->telling = false;
    if (!telling->lost) {
        opt_out_teller_end_first(teller);
    } else if (!uv_is_closing((uv_handle_t *)&teller->again)) {
        uv_timer_start(&teller->again, opt_out_teller_on_again, AGAIN_MS, 0);
    }
}

static void opt_out_teller_on_told(void *argument, enum redis_result result, const redisReply *reply) {
    struct telling *telling = argument;
    if (result == REDIS_LINK_ERROR) {
        log_error("opt_out_refused", "%s", reply->str);
    }
    telling->lost = telling->lost || result == REDIS_LINK_LOST || result == REDIS_LINK_NO_LIBRARY;
    opt_out_teller_call_ended(telling);
}

static void opt_out_teller_tell_partition(struct telling *telling, enum provider provider,
                                          const struct partition_keys *keys) {
    for (size_t first = 0; first < telling->counts[provider]; first += OPT_OUT_CALL_MOST) {
        size_t left = telling->counts[provider] - first;
        const struct opt_out_call call = {.keys = keys,
                                          .said = &telling->said[provider][first],
                                          .count = left < OPT_OUT_CALL_MOST ? left : OPT_OUT_CALL_MOST};
        if (opt_out_send(telling->teller->link, &call, opt_out_teller_on_told, telling) == 0) {
            telling->calls++;
        } else {
            telling->lost = true;
        }
    }
}

// The set is asked for behind the commit, so that a partition which a refill (opt_out_fill.h) began before is in it.
static void opt_out_teller_on_partitions(void *argument, enum redis_result result, const redisReply *reply) {
    struct telling *telling = argument;
    bool is_list = result == REDIS_LINK_OK && reply->type == REDIS_REPLY_ARRAY;
    telling->lost = !is_list;
    for (size_t i = 0; is_list && i < reply->elements; i++) {
        enum provider provider;
        struct partition_keys keys;
        const redisReply *tag = reply->element[i];
        if (tag->str != NULL && partition_parse(tag->str, tag->len, &provider) == 0) {
            partition_keys(tag->str, &keys);
            opt_out_teller_tell_partition(telling, provider, &keys);
        }
    }
    opt_out_teller_call_ended(telling);
}

static void tell_first(struct opt_out_teller *teller) {
    const char *argv[] = {"SMEMBERS", KEY_PARTITIONS};
    struct telling *telling = teller->first;
    if (telling == NULL || teller->telling) {
        return;
    }
    telling->lost = false;
    if (redis_link_call(teller->link, opt_out_teller_on_partitions, telling, 2, argv, NULL) ==
        0) { // else opt_out_teller_on_up
        teller->telling = true;
        telling->calls = 1;
    }
}

// ---- The door

void opt_out_teller_tell(struct opt_out_teller *teller, const char *told, const struct batch_entry *entries,
                         size_t count) {
    struct telling *telling = xcalloc(1, sizeof *telling);
    telling->teller = teller;
    telling->entries = xmalloc((count + 1) * sizeof *entries);
    memcpy(telling->entries, entries, count * sizeof *entries);
    telling->entry_count = count;
    telling_read(telling, told);
    *teller->last = telling;
    teller->last = &telling->next;
    tell_first(teller);
}

void opt_out_teller_on_up(struct opt_out_teller *teller) {
    tell_first(teller);
}

bool opt_out_teller_is_idle(const struct opt_out_teller *teller) {
    return teller->first == NULL;
}

// ---- Life

struct opt_out_teller *opt_out_teller_create(uv_loop_t *loop, struct redis_link *link, void (*on_idle)(void *argument),
                                             void *argument) {
    struct opt_out_teller *teller = xcalloc(1, sizeof *teller);
    teller->link = link;
    teller->last = &teller->first;
    teller->on_idle = on_idle;
    teller->argument = argument;
    teller->again.data = teller;
    uv_timer_init(loop, &teller->again);
    return teller;
}

static void opt_out_teller_on_closed(uv_handle_t *handle) {
    struct opt_out_teller *teller = handle->data;
    for (struct telling *telling = teller->first, *next; telling != NULL; telling = next) {
        next = telling->next;
        telling_free(telling);
    }
    free(teller);
}

void opt_out_teller_destroy(struct opt_out_teller *teller) {
    uv_close((uv_handle_t *)&teller->again, opt_out_teller_on_closed);
}
