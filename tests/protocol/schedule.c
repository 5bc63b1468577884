// SPDX-License-Identifier: MIT
#include "tests/protocol/schedule.h"

#include <string.h>

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

static const struct {
    void (*take)(struct world *world);
    int weight; // how often among the others
} kinds[] = {
    {dispatch, 100},     {end_calls, 24},     {persist, 40},         {commit, 20},         {ingest_send, 9},
    {ingest_repeat, 4},  {ingest_webhook, 4}, {ingest_redeliver, 3}, {operator_replay, 3}, {reconcile_step, 8},
    {pass_little, 14},   {pass_some, 8},      {pass_much, 3},        {fault_kill, 3},      {fault_stop, 6},
    {fault_continue, 5}, {fault_destroy, 2},  {fault_delcons, 2},    {fault_flush, 1},     {fault_jump, 2},
    {fault_expire, 2},   {fault_snapshot, 4}, {fault_failover, 2},   {fault_deliver, 4},   {fault_health, 3},
    {fault_refusals, 4}, {fault_spoil, 4},    {pass_days, 1},
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
// excuses the most, so that only one run in four has any.
static unsigned draw_classes(struct random *random) {
    unsigned classes = (unsigned)random_next(random) & ((1u << FAULT_COUNT) - 1);
    if (!random_chance(random, 50)) {
        classes &= ~(1u << FAULT_FAILOVER);
    }
    return random_chance(random, 10) ? 0 : classes;
}

struct run run_of(uint64_t seed) {
    struct random random = {.state = seed * 0x2545f4914f6cdd1du + 1};
    struct run run = {.count = DECISIONS};
    run.classes = draw_classes(&random);
    run.cap = random_chance(&random, 15) ? TIGHT_CAP : ROOMY_CAP;
    run.alone = random_chance(&random, 40);
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
                            .boot_ms = BOOT_MS,
                            .wall_ms = BEGIN_MS,
                            .healthy = true,
                            .trace = trace,
                            .commands = commands,
                            .ingest = {.name = "ingest"},
                            .replayer = {.name = "operator"},
                            .reconciler = {.link = {.name = "reconcile"}},
                            .seen = {.event = "0-0"}};
    memcpy(world->injected, injected, sizeof injected);
    world->postgres.last_writer_wins = world_has(world, SWITCH_LAST_WRITER);
    for (int i = 0; i < ACTORS; i++) {
        world->dispatchers[i] = process_create(world, &process_dispatcher, dispatchers[i]);
        world->persisters[i] = process_create(world, &process_persister, persisters[i]);
    }
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
    bool idle = world->seen.outbound + world->seen.parked + world->seen.due + world->seen.events == 0;
    for (int i = 0; i < ACTORS; i++) {
        idle = idle && process_is_idle(world->dispatchers[i]) && process_is_idle(world->persisters[i]);
    }
    return idle;
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
