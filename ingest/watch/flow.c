// SPDX-License-Identifier: MIT
//
// A stage stands when its oldest work has waited for longer than STATUS_MAX_AGE_SECS in the place where somebody should
// take it: by when it came there, not by the message's age, for a message that comes from its tenth retry is old and
// flows. What waits for its time (a retry that isn't due, a pause that is short, what is scheduled) stands for nothing;
// nor does who waits for his turn, but where he should have had it: the clock of turns says so, which stands still
// while the provider isn't called.
#include "ingest/watch/flow.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/json.h"

enum {
    MOST_TROUBLES = 100,     // of a process that reports without end
    SHORT_PAUSE_MS = 5000,   // a provider that paces its callers by the second flows
    SLOWED_MS = 5000,        // a dispatcher that waits for the rate says so once a second
    FILLED_WITHIN_MS = 1000, // a persister does, at a start
    FILLING_PCT = 80,        // of what may be scheduled
    FULL_PCT = 99,           // of the bytes: the next one may be larger than what is left
    REFUSED_FOR_MS = 2000,   // what is sent beside a refused sender's burst needs a while to be accepted
};

static const struct {
    const char *name;
    bool of_provider, is_note;
} codes[FLOW_CODE_COUNT] = {
    [FLOW_REDIS_UNREADABLE] = {"redis_unreadable", false, false},
    [FLOW_REDIS_WRITES] = {"redis_writes", false, false},
    [FLOW_REDIS_MEMORY] = {"redis_memory", false, false},
    [FLOW_PARTITIONS_MISSING] = {"partitions_missing", false, false},
    [FLOW_NO_INGEST] = {"no_ingest", false, false},
    [FLOW_BACKLOG_FULL] = {"backlog_full", true, false},
    [FLOW_SCHEDULED_FULL] = {"scheduled_full", true, false},
    [FLOW_WAIT_FAILING] = {"wait_failing", false, false},
    [FLOW_NO_DISPATCHER] = {"no_dispatcher", false, false},
    [FLOW_BREAKER_OPEN] = {"breaker_open", true, false},
    [FLOW_PAUSED] = {"paused", true, false},
    [FLOW_REFUSED] = {"refused", true, false},
    [FLOW_OUTBOUND_STUCK] = {"outbound_stuck", true, false},
    [FLOW_OPT_OUTS_UNKNOWN] = {"opt_outs_unknown", true, false},
    [FLOW_RETRIES_OVERDUE] = {"retries_overdue", true, false},
    [FLOW_TURNS_OVERDUE] = {"turns_overdue", true, false},
    [FLOW_SCHEDULED_OVERDUE] = {"scheduled_overdue", true, false},
    [FLOW_NO_PERSISTER] = {"no_persister", false, false},
    [FLOW_POSTGRES_AWAY] = {"postgres_away", false, false},
    [FLOW_POSTGRES_REFUSED] = {"postgres_refused", false, false},
    [FLOW_PERSISTER_REPEATS] = {"persister_repeats", false, false},
    [FLOW_EVENTS_STUCK] = {"events_stuck", true, false},
    [FLOW_NEWER_FORMAT] = {"newer_format", true, false},
    [FLOW_REPLAYS_STUCK] = {"replays_stuck", false, false},
    [FLOW_NOT_DURABLE] = {"not_durable", false, true},
    [FLOW_SENDERS_HELD] = {"senders_held", true, true},
    [FLOW_PACED] = {"paced", true, true},
    [FLOW_SCHEDULED_FILLING] = {"scheduled_filling", true, true},
    [FLOW_READS_FALLEN_BACK] = {"reads_fallen_back", false, true},
    [FLOW_REKEY_DUE] = {"rekey_due", false, true},
    [FLOW_RETENTION_BEHIND] = {"retention_behind", false, true},
    [FLOW_OTHER] = {"other", false, false},
};

const char *flow_code_name(enum flow_code code) {
    return codes[code].name;
}

bool flow_code_is_note(enum flow_code code) {
    return codes[code].is_note;
}

bool flow_code_is_of_provider(enum flow_code code) {
    return codes[code].of_provider;
}

bool flow_has(const struct flow *flow, enum flow_code code, int provider) {
    for (size_t i = 0; i < flow->count; i++) {
        if (flow->troubles[i].code == code && flow->troubles[i].provider == provider) {
            return true;
        }
    }
    return false;
}

// "83 s", "3 min": for sentences. ms >= 0.
static void flow_write_age(int64_t ms, struct buf *out) {
    if (ms < 1000) {
        buf_printf(out, "%" PRId64 " ms", ms);
    } else if (ms < 120000) {
        buf_printf(out, "%" PRId64 " s", ms / 1000);
    } else if (ms < 7200000) {
        buf_printf(out, "%" PRId64 " min", ms / 60000);
    } else {
        buf_printf(out, "%" PRId64 " h", ms / 3600000);
    }
}

// ---- The list

// What follows is said of the trouble that this begins; its text is taken from `said`.
static void flow_add(struct flow *flow, enum flow_code code, int provider, int64_t for_ms, const char *place,
                     struct buf *said) {
    if (flow->count < MOST_TROUBLES) {
        struct flow_trouble *trouble = &flow->troubles[flow->count++];
        *trouble = (struct flow_trouble){.code = code, .provider = provider, .for_ms = for_ms, .text = said->data};
        snprintf(trouble->word, sizeof trouble->word, "%s", codes[code].name);
        snprintf(trouble->place, sizeof trouble->place, "%s", place);
        flow->notes += codes[code].is_note;
    } else {
        buf_free(said);
    }
    *said = (struct buf){0};
}

static void add_plain(struct flow *flow, enum flow_code code, int64_t for_ms, const char *place, const char *format,
                      ...) __attribute__((format(printf, 5, 6)));

static void add_plain(struct flow *flow, enum flow_code code, int64_t for_ms, const char *place, const char *format,
                      ...) {
    struct buf said = {0};
    va_list arguments;
    va_start(arguments, format);
    buf_vprintf(&said, format, arguments);
    va_end(arguments);
    flow_add(flow, code, -1, for_ms, place, &said);
}

// ---- Redis

static void judge_redis(const struct flow_view *view, struct flow *out) {
    const struct pipeline *pipeline = view->pipeline;
    if (view->redis_refuses != NULL) {
        add_plain(out, FLOW_REDIS_WRITES, -1, "", "Redis refuses to write: %s", view->redis_refuses);
    } else if (pipeline->writes_fail) {
        add_plain(
            out, FLOW_REDIS_WRITES, -1, "",
            "Redis could not write to its disk (INFO persistence: aof_last_write_status, rdb_last_bgsave_status)");
    }
    if (pipeline->memory_max > 0 && pipeline->memory_used * 100 >= pipeline->memory_max * view->memory_pct) {
        add_plain(out, FLOW_REDIS_MEMORY, -1, "",
                  "Redis uses %" PRId64 "%% of its memory: sends are refused from REDIS_MEMORY_PCT, %" PRId64 "%%, on",
                  pipeline->memory_used * 100 / pipeline->memory_max, view->memory_pct);
    }
}

static void note_durability(const struct pipeline *pipeline, struct flow *out) {
    if (!pipeline->keeps_log) {
        add_plain(out, FLOW_NOT_DURABLE, -1, "",
                  "Redis keeps no append-only file: what it has accepted is lost with it");
    }
}

static void judge_replicas(const struct flow_view *view, struct flow *out) {
    if (view->replicas_missing > 0) {
        add_plain(out, FLOW_WAIT_FAILING, -1, "",
                  "too few replicas follow Redis (REDIS_WAIT_REPLICAS, %" PRId64 "): sends are refused",
                  view->replicas_missing);
    }
}

static bool anybody_lives(const struct pipeline *pipeline) {
    int64_t alive = 0;
    for (int program = 0; program < PROGRAM_COUNT; program++) {
        alive += pipeline->alive[program];
    }
    return alive > 0;
}

static void judge_partitions(const struct pipeline *pipeline, struct flow *out) {
    if (pipeline->partition_count == 0 && anybody_lives(pipeline)) {
        add_plain(out, FLOW_PARTITIONS_MISSING, -1, KEY_PARTITIONS,
                  "the set `" KEY_PARTITIONS "` is missing, so nobody knows what waits: was Redis flushed?");
    }
}

// ---- Who lives

static void judge_programs(const struct pipeline *pipeline, struct flow *out) {
    static const struct {
        enum pipeline_program program;
        enum flow_code code;
        const char *then;
    } needed[] = {
        {PROGRAM_INGEST, FLOW_NO_INGEST, "nothing is accepted"},
        {PROGRAM_DISPATCHER, FLOW_NO_DISPATCHER, "nothing is sent"},
        {PROGRAM_PERSISTER, FLOW_NO_PERSISTER, "nothing is stored"},
    };
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        if (pipeline->alive[needed[i].program] == 0) {
            add_plain(out, needed[i].code, -1, "", "no %s lives: %s", pipeline_program_name(needed[i].program),
                      needed[i].then);
        }
    }
}

static enum flow_code code_of(const char *word) {
    for (int code = 0; code < FLOW_OTHER; code++) {
        if (strcmp(codes[code].name, word) == 0) {
            return (enum flow_code)code;
        }
    }
    return FLOW_OTHER;
}

static void judge_reports(const struct flow_view *view, struct flow *out) {
    const struct pipeline *pipeline = view->pipeline;
    for (size_t i = 0; i < pipeline->report_count; i++) {
        const struct pipeline_report *report = &pipeline->reports[i];
        if (code_of(report->code) == FLOW_WAIT_FAILING && view->replicas_missing > 0) {
            continue; // said already
        }
        int64_t for_ms = pipeline->now_ms - report->since_ms;
        size_t before = out->count;
        add_plain(out, code_of(report->code), for_ms < 0 ? 0 : for_ms, report->member, "%s: %s", report->member,
                  report->text);
        if (out->count > before) {
            snprintf(out->troubles[before].word, PIPELINE_WORD_SIZE, "%s", report->code);
        }
    }
}

// ---- Each provider

static void say_long(struct buf *said, const char *key, const char *what, int64_t ms, const struct flow_view *view) {
    buf_printf(said, "%s: %s ", key, what);
    flow_write_age(ms, said);
    buf_printf(said, " (limit: STATUS_MAX_AGE_SECS, %" PRId64 " s)", view->max_age_ms / 1000);
}

// A breaker closes by its probes, and what probes is a message: where none waits, the next one will, and nothing
// stands.
static bool keeps_waiting(const struct pipeline *pipeline, enum provider provider) {
    struct pipeline_partition sum;
    pipeline_sum(pipeline, provider, &sum);
    return pipeline->breakers[provider].reopens_in_ms > 0 || sum.outbound.length + sum.parked + sum.held > 0;
}

static bool may_be_called(const struct pipeline *pipeline, enum provider provider) {
    const struct pipeline_breaker *breaker = &pipeline->breakers[provider];
    bool closed = strcmp(breaker->mode, "closed") == 0 ||
                  (strcmp(breaker->mode, "open") != 0 && strcmp(breaker->state, "closed") == 0);
    return closed && breaker->paused_ms == 0;
}

static void judge_breaker(const struct pipeline *pipeline, enum provider provider, struct flow *out) {
    const struct pipeline_breaker *breaker = &pipeline->breakers[provider];
    const char *key = breaker_key(provider);
    struct buf said = {0};
    if (strcmp(breaker->mode, "open") == 0) {
        buf_printf(&said, "%s: an operator has opened it", key);
        flow_add(out, FLOW_BREAKER_OPEN, (int)provider, -1, key, &said);
    } else if (strcmp(breaker->mode, "closed") != 0 && strcmp(breaker->state, "closed") != 0 &&
               keeps_waiting(pipeline, provider)) {
        buf_printf(&said, "%s: it has been open (%s) for ", key, breaker->reason);
        flow_write_age(breaker->open_ms > 0 ? breaker->open_ms : 0, &said);
        buf_puts(&said, strcmp(breaker->state, "half-open") == 0 ? ", probes are under way" : "");
        flow_add(out, FLOW_BREAKER_OPEN, (int)provider, breaker->open_ms, key, &said);
    }
    if (breaker->paused_ms > SHORT_PAUSE_MS) {
        buf_printf(&said, "%s: a 429 has paused the provider for another ", key);
        flow_write_age(breaker->paused_ms, &said);
        flow_add(out, FLOW_PAUSED, (int)provider, -1, key, &said);
    }
}

static int64_t refused_ms(const struct pipeline_partition *partition) {
    return partition->refused_ms;
}

// The partition of a provider that is worst by `of`, where that is above `limit`; NULL: none is.
static const struct pipeline_partition *worst(const struct pipeline *pipeline, enum provider provider,
                                              int64_t (*of)(const struct pipeline_partition *partition),
                                              int64_t limit) {
    const struct pipeline_partition *found = NULL;
    for (size_t i = 0; i < pipeline->partition_count; i++) {
        const struct pipeline_partition *one = &pipeline->partitions[i];
        if (one->provider == provider && of(one) > limit && (found == NULL || of(one) > of(found))) {
            found = one;
        }
    }
    return found;
}

static int64_t outbound_waited(const struct pipeline_partition *partition) {
    return partition->outbound.waited_ms;
}

static int64_t waits_for_opt_outs(const struct pipeline_partition *partition) {
    return partition->knows_opt_outs ? -1 : partition->outbound.waited_ms;
}

static int64_t events_waited(const struct pipeline_partition *partition) {
    return partition->events.waited_ms;
}

static int64_t overdue(const struct pipeline_partition *partition) {
    return partition->longest_overdue_ms;
}

static int64_t turn_overdue(const struct pipeline_partition *partition) {
    return partition->held_overdue_ms;
}

static int64_t scheduled_overdue(const struct pipeline_partition *partition) {
    return partition->scheduled_longest_overdue_ms;
}

static int64_t newer_waited(const struct pipeline_partition *partition) {
    int64_t sends = partition->outbound.newer > 0 ? partition->outbound.waited_ms : -1;
    int64_t events = partition->events.newer > 0 ? partition->events.waited_ms : -1;
    return sends > events ? sends : events;
}

static int64_t backlog(const struct pipeline_partition *partition) {
    int64_t sends = partition->outbound.length + partition->parked + partition->held;
    return sends > partition->events.length ? sends : partition->events.length;
}

static bool is_paced(const struct pipeline *pipeline, enum provider provider) {
    int64_t slowed_ms = pipeline->breakers[provider].slowed_ms;
    return slowed_ms >= 0 && slowed_ms <= SLOWED_MS;
}

static void judge_waiting(const struct flow_view *view, enum provider provider, struct flow *out) {
    bool paced = is_paced(view->pipeline, provider); // flows as fast as it may
    bool called = may_be_called(view->pipeline, provider);
    const struct {
        bool stands;
        enum flow_code code;
        int64_t (*of)(const struct pipeline_partition *partition);
        size_t key; // in struct partition_keys
        const char *what;
    } stages[] = {
        {true, paced ? FLOW_PACED : FLOW_OUTBOUND_STUCK, outbound_waited, offsetof(struct partition_keys, outbound),
         paced ? "all is sent at the provider's rate; the oldest message has waited for"
               : "the oldest message has waited for"},
        {true, FLOW_RETRIES_OVERDUE, overdue, offsetof(struct partition_keys, parked_due), "a retry has been due for"},
        {called, FLOW_TURNS_OVERDUE, turn_overdue, offsetof(struct partition_keys, held_due),
         "a conversation's next message should have had its turn for"},
        {called, FLOW_SCHEDULED_OVERDUE, scheduled_overdue, offsetof(struct partition_keys, scheduled_due),
         "a scheduled message has been due for"},
        {true, FLOW_EVENTS_STUCK, events_waited, offsetof(struct partition_keys, events),
         "the oldest event has waited for"},
        {true, FLOW_NEWER_FORMAT, newer_waited, offsetof(struct partition_keys, events),
         "entries of a newer release, which none that lives can read, have waited for"},
    };
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++) {
        const struct pipeline_partition *late = worst(view->pipeline, provider, stages[i].of, view->max_age_ms);
        if (late != NULL && stages[i].stands) {
            const char *key = (const char *)&late->keys + stages[i].key;
            struct buf said = {0};
            say_long(&said, key, stages[i].what, stages[i].of(late), view);
            flow_add(out, stages[i].code, (int)provider, stages[i].of(late), key, &said);
        }
    }
}

// Messages of so many senders that none of them is held, and nothing accepted since: whose fault it is nobody knows
// yet, but that nothing flows.
static void judge_refusals(const struct pipeline *pipeline, enum provider provider, struct flow *out) {
    const struct pipeline_partition *refused = worst(pipeline, provider, refused_ms, REFUSED_FOR_MS);
    int64_t accepted_ms = pipeline->breakers[provider].accepted_ms;
    if (refused != NULL && (accepted_ms < 0 || accepted_ms > refused->refused_ms)) {
        struct buf said = {0};
        buf_printf(&said, "%s has refused five messages and more and accepted nothing for ", provider_name(provider));
        flow_write_age(refused->refused_ms, &said);
        buf_puts(&said, ": is our account right?");
        flow_add(out, FLOW_REFUSED, (int)provider, refused->refused_ms, refused->keys.refused, &said);
    }
}

static void judge_opt_outs(const struct flow_view *view, enum provider provider, struct flow *out) {
    const struct pipeline_partition *unknown =
        view->opt_out ? worst(view->pipeline, provider, waits_for_opt_outs, FILLED_WITHIN_MS) : NULL;
    if (unknown != NULL) {
        struct buf said = {0};
        buf_printf(&said,
                   "%s: nothing is called until a persister has filled in, out of Postgres, who has opted out; for ",
                   unknown->keys.opt_outs);
        flow_write_age(unknown->outbound.waited_ms, &said);
        flow_add(out, FLOW_OPT_OUTS_UNKNOWN, (int)provider, unknown->outbound.waited_ms, unknown->keys.opt_outs, &said);
    }
}

static void note_held(const struct pipeline *pipeline, enum provider provider, struct flow *out) {
    struct pipeline_partition sum;
    struct buf said = {0};
    pipeline_sum(pipeline, provider, &sum);
    if (sum.held_senders > 0) {
        buf_printf(&said, "%s refuses %" PRId64 " of our senders (HKEYS 'held-senders:{%s:…}'): their messages wait",
                   provider_name(provider), sum.held_senders, provider_name(provider));
        flow_add(out, FLOW_SENDERS_HELD, (int)provider, -1, "", &said);
    }
}

// How much of what may be scheduled is, in percent of the bound that is nearer.
struct fullness {
    const struct pipeline_partition *partition; // NULL: nothing is scheduled
    int64_t pct;
    bool of_bytes;
};

static struct fullness fullness_of(const struct flow_view *view, const struct pipeline_partition *partition) {
    int64_t count = view->max_scheduled > 0 ? partition->scheduled * 100 / view->max_scheduled : 0;
    int64_t bytes = view->max_scheduled_bytes > 0 ? partition->scheduled_bytes * 100 / view->max_scheduled_bytes : 0;
    return (struct fullness){partition, bytes > count ? bytes : count, bytes > count};
}

static struct fullness fullest(const struct flow_view *view, enum provider provider) {
    struct fullness found = {0};
    for (size_t i = 0; i < view->pipeline->partition_count; i++) {
        const struct pipeline_partition *one = &view->pipeline->partitions[i];
        struct fullness its = fullness_of(view, one);
        if (one->provider == provider && one->scheduled > 0 && (found.partition == NULL || its.pct > found.pct)) {
            found = its;
        }
    }
    return found;
}

static void judge_scheduled(const struct flow_view *view, enum provider provider, struct flow *out) {
    struct fullness its = fullest(view, provider);
    bool full = its.pct >= (its.of_bytes ? FULL_PCT : 100);
    out->scheduled_pct[provider] = its.pct;
    if (its.pct >= FILLING_PCT) {
        const char *key = its.partition->keys.scheduled;
        struct buf said = {0};
        buf_printf(&said, "%s: %" PRId64 " messages of %" PRId64 " bytes are scheduled, %" PRId64 "%% of what may be",
                   key, its.partition->scheduled, its.partition->scheduled_bytes, its.pct);
        buf_printf(&said, " (%s, %" PRId64 ")%s", its.of_bytes ? "SCHEDULED_MAX_BYTES" : "SCHEDULED_MAX",
                   its.of_bytes ? view->max_scheduled_bytes : view->max_scheduled,
                   full ? ": sends for later are refused" : "");
        flow_add(out, full ? FLOW_SCHEDULED_FULL : FLOW_SCHEDULED_FILLING, (int)provider, -1, key, &said);
    }
}

static void judge_provider(const struct flow_view *view, enum provider provider, struct flow *out) {
    const struct pipeline_partition *full = worst(view->pipeline, provider, backlog, view->max_backlog - 1);
    if (full != NULL) {
        struct buf said = {0};
        buf_printf(&said, "{%s}: %" PRId64 " wait, and sends are refused (STREAM_MAX_BACKLOG, %" PRId64 ")",
                   full->keys.tag, backlog(full), view->max_backlog);
        flow_add(out, FLOW_BACKLOG_FULL, (int)provider, -1, full->keys.tag, &said);
    }
    judge_breaker(view->pipeline, provider, out);
    judge_refusals(view->pipeline, provider, out);
    judge_opt_outs(view, provider, out);
    judge_waiting(view, provider, out);
    judge_scheduled(view, provider, out);
    note_held(view->pipeline, provider, out);
}

static void judge_replays(const struct flow_view *view, struct flow *out) {
    const struct pipeline_job *job = &view->pipeline->job;
    if (job->idle_ms > view->max_age_ms) {
        struct buf said = {0};
        say_long(&said, KEY_REPLAY_JOBS, "nobody has worked on the replay of many dead letters for", job->idle_ms,
                 view);
        flow_add(out, FLOW_REPLAYS_STUCK, -1, job->idle_ms, KEY_REPLAY_JOBS, &said);
    }
}

// ---- All of it

static int by_code(const void *left, const void *right) {
    const struct flow_trouble *a = left, *b = right;
    return a->code != b->code           ? (a->code > b->code) - (a->code < b->code)
           : a->provider != b->provider ? a->provider - b->provider
                                        : strcmp(a->text, b->text);
}

void flow_judge(const struct flow_view *view, struct flow *out) {
    *out = (struct flow){.troubles = xcalloc(MOST_TROUBLES, sizeof *out->troubles),
                         .max_scheduled = view->max_scheduled,
                         .max_scheduled_bytes = view->max_scheduled_bytes};
    if (view->postgres_away != NULL) {
        add_plain(out, FLOW_POSTGRES_AWAY, -1, "", "Postgres doesn't answer: %s", view->postgres_away);
    }
    judge_replicas(view, out);
    if (view->pipeline == NULL) {
        add_plain(out, FLOW_REDIS_UNREADABLE, -1, "", "Redis doesn't answer: %s", view->unreadable);
    } else {
        judge_redis(view, out);
        judge_partitions(view->pipeline, out);
        judge_programs(view->pipeline, out);
        for (int provider = 0; provider < PROVIDER_COUNT; provider++) {
            judge_provider(view, (enum provider)provider, out);
        }
        judge_replays(view, out);
        note_durability(view->pipeline, out);
        judge_reports(view, out);
    }
    qsort(out->troubles, out->count, sizeof *out->troubles, by_code);
}

void flow_free(struct flow *flow) {
    for (size_t i = 0; i < flow->count; i++) {
        free(flow->troubles[i].text);
    }
    free(flow->troubles);
    *flow = (struct flow){0};
}

static void flow_write_trouble(const struct flow_trouble *trouble, struct buf *out) {
    json_write_member(out, "code", trouble->word);
    json_write_member(out, "provider", trouble->provider < 0 ? NULL : provider_name((enum provider)trouble->provider));
    json_write_member(out, "place", trouble->place[0] == '\0' ? NULL : trouble->place);
    if (trouble->for_ms < 0) {
        json_write_name(out, "for_ms");
        buf_puts(out, "null");
    } else {
        json_write_member_int(out, "for_ms", trouble->for_ms);
    }
    json_write_member(out, "text", trouble->text);
}

static void write_list(const struct flow *flow, const char *name, bool notes, struct buf *out) {
    bool first = true;
    json_write_name(out, name);
    buf_putc(out, '[');
    for (size_t i = 0; i < flow->count; i++) {
        if (codes[flow->troubles[i].code].is_note == notes) {
            buf_puts(out, first ? "{" : ",{");
            flow_write_trouble(&flow->troubles[i], out);
            buf_putc(out, '}');
            first = false;
        }
    }
    buf_putc(out, ']');
}

void flow_write_members(const struct flow *flow, struct buf *out) {
    write_list(flow, "troubles", false, out);
    write_list(flow, "notes", true, out);
}
