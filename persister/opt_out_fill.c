// SPDX-License-Identifier: MIT
//
// Which partitions lack something says the mark of each (redis/messaging.lua, optouts): it names another Redis, or
// nobody. A fill writes what Postgres has into all of a provider that do, page by page, and marks them last.
//
//   idle ──look──▶ looking ──some lack──▶ marking ──▶ reading a page ⇄ writing it ──last──▶ ending ──▶ idle
//
// Nothing is missing in the end. What is said meanwhile is written by those who hear of it, in any order with the fill,
// for the later word counts; and what was committed after the fill's snapshot is told to all partitions of that time by
// its persister (opt_out_teller.h). A partition that is flushed half-way has lost the fill's own mark, so that the rest
// is not written and nothing marked: it is found again by the next look. Another persister's fill is left alone, unless
// its mark stands for so long that it must have died.
//
// Pairs are also written as this process's PHONE_REGION identifies them, for before a rekey Postgres may have them by
// another. A set whose mark doesn't name that region is filled once more, and the mark goes on naming those that it
// named.
#include "persister/opt_out_fill.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gen/persister/embedded.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/base/uuid.h"
#include "shared/message/identify.h"
#include "shared/message/opt_out.h"
#include "shared/redis/keys.h"
#include "shared/redis/opt_out_call.h"
#include "shared/redis/partitions.h"
#include "shared/redis/words.h"

enum {
    LOOK_MS = 500,
    PAGE = 500,         // rows, of sql/opt_outs_next.sql
    ANOTHERS_MS = 5000, // that another's fill may take for a page
    TOKEN_SIZE = 8 + UUID_TEXT_SIZE,
    REGIONS_MOST = 100, // bytes of a mark that are kept; with more they begin again
};

#define TOKEN_PREFIX "filling:" // no run id has a ':'

enum fill_state { FILL_IDLE, FILL_LOOKING, FILL_MARKING, FILL_READING, FILL_WRITING, FILL_ENDING, FILL_STOPPED };

struct fill_partition {
    struct opt_out_fill *fill;
    struct partition_keys keys;
    enum provider provider;
    bool lacks;    // and is of the fill under way, as long as its mark stands
    char *regions; // of this Redis's mark, as opt_out_mark_regions, without the '+'; owned, NULL: it isn't marked
};

// A mark of another persister's fill. Each partition may have one of its own: of several that died.
struct fill_of_another {
    char mark[TOKEN_SIZE];
    int64_t seen_ms; // since when, clock_boot_ms
    bool stands;     // by the look under way, or the last one
};

struct opt_out_fill {
    uv_timer_t timer;
    struct redis_link *redis;
    struct pg_link *database;
    const struct settings *settings;
    enum fill_state state;
    struct fill_partition *partitions; // of the last look
    size_t count;
    size_t calls;           // of Redis under way
    bool broken;            // one of them was lost: the fill ends here
    enum provider provider; // that is filled
    bool has_more, has_cursor;
    size_t pairs;
    char token[TOKEN_SIZE];         // the mark of this fill, or of the last one
    struct fill_of_another *others; // whose marks the last look found, each once
    size_t other_count;
    char *server; // by the last look; owned
};

static void fill_go_on(struct opt_out_fill *fill);

// The one place that changes the state.
static void fill_become(struct opt_out_fill *fill, enum fill_state state) {
    if (fill->state != FILL_STOPPED) {
        fill->state = state;
    }
}

static void fill_call_ended(struct opt_out_fill *fill) {
    if (--fill->calls == 0) {
        fill_go_on(fill);
    }
}

// ---- Which partitions lack something

static const char *own_region(const struct opt_out_fill *fill) {
    return phone_region_code(fill->settings->phone_region);
}

// Since when that mark stands.
static int64_t seen_since(struct opt_out_fill *fill, const char *mark, size_t length) {
    for (size_t i = 0; i < fill->other_count; i++) {
        struct fill_of_another *other = &fill->others[i];
        if (strncmp(other->mark, mark, length) == 0 && other->mark[length] == '\0') {
            other->stands = true;
            return other->seen_ms;
        }
    }
    fill->others = xrealloc(fill->others, (fill->other_count + 1) * sizeof *fill->others);
    struct fill_of_another *other = &fill->others[fill->other_count++];
    *other = (struct fill_of_another){.seen_ms = clock_boot_ms(), .stands = true};
    snprintf(other->mark, sizeof other->mark, "%.*s", (int)length, mark);
    return other->seen_ms;
}

// Those that stand no more are forgotten as the next look begins.
static void forget_others(struct opt_out_fill *fill) {
    size_t kept = 0;
    for (size_t i = 0; i < fill->other_count; i++) {
        if (fill->others[i].stands) {
            fill->others[kept] = fill->others[i];
            fill->others[kept++].stands = false;
        }
    }
    fill->other_count = kept;
}

// Another's fill is left alone for as long as it may take.
static bool is_anothers(struct opt_out_fill *fill, const char *mark, size_t length) {
    bool is_token =
        length > strlen(TOKEN_PREFIX) && length < TOKEN_SIZE && memcmp(mark, TOKEN_PREFIX, strlen(TOKEN_PREFIX)) == 0;
    bool is_own = is_token && strncmp(mark, fill->token, length) == 0 && fill->token[length] == '\0';
    return is_token && !is_own && clock_boot_ms() - seen_since(fill, mark, length) < ANOTHERS_MS;
}

// A mark that is to be replaced by one that names more.
static void keep_regions(struct fill_partition *partition, const char *regions) {
    size_t length = regions != NULL ? strlen(regions) : 0;
    length -= length > 0 && regions[length - 1] == '+';
    partition->regions = regions != NULL && length <= REGIONS_MOST ? xstrndup(regions, length) : NULL;
}

static bool partition_lacks(struct opt_out_fill *fill, struct fill_partition *partition, const redisReply *mark) {
    const char *text = mark->type == REDIS_REPLY_STRING ? mark->str : "";
    size_t length = strlen(text);
    const char *regions = opt_out_mark_regions(text, fill->server);
    keep_regions(partition, regions);
    if (regions != NULL) {
        return !opt_out_regions_have(regions, own_region(fill));
    }
    return !is_anothers(fill, text, length - (length > 0 && text[length - 1] == '+'));
}

static void fill_on_mark(void *argument, enum redis_result result, const redisReply *reply) {
    struct fill_partition *partition = argument;
    struct opt_out_fill *fill = partition->fill;
    if (result == REDIS_LINK_OK) {
        partition->lacks = partition_lacks(fill, partition, reply);
    } else if (result == REDIS_LINK_ERROR && strncmp(reply->str, "WRONGTYPE", strlen("WRONGTYPE")) == 0) {
        partition->lacks = true; // opt_out puts a hash in its place
    } else if (result == REDIS_LINK_ERROR) {
        log_error("opt_outs_unread", "%s: %s", partition->keys.opt_outs, reply->str);
    } else {
        fill->broken = true;
    }
    fill_call_ended(fill);
}

static void fill_ask_marks(struct opt_out_fill *fill) {
    for (size_t i = 0; i < fill->count; i++) {
        const char *argv[] = {"HGET", fill->partitions[i].keys.opt_outs, ""};
        if (redis_link_call(fill->redis, fill_on_mark, &fill->partitions[i], 3, argv, NULL) == 0) {
            fill->calls++;
        } else {
            fill->broken = true;
        }
    }
}

static void free_partitions(struct opt_out_fill *fill) {
    for (size_t i = 0; i < fill->count; i++) {
        free(fill->partitions[i].regions);
    }
    free(fill->partitions);
    fill->partitions = NULL;
    fill->count = 0;
}

static void fill_on_partitions(void *argument, enum redis_result result, const redisReply *reply) {
    struct opt_out_fill *fill = argument;
    fill->broken = result != REDIS_LINK_OK || reply->type != REDIS_REPLY_ARRAY;
    free_partitions(fill);
    fill->partitions = xcalloc(fill->broken ? 1 : reply->elements + 1, sizeof *fill->partitions);
    for (size_t i = 0; !fill->broken && i < reply->elements; i++) {
        struct fill_partition *partition = &fill->partitions[fill->count];
        const redisReply *tag = reply->element[i];
        if (tag->str != NULL && partition_parse(tag->str, tag->len, &partition->provider) == 0) {
            partition->fill = fill;
            partition_keys(tag->str, &partition->keys);
            fill->count++;
        }
    }
    fill_ask_marks(fill);
    fill_call_ended(fill);
}

void opt_out_fill_look(struct opt_out_fill *fill) {
    const char *argv[] = {"SMEMBERS", KEY_PARTITIONS};
    if (fill->state != FILL_IDLE || !fill->settings->opt_out || !redis_link_is_up(fill->redis) ||
        redis_link_call(fill->redis, fill_on_partitions, fill, 2, argv, NULL) != 0) {
        return;
    }
    free(fill->server);
    fill->server = xstrdup(redis_link_server_mark(fill->redis));
    forget_others(fill);
    fill->calls = 1;
    fill->broken = false;
    fill_become(fill, FILL_LOOKING);
}

// ---- Writing

static void fill_on_written(void *argument, enum redis_result result, const redisReply *reply) {
    struct fill_partition *partition = argument;
    if (result == REDIS_LINK_ERROR) {
        log_error("opt_outs_unfilled", "%s: %s", partition->keys.opt_outs, reply->str);
    }
    partition->lacks = partition->lacks && result == REDIS_LINK_OK && library_word(reply) == WORD_OK;
    partition->fill->broken = partition->fill->broken || result == REDIS_LINK_LOST;
    fill_call_ended(partition->fill);
}

static void fill_send_one(struct opt_out_fill *fill, struct fill_partition *partition, const struct opt_out_said *said,
                          size_t count, const char *mark, const char *expected) {
    const struct opt_out_call call = {
        .keys = &partition->keys, .said = said, .count = count, .mark = mark, .expected = expected};
    if (opt_out_send(fill->redis, &call, fill_on_written, partition) == 0) {
        fill->calls++;
    } else {
        fill->broken = true;
    }
}

static bool is_being_filled(const struct opt_out_fill *fill, const struct fill_partition *partition) {
    return partition->lacks && partition->provider == fill->provider;
}

static void fill_send(struct opt_out_fill *fill, const struct opt_out_said *said, size_t count, const char *mark,
                      const char *expected) {
    for (size_t i = 0; i < fill->count; i++) {
        if (is_being_filled(fill, &fill->partitions[i])) {
            fill_send_one(fill, &fill->partitions[i], said, count, mark, expected);
        }
    }
}

static void fill_begin(struct opt_out_fill *fill, enum provider provider) {
    struct uuid id = uuid_v7();
    memcpy(fill->token, TOKEN_PREFIX, sizeof TOKEN_PREFIX - 1);
    uuid_format(&id, fill->token + sizeof TOKEN_PREFIX - 1);
    fill->provider = provider;
    fill->pairs = 0;
    fill_become(fill, FILL_MARKING);
    fill->calls = 1;
    fill_send(fill, NULL, 0, fill->token, NULL);
    fill_call_ended(fill);
}

// The provider of a partition that lacks something, -1: none does.
static int find_provider(const struct opt_out_fill *fill) {
    for (size_t i = 0; i < fill->count; i++) {
        if (fill->partitions[i].lacks) {
            return (int)fill->partitions[i].provider;
        }
    }
    return -1;
}

static enum channel fill_channel(const struct opt_out_fill *fill) {
    return fill->provider == PROVIDER_EMAIL ? CHANNEL_EMAIL : CHANNEL_SMS;
}

// Adds a pair, and the same as this process identifies it, where that is another.
static size_t add_said(const struct opt_out_fill *fill, const struct opt_out *opt_out, struct opt_out_said out[2]) {
    const struct phone_region *region = fill->settings->phone_region;
    char *ours = identity_complete(fill_channel(fill), opt_out->our_address, region);
    char *theirs = identity_complete(fill_channel(fill), opt_out->their_address, region);
    bool is_another = strcmp(ours, opt_out->our_address) != 0 || strcmp(theirs, opt_out->their_address) != 0;
    opt_out_said_of(opt_out, false, &out[0]);
    if (is_another) {
        struct opt_out today = *opt_out;
        today.our_address = ours;
        today.their_address = theirs;
        opt_out_said_of(&today, false, &out[1]);
    }
    free(theirs);
    free(ours);
    return is_another ? 2 : 1;
}

static size_t take_row(const struct opt_out_fill *fill, const PGresult *rows, int row, struct opt_out_said out[2]) {
    struct opt_out opt_out = {.provider = fill->provider,
                              .our_address = PQgetvalue(rows, row, 0),
                              .their_address = PQgetvalue(rows, row, 1),
                              .at_ms = strtoll(PQgetvalue(rows, row, 3), NULL, 10),
                              .came_ms = strtoll(PQgetvalue(rows, row, 4), NULL, 10)};
    return opt_out_state_parse(PQgetvalue(rows, row, 2), &opt_out.state) == 0 ? add_said(fill, &opt_out, out) : 0;
}

static void fill_write_page(struct opt_out_fill *fill, const PGresult *rows) {
    struct opt_out_said *said = xcalloc(2 * PAGE, sizeof *said);
    size_t count = 0;
    for (int row = 0; row < PQntuples(rows) && row < PAGE; row++) {
        count += take_row(fill, rows, row, &said[count]);
    }
    for (size_t first = 0; first < count; first += OPT_OUT_CALL_MOST) {
        size_t left = count - first;
        fill_send(fill, &said[first], left < OPT_OUT_CALL_MOST ? left : OPT_OUT_CALL_MOST, NULL, fill->token);
    }
    for (size_t i = 0; i < count; i++) {
        opt_out_said_free(&said[i]);
    }
    free(said);
    fill->pairs += (size_t)PQntuples(rows);
}

static void fill_end_early(struct opt_out_fill *fill);

static void fill_on_page(void *argument, enum pg_outcome outcome, const PGresult *result) {
    struct opt_out_fill *fill = argument;
    if (fill->state != FILL_READING) {
        return;
    }
    if (outcome != PG_LINK_OK) {
        if (outcome == PG_LINK_ERROR) {
            log_error("opt_outs_unread", "%s", PQresultErrorMessage(result));
        }
        fill->has_cursor = fill->has_cursor && outcome == PG_LINK_ERROR;
        fill_end_early(fill);
        return;
    }
    fill->has_cursor = true;
    fill->has_more = PQntuples(result) == PAGE;
    fill_become(fill, FILL_WRITING);
    fill->calls = 1;
    fill_write_page(fill, result);
    fill_call_ended(fill);
}

static void fill_read_page(struct opt_out_fill *fill) {
    char *script = fill->has_cursor ? xstrdup(persister_sql_opt_outs_next_sql)
                                    : xasprintf("SELECT set_config('messaging.channel', '%s', false);\n%s%s",
                                                channel_name(fill_channel(fill)), persister_sql_opt_outs_begin_sql,
                                                persister_sql_opt_outs_next_sql);
    fill_become(fill, FILL_READING);
    if (pg_link_script(fill->database, script, fill_on_page, fill) != 0) {
        fill->has_cursor = false;
        fill_end_early(fill);
    }
    free(script);
}

// ---- Its end

static void fill_close_cursor(struct opt_out_fill *fill) {
    if (fill->has_cursor) {
        (void)!pg_link_script(fill->database, persister_sql_opt_outs_end_sql, NULL, NULL);
    }
    fill->has_cursor = false;
}

// Nothing is marked, so the next look finds it again.
static void fill_end_early(struct opt_out_fill *fill) {
    fill_close_cursor(fill);
    fill_become(fill, FILL_IDLE);
}

// By the former regions, too, what was filled then goes on being told.
static void fill_mark_one(struct opt_out_fill *fill, struct fill_partition *partition) {
    char *mark =
        xasprintf("%s%s%s/", fill->server, partition->regions != NULL ? partition->regions : "/", own_region(fill));
    fill_send_one(fill, partition, NULL, 0, mark, fill->token);
    free(mark);
}

static void fill_mark_all(struct opt_out_fill *fill) {
    fill_close_cursor(fill);
    fill_become(fill, FILL_ENDING);
    fill->calls = 1;
    for (size_t i = 0; i < fill->count; i++) {
        if (is_being_filled(fill, &fill->partitions[i])) {
            fill_mark_one(fill, &fill->partitions[i]);
        }
    }
    fill_call_ended(fill);
}

static void fill_note_filled(const struct opt_out_fill *fill) {
    size_t partitions = 0;
    for (size_t i = 0; i < fill->count; i++) {
        partitions += is_being_filled(fill, &fill->partitions[i]);
    }
    log_info("opt_outs_filled", "%s: %zu pairs into %zu partitions", provider_name(fill->provider), fill->pairs,
             partitions);
}

static void fill_go_on(struct opt_out_fill *fill) {
    int provider;
    if (fill->state == FILL_STOPPED) {
        return;
    }
    if (fill->broken) {
        fill_end_early(fill);
        return;
    }
    switch (fill->state) {
    case FILL_LOOKING:
        provider = find_provider(fill);
        fill_become(fill, FILL_IDLE);
        if (provider >= 0) {
            fill_begin(fill, (enum provider)provider);
        }
        break;
    case FILL_MARKING:
        fill_read_page(fill);
        break;
    case FILL_WRITING:
        if (fill->has_more) {
            fill_read_page(fill);
        } else {
            fill_mark_all(fill);
        }
        break;
    case FILL_ENDING:
        fill_note_filled(fill);
        fill_become(fill, FILL_IDLE);
        opt_out_fill_look(fill); // for the other provider
        break;
    case FILL_IDLE:
    case FILL_READING:
    case FILL_STOPPED:
        break;
    }
}

// ---- Life

static void fill_on_timer(uv_timer_t *timer) {
    opt_out_fill_look(timer->data);
}

struct opt_out_fill *opt_out_fill_create(uv_loop_t *loop, struct redis_link *redis, struct pg_link *database,
                                         const struct settings *settings) {
    struct opt_out_fill *fill = xcalloc(1, sizeof *fill);
    fill->redis = redis;
    fill->database = database;
    fill->settings = settings;
    fill->timer.data = fill;
    uv_timer_init(loop, &fill->timer);
    uv_timer_start(&fill->timer, fill_on_timer, LOOK_MS, LOOK_MS);
    return fill;
}

void opt_out_fill_stop(struct opt_out_fill *fill) {
    fill_become(fill, FILL_STOPPED);
    uv_timer_stop(&fill->timer);
}

static void fill_on_closed(uv_handle_t *handle) {
    struct opt_out_fill *fill = handle->data;
    free_partitions(fill);
    free(fill->server);
    free(fill->others);
    free(fill);
}

void opt_out_fill_destroy(struct opt_out_fill *fill) {
    uv_close((uv_handle_t *)&fill->timer, fill_on_closed);
}
