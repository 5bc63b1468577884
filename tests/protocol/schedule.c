// SPDX-License-Identifier: MIT
#include "tests/protocol/schedule.h"

#include <string.h>

#include "shared/message/format.h"
#include "tests/protocol/actors.h"
#include "tests/protocol/audit.h"
#include "tests/protocol/faults.h"
#include "tests/protocol/process_private.h"
#include "tests/protocol/wire.h"

enum {
    SETTLE_ROUNDS = 120,
    STEPS_A_ROUND = 8,
    ROOMY_CAP = 1000,
    TIGHT_CAP = 4,
    RECONCILE_STEPS = 400,
};

// ---- Decisions

// One of two: rather one that can do something than one that is stopped.
static struct process *some_of(struct world *world, struct process *const *processes) {
    int which = random_below(&world->random, ACTORS);
    bool other = *process_stopped(processes[which]) && random_chance(&world->random, 80);
    return processes[other ? (which + 1) % ACTORS : which];
}

static void dispatch(struct world *world) {
    process_turn(some_of(world, world->dispatchers));
}

// Only some runs have words, and some others erasures: who has opted out, or was erased, is called no more, and what
// comes of calls is what most is about.
static void say_word(struct world *world) {
    (world->worded ? words_say : world->erases ? erasures_ask : dispatch)(world);
}

static void repeat_word(struct world *world) {
    (world->worded ? words_repeat : dispatch)(world);
}

static void write_word(struct world *world) {
    (world->worded ? words_write : dispatch)(world);
}

static void evict_words(struct world *world) {
    (world->worded ? words_evict : dispatch)(world);
}

static void end_calls(struct world *world) {
    process_end_calls(some_of(world, world->dispatchers));
}

static void persist(struct world *world) {
    process_turn(some_of(world, world->persisters));
}

static void commit(struct world *world) {
    process_commit(some_of(world, world->persisters));
}

static void pass_little(struct world *world) {
    wire_pass(world, random_within(&world->random, 1, 80));
}

static void pass_some(struct world *world) {
    wire_pass(world, random_within(&world->random, 100, PROVIDER_MS));
}

static void pass_much(struct world *world) {
    wire_pass(world, random_within(&world->random, CLAIM_MS / 2, 3 * CLAIM_MS / 2));
}

// Now and then what waits is past its deadline.
static void pass_days(struct world *world) {
    if (random_chance(&world->random, 15)) {
        wire_pass(world, DEADLINE_MS + CLAIM_MS);
    }
}

// A few steps of it, or few runs would come to its end.
static void look_for_lost(struct world *world) {
    for (int steps = random_within(&world->random, 1, 5); steps > 0 && world->breach == AUDIT_NONE; steps--) {
        reconcile_step(world);
    }
}

// Ingest is started again with another DISPATCH_ORDER.
static void change_order(struct world *world) {
    if (world->changes_order) {
        world->orders = !world->orders;
        world_say(world, "ingest says %s of its conversations", world->orders ? "which they are" : "nothing");
    }
}

// A program of an older release comes, or goes.
static void change_format(struct world *world) {
    if (world->changes_format) {
        world->format = world->format == 1 ? STREAM_FORMAT : 1;
        world_say(world, "format %d is written", world->format);
    }
}

static const struct {
    void (*take)(struct world *world);
    int weight; // how often among the others
} kinds[] = {
    {dispatch, 100},     {end_calls, 24},        {persist, 40},         {commit, 20},          {ingest_send, 12},
    {ingest_repeat, 4},  {ingest_webhook, 4},    {ingest_redeliver, 3}, {operator_replay, 14}, {unread_deliver, 5},
    {unread_replay, 3},  {receipts_deliver, 10}, {receipts_repeat, 4},  {say_word, 6},         {repeat_word, 5},
    {write_word, 16},    {evict_words, 2},       {look_for_lost, 8},    {pass_little, 14},     {pass_some, 8},
    {pass_much, 3},      {fault_kill, 3},        {fault_stop, 6},       {fault_continue, 5},   {fault_destroy, 2},
    {fault_delcons, 2},  {fault_flush, 1},       {fault_jump, 2},       {fault_expire, 2},     {fault_snapshot, 4},
    {fault_failover, 2}, {fault_deliver, 4},     {fault_health, 3},     {fault_refusals, 4},   {fault_spoil, 4},
    {pass_days, 1},      {operator_cancel, 10},  {fault_lose_key, 3},   {change_order, 1},     {change_format, 1},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static int draw_kind(struct random *random) {
    int total = 0, kind = 0;
    for (int i = 0; i < KINDS; i++) {
        total += kinds[i].weight;
    }
    for (int at = random_below(random, total); at >= kinds[kind].weight; kind++) {
        at -= kinds[kind].weight;
    }
    return kind;
}

// Each run has some classes of faults and not others: a fault hides behind another one that excuses it. A fail-over
// excuses the most, and the loss of a key all that is about turns, so that only one run in four has any.
static unsigned draw_classes(struct random *random) {
    unsigned classes = (unsigned)random_next(random) & ((1u << FAULT_COUNT) - 1);
    if (!random_chance(random, 50)) {
        classes &= ~(1u << FAULT_FAILOVER);
    }
    if (!random_chance(random, 50)) {
        classes &= ~(1u << FAULT_KEYS);
    }
    return random_chance(random, 10) ? 0 : classes;
}

struct run run_of(uint64_t seed) {
    struct random random = {.state = seed * 0x2545f4914f6cdd1du + 1};
    struct run run = {.count = DECISIONS};
    run.classes = draw_classes(&random);
    run.cap = random_chance(&random, 20) ? TIGHT_CAP : ROOMY_CAP;
    run.alone = random_chance(&random, 40);
    struct random of_the_rate = {.state = seed * 0x9e3779b97f4a7c15u + 1};
    run.paced = random_chance(&of_the_rate, 30);
    run.worded = random_chance(&of_the_rate, 30);
    run.erases = !run.worded && random_chance(&of_the_rate, 40);
    struct random of_turns = {.state = seed * 0xd1342543de82ef95u + 1};
    run.orders = random_chance(&of_turns, 60);
    run.two_each = random_chance(&of_turns, 50);
    run.changes_order = random_chance(&of_turns, 10);
    run.format = random_chance(&of_turns, 10) ? 1 : STREAM_FORMAT;
    run.changes_format = random_chance(&of_turns, 10);
    for (int i = 0; i < run.count; i++) {
        run.decisions[i].kind = draw_kind(&random);
        run.decisions[i].random = random_next(&random);
    }
    return run;
}

// ---- A run

static void begin(struct world *world, const struct run *run, struct buf *trace) {
    static const char *const dispatchers[ACTORS] = {"dispatcher-1", "dispatcher-2"};
    static const char *const persisters[ACTORS] = {"persister-1", "persister-2"};
    long injected[FAULT_COUNT], commands = world->commands;
    struct figures figures = world->figures;
    memcpy(injected, world->injected, sizeof injected);
    for (int i = 0; i < ACTORS; i++) {
        process_destroy(world->dispatchers[i]);
        process_destroy(world->persisters[i]);
    }
    freeReplyObject(world->snapshot.dump);
    *world = (struct world){.redis = world->redis,
                            .plant = world->plant,
                            .library = world->library,
                            .has_library = world->has_library,
                            .classes = run->classes,
                            .cap = run->cap,
                            .alone = run->alone,
                            .paced = run->paced,
                            .worded = run->worded,
                            .erases = run->erases,
                            .most_scheduled = run->cap == TIGHT_CAP ? 1 : ROOMY_CAP,
                            .format = run->format,
                            .orders = run->orders,
                            .changes_order = run->changes_order,
                            .changes_format = run->changes_format,
                            .two_each = run->two_each,
                            .boot_ms = BOOT_MS,
                            .wall_ms = BEGIN_MS,
                            .healthy = true,
                            .trace = trace,
                            .commands = commands,
                            .figures = figures,
                            .ingest = {.name = "ingest"},
                            .replayer = {.name = "operator"},
                            .reconciler = {.link = {.name = "reconcile"}},
                            .seen = {.event = "0-0"}};
    memcpy(world->injected, injected, sizeof injected);
    world->postgres.last_writer_wins = world_has(world, SWITCH_LAST_WRITER);
    world->postgres.first_receipt_wins = world_has(world, SWITCH_FIRST_RECEIPT);
    world->postgres.last_receipt_wins = world_has(world, SWITCH_NO_RECEIPT_TIME);
    world->postgres.letters_stay_open = world_has(world, SWITCH_OPEN_LETTER);
    world->postgres.stores_erased = world_has(world, SWITCH_STORE_ERASED);
    world->postgres.forgets_erased = world_has(world, SWITCH_NO_TOMBSTONE);
    for (int i = 0; i < ACTORS; i++) {
        world->dispatchers[i] = process_create(world, &process_dispatcher, dispatchers[i]);
        world->persisters[i] = process_create(world, &process_persister, persisters[i]);
    }
    unread_begin(world);
    turns_begin_again(world);
    wire_reset(world);
}

// ---- Settling

static void settle_process(struct world *world, struct process *process) {
    *process_stopped(process) = false;
    for (int i = 0; i < STEPS_A_ROUND && world->breach == AUDIT_NONE; i++) {
        process_turn(process);
        process_end_calls(process);
        process_commit(process);
    }
}

static bool is_settled(const struct world *world) {
    const struct seen *seen = &world->seen;
    const struct turns_seen *turns = &seen->turns;
    bool idle = seen->outbound + seen->parked + seen->due + seen->events == 0 &&
                turns->held + turns->order + turns->due + turns->scheduled + turns->scheduled_due == 0 &&
                (!world->worded || (seen->knows_opt_outs && seen->other_knows_opt_outs)) && erasures_are_done(world);
    for (int i = 0; i < ACTORS; i++) {
        idle = idle && process_is_idle(world->dispatchers[i]) && process_is_idle(world->persisters[i]);
    }
    return idle;
}

// When the last of what was ever scheduled is due.
static int64_t last_due_ms(const struct world *world) {
    int64_t last_ms = 0;
    for (int i = 0; i < world->ledger.message_count; i++) {
        int64_t due_ms = world->ledger.messages[i].due_ms;
        last_ms = due_ms > last_ms ? due_ms : last_ms;
    }
    return last_ms;
}

// What is for in two days needn't be waited for; what a clock that was put back makes come in years comes at once.
static void reach_due(struct world *world) {
    int64_t left_ms = world->seen.turns.scheduled_due > 0 ? last_due_ms(world) - world->wall_ms : 0;
    if (left_ms > DEADLINE_MS) {
        world->wall_ms += left_ms;
        wire_set_clock(world, left_ms);
    } else if (left_ms > 0) {
        wire_pass(world, (int)left_ms);
    }
}

// The rounds take ever more time, lest what is only late counts as lost.
static void settle(struct world *world) {
    int survivors = world->alone ? 1 : ACTORS;
    for (int round = 0; round < SETTLE_ROUNDS && !is_settled(world) && world->breach == AUDIT_NONE; round++) {
        for (int i = 0; i < survivors; i++) {
            settle_process(world, world->dispatchers[i]);
        }
        for (int i = 0; i < survivors; i++) {
            settle_process(world, world->persisters[i]);
        }
        wire_pass(world, round < 4 ? 500 : round * 1000);
        if (round == 8) {
            reach_due(world);
        }
    }
}

// A whole run of it, from the beginning. Returns how many rows it replayed.
static int reconcile(struct world *world) {
    world->reconciler.step = RECONCILE_IDLE;
    world->reconciler.replayed = 0;
    for (int i = 0; i < RECONCILE_STEPS; i++) {
        reconcile_step(world);
        if (world->reconciler.step == RECONCILE_IDLE || world->breach != AUDIT_NONE) {
            break;
        }
    }
    return world->reconciler.replayed;
}

static void finish(struct world *world) {
    world->settling = true;
    world_say(world, "the faults are over%s", world->alone ? ", and one of each is left" : "");
    for (int i = 1; i < ACTORS && world->alone; i++) {
        process_kill(world->dispatchers[i]);
        process_kill(world->persisters[i]);
    }
    words_finish(world);
    while (world->zombie_count > 0) {
        fault_deliver(world);
    }
    settle(world);
    if (world->breach == AUDIT_NONE && reconcile(world) > 0) {
        settle(world);
        if (reconcile(world) > 0) {
            world_breach(world, AUDIT_RECONCILE, "a second run of reconcile replays something");
        }
    }
    if (world->breach == AUDIT_NONE) {
        audit_end(world);
    }
}

void run_play(struct world *world, const struct run *run, struct buf *trace) {
    clock_follow(world);
    begin(world, run, trace);
    wire_load_library(world);
    for (world->step = 1; world->step <= run->count && world->breach == AUDIT_NONE; world->step++) {
        const struct decision_taken *decision = &run->decisions[world->step - 1];
        world->random.state = decision->random;
        kinds[decision->kind].take(world);
    }
    if (world->breach == AUDIT_NONE) {
        finish(world);
    }
    clock_follow(NULL);
}

// ---- Shrinking (Zeller's ddmin, on the list of decisions)

static bool still_breaches(struct world *world, const struct run *run, enum audit audit) {
    run_play(world, run, NULL);
    return world->breach == audit;
}

static struct run without(const struct run *run, int first, int count) {
    struct run shorter = *run;
    int last = first + count < run->count ? first + count : run->count;
    memmove(&shorter.decisions[first], &run->decisions[last], (size_t)(run->count - last) * sizeof *run->decisions);
    shorter.count = run->count - (last - first);
    return shorter;
}

static bool shorten(struct world *world, struct run *run, int chunk, enum audit audit) {
    bool shorter = false;
    for (int first = 0; first < run->count;) {
        struct run candidate = without(run, first, chunk);
        if (still_breaches(world, &candidate, audit)) {
            *run = candidate;
            shorter = true;
        } else {
            first += chunk;
        }
    }
    return shorter;
}

void run_shrink(struct world *world, struct run *run) {
    run_play(world, run, NULL);
    enum audit audit = world->breach;
    for (int chunk = run->count / 2; chunk > 0; chunk /= 2) {
        while (shorten(world, run, chunk, audit) && chunk == 1) {
        }
    }
}
