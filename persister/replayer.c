// SPDX-License-Identifier: MIT
//
// A replay of many dead letters must go on when the process that runs it dies, must keep its pace, and must make no
// message twice. Ingest only leaves it in Redis, as a job (redis/messaging.lua, replay_ask). Every persister looks for
// jobs; the one that holds the lease runs the first of them:
//
//   looking ── replay_take ──▶ running: a page from Postgres ──▶ its letters by `replay`, as the pace allows ──▶ next
//   page
//      ▲                          │ once a second: replay_keep, how far it is and a new lease
//      └───── done, or lost ──────┘
//
// What keeps a message single is `replay` itself, which remembers the generations it began; so nothing here has to be
// exact about a call whose reply was lost: it is repeated, and answered ALREADY. Progress is the id of the last letter
// before which all are dealt with; a persister that takes over begins behind it, at most a second of work back.
//
// It is the persister that runs it, because it is the program that has both Postgres and Redis and isn't asked by
// clients. Rejected: a state of the job in Postgres, which would have ingest write there, and sends wait for it.
#include "persister/replayer.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "gen/persister/embedded.h"
#include "persister/pace.h"
#include "persister/replay_job.h"
#include "persister/replay_page.h"
#include "shared/base/clock.h"
#include "shared/base/decimal.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/loop/process.h"
#include "shared/postgres/link.h"
#include "shared/redis/keys.h"
#include "shared/redis/library.h"
#include "shared/redis/replay.h"
#include "shared/redis/words.h"

#define LOOK_MS 500 // between two looks for a job
#define TICK_MS 20  // between two steps of one
#define KEEP_MS 1000
#define LEASE_MS 5000
#define SAFE_MS (LEASE_MS - 1000) // nothing is sent under a lease older than this
#define REST_MS 1000              // after a refusal: a full backlog, an error

enum replayer_state {
    REPLAYER_LOOKING,  // for a job
    REPLAYER_RUNNING,  // one
    REPLAYER_FINISHED, // it: Redis is to be told
    REPLAYER_LEAVING,  // it is another's by now: waits for what is under way
    REPLAYER_STOPPED,
};

struct replayer {
    enum replayer_state state;
    uv_timer_t timer;
    struct redis_link *redis;
    struct pg_link *database; // of its own, for statements with parameters
    const struct settings *settings;
    struct replay_job job;
    struct pace pace;
    struct replay_page page;
    size_t replaying;     // calls of `replay` under way
    bool taking, keeping; // such a call is under way
    bool ends;            // the keep under way says that the job is finished
    bool reading;         // a page is under way
    int64_t kept_ms;      // when the lease that stands was asked for, clock_boot_ms
    int64_t keep_sent_ms; // the same of the one that is asked for now
    int64_t rest_until_ms;
};

static const struct pg_statement statements[] = {{"replay_page", persister_sql_replay_page_sql}, {NULL, NULL}};

static void replayer_go_on(struct replayer *replayer);

// Every change of state is here.
static void become(struct replayer *replayer, enum replayer_state state) {
    if (replayer->state != REPLAYER_STOPPED) {
        replayer->state = state;
    }
}

static void replayer_rest(struct replayer *replayer) {
    replayer->rest_until_ms = clock_boot_ms() + REST_MS;
}

static void log_job(const struct replayer *replayer, const char *event) {
    const struct replay_job *job = &replayer->job;
    struct log_line *line = log_begin(LOG_INFO, event);
    log_str(line, "job", job->entry);
    log_str(line, "request_id", job->request_id);
    log_int(line, "matched", job->matched);
    log_int(line, "per_second", job->per_second);
    log_int(line, "after", job->after);
    log_int(line, "replayed", job->replayed);
    log_int(line, "skipped", job->skipped);
    log_end(line);
}

// ---- The job: taken, kept, finished

static void replayer_on_taken(void *argument, enum redis_result result, const redisReply *reply) {
    struct replayer *replayer = argument;
    replayer->taking = false;
    if (result != REDIS_LINK_OK || library_word(reply) != WORD_JOB || replayer->state != REPLAYER_LOOKING) {
        return;
    }
    const char *error = replay_job_read(reply, &replayer->job);
    replayer->kept_ms = replayer->keep_sent_ms;
    if (error != NULL) {
        log_warn("replay_refused", "job %s: %s", replayer->job.entry, error);
        become(replayer, REPLAYER_FINISHED);
        return;
    }
    pace_start(&replayer->pace, replayer->job.per_second, clock_monotonic_us());
    become(replayer, REPLAYER_RUNNING);
    log_job(replayer, "replay_begun");
    replayer_go_on(replayer);
}

static void replayer_look(struct replayer *replayer) {
    const char *argv[] = {"FCALL",
                          library_function(LIBRARY_REPLAY_TAKE),
                          "2",
                          KEY_REPLAY_JOBS,
                          KEY_REPLAY_RUNNING,
                          process_instance(),
                          DECIMAL(LEASE_MS)};
    if (!replayer->taking) {
        replayer->keep_sent_ms = clock_boot_ms();
        replayer->taking = redis_link_call(replayer->redis, replayer_on_taken, replayer, 7, argv, NULL) == 0;
    }
}

static void replayer_on_kept(void *argument, enum redis_result result, const redisReply *reply) {
    struct replayer *replayer = argument;
    replayer->keeping = false;
    if (result != REDIS_LINK_OK) {
        return; // asked again at the next tick
    }
    if (library_word(reply) != WORD_OK) {
        log_warn("replay_lost", "job %s has passed to another, or was deleted", replayer->job.entry);
        become(replayer, REPLAYER_LEAVING);
    } else if (replayer->ends) {
        log_job(replayer, "replay_finished");
        become(replayer, REPLAYER_LEAVING);
    } else {
        replayer->kept_ms = replayer->keep_sent_ms;
    }
}

static void replayer_keep(struct replayer *replayer) {
    const struct replay_job *job = &replayer->job;
    const char *argv[] = {"FCALL",
                          library_function(LIBRARY_REPLAY_KEEP),
                          "2",
                          KEY_REPLAY_JOBS,
                          KEY_REPLAY_RUNNING,
                          process_instance(),
                          job->entry,
                          DECIMAL(LEASE_MS),
                          replayer->state == REPLAYER_FINISHED ? "1" : "0",
                          DECIMAL(job->after),
                          DECIMAL(job->replayed),
                          DECIMAL(job->skipped)};
    if (!replayer->keeping) {
        replayer->keep_sent_ms = clock_boot_ms();
        replayer->ends = replayer->state == REPLAYER_FINISHED;
        replayer->keeping = redis_link_call(replayer->redis, replayer_on_kept, replayer, 12, argv, NULL) == 0;
    }
}

// ---- A page of letters, and their replay

static void replayer_on_page(void *argument, enum pg_outcome outcome, const PGresult *rows) {
    struct replayer *replayer = argument;
    replayer->reading = false;
    if (replayer->state != REPLAYER_RUNNING || outcome == PG_LINK_LOST) {
        return;
    }
    if (outcome == PG_LINK_ERROR) {
        log_warn("replay_read_failed", "%s", PQresultErrorMessage(rows));
        replayer_rest(replayer);
        return;
    }
    replay_page_fill(&replayer->page, rows, replayer->settings, (unsigned)replayer->job.partitions, replayer);
    if (replayer->page.count == 0) {
        become(replayer, REPLAYER_FINISHED);
    }
    replayer_go_on(replayer);
}

static void read_page(struct replayer *replayer) {
    const struct replay_job *job = &replayer->job;
    const char *after = DECIMAL(job->after), *last = DECIMAL(job->last);
    const char *values[] = {after, last, job->provider, job->class, job->since, DECIMAL(REPLAY_PAGE_SIZE)};
    replayer->reading =
        pg_link_execute(replayer->database, statements[0].name, 6, values, replayer_on_page, replayer) == 0;
}

static void log_replayed(const struct replay_letter *letter) {
    struct log_line *line = log_begin(LOG_DEBUG, "replayed");
    log_str(line, "message_id", letter->message_id);
    log_int(line, "dead_letter", letter->id);
    log_int(line, "generation", letter->generation);
    log_end(line);
}

static void replayer_settle(struct replayer *replayer, struct replay_letter *letter, bool replayed) {
    letter->settled = true;
    *(replayed ? &replayer->job.replayed : &replayer->job.skipped) += 1;
}

static void replayer_on_replayed(void *argument, enum redis_result result, const redisReply *reply) {
    struct replay_letter *letter = argument;
    struct replayer *replayer = letter->owner;
    replayer->replaying--;
    enum library_word word = result == REDIS_LINK_OK ? library_word(reply) : WORD_OTHER;
    if (word == WORD_OK || word == WORD_ALREADY || word == WORD_OPTED_OUT) {
        log_replayed(letter);
        replayer_settle(replayer, letter, word == WORD_OK);
    } else if (word == WORD_FULL) {
        replayer_rest(replayer);
    } else if (result == REDIS_LINK_ERROR) {
        log_warn("replay_refused", "message %s: %s", letter->message_id, reply->str);
        replayer_rest(replayer);
    } // else the connection broke, or the library is being loaded: once more
    if (replayer->replaying == 0) {
        replayer_go_on(replayer);
    }
}

static bool send_letter(struct replayer *replayer, struct replay_letter *letter) {
    const struct replay replay = {
        .keys = &letter->keys,
        .id = letter->message_id,
        .generation = letter->generation,
        .payload = letter->payload,
        .pair = letter->pair.length > 0 ? &letter->pair : NULL,
        .cap = replayer->settings->stream_max_backlog,
    };
    if (replay_send(replayer->redis, &replay, replayer_on_replayed, letter) != 0) {
        return false;
    }
    replayer->replaying++;
    return true;
}

// As many letters as are due; those that are settled or hold nothing cost no time.
static void send_letters(struct replayer *replayer) {
    struct replay_page *page = &replayer->page;
    size_t due = pace_take(&replayer->pace, clock_monotonic_us(), page->count - page->next);
    for (size_t i = page->next; i < page->count && due > 0; i++) {
        struct replay_letter *letter = &page->letters[i];
        if (letter->settled) {
            continue;
        }
        if (letter->payload == NULL) {
            replayer_settle(replayer, letter, false);
        } else if (send_letter(replayer, letter)) {
            due--;
        } else {
            return;
        }
    }
}

// One page's calls come back before the next ones go out, so that a page is never freed under a call.
static void replayer_run(struct replayer *replayer) {
    if (replayer->replaying > 0 || replayer->reading || clock_boot_ms() < replayer->rest_until_ms) {
        return;
    }
    if (redis_link_memory_pct(replayer->redis) >= replayer->settings->redis_memory_pct) {
        replayer_rest(replayer);
        return;
    }
    int64_t last = replay_page_advance(&replayer->page);
    if (last >= 0) {
        replayer->job.after = last;
    }
    if (replayer->page.next == replayer->page.count) {
        read_page(replayer);
    } else if (clock_boot_ms() - replayer->kept_ms < SAFE_MS) {
        send_letters(replayer);
    }
}

static void leave(struct replayer *replayer) {
    if (replayer->replaying == 0 && !replayer->reading && !replayer->keeping) {
        replay_page_clear(&replayer->page);
        become(replayer, REPLAYER_LOOKING);
        replayer_look(replayer);
    }
}

static void replayer_go_on(struct replayer *replayer) {
    switch (replayer->state) {
    case REPLAYER_LOOKING:
        replayer_look(replayer);
        break;
    case REPLAYER_RUNNING:
        replayer_run(replayer);
        break;
    case REPLAYER_FINISHED:
        replayer_keep(replayer);
        break;
    case REPLAYER_LEAVING:
        leave(replayer);
        break;
    case REPLAYER_STOPPED:
        break;
    }
}

static void replayer_on_timer(uv_timer_t *timer) {
    struct replayer *replayer = timer->data;
    if (replayer->state == REPLAYER_RUNNING && clock_boot_ms() - replayer->kept_ms >= KEEP_MS) {
        replayer_keep(replayer);
    }
    replayer_go_on(replayer);
    uv_timer_start(timer, replayer_on_timer, replayer->state == REPLAYER_LOOKING ? LOOK_MS : TICK_MS, 0);
}

// ---- Life

struct replayer *replayer_create(uv_loop_t *loop, const struct settings *settings, struct redis_link *redis) {
    struct replayer *replayer = xcalloc(1, sizeof *replayer);
    char *name = xasprintf("%s-replay", process_instance());
    replayer->redis = redis;
    replayer->settings = settings;
    replayer->database = pg_link_create(loop, &(struct pg_link_options){.url = settings->database_url,
                                                                        .name = name,
                                                                        .timeout_ms = settings->database_timeout_ms,
                                                                        .pipeline = true,
                                                                        .setup = persister_sql_replay_session_sql,
                                                                        .statements = statements});
    replayer->timer.data = replayer;
    uv_timer_init(loop, &replayer->timer);
    uv_timer_start(&replayer->timer, replayer_on_timer, LOOK_MS, 0);
    free(name);
    return replayer;
}

void replayer_change_database(struct replayer *replayer, const char *url) {
    pg_link_change_url(replayer->database, url);
}

void replayer_stop(struct replayer *replayer) {
    if (replayer->state == REPLAYER_RUNNING) {
        replayer_keep(replayer);
    }
    become(replayer, REPLAYER_STOPPED);
    uv_timer_stop(&replayer->timer);
}

static void replayer_on_closed(uv_handle_t *handle) {
    struct replayer *replayer = handle->data;
    replay_page_clear(&replayer->page);
    free(replayer);
}

void replayer_destroy(struct replayer *replayer) {
    become(replayer, REPLAYER_STOPPED);
    pg_link_destroy(replayer->database);
    uv_close((uv_handle_t *)&replayer->timer, replayer_on_closed);
}
