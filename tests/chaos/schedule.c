// SPDX-License-Identifier: MIT
#include "tests/chaos/schedule.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/mem.h"

enum {
    MOST_IN_DECK = 96,
    MOST_ACTIVE = 4,
    TICK_MS = 5,
    FIRST_MS = 1000,
    LEAST_PAUSE_MS = 1200, // mostly enough to see work go on
    MOST_PAUSE_MS = 3200,
    TOGETHER_PERCENT = 20, // of the injections begin while the one before is still on
};

struct schedule {
    struct world *world;
    struct report *report;
    struct dice dice;
    struct injection deck[MOST_IN_DECK];
    size_t deck_count, dealt;
    struct injection *done; // and those that are on
    size_t count, room;
    size_t active[MOST_ACTIVE]; // indexes of those that are on
    size_t active_count;
    int64_t next_ms; // when the next begins; 0: after the one that is on has ended
};

static void shuffle(struct schedule *schedule) {
    for (size_t i = schedule->deck_count - 1; i > 0; i--) {
        size_t other = (size_t)dice_between(&schedule->dice, 0, (int64_t)i);
        struct injection swap = schedule->deck[i];
        schedule->deck[i] = schedule->deck[other];
        schedule->deck[other] = swap;
    }
    schedule->dealt = 0;
}

static bool may_begin(const struct schedule *schedule, const struct injection *injection) {
    for (size_t i = 0; i < schedule->active_count; i++) {
        if (!injection_may_meet(injection, &schedule->done[schedule->active[i]])) {
            return false;
        }
    }
    return schedule->active_count < MOST_ACTIVE && injection_may_begin(injection, schedule->world);
}

static void say(const struct injection *injection, const char *what) {
    char label[96];
    injection_label(injection, label, sizeof label);
    printf("  %" PRId64 " %s %s (%s)\n", clock_unix_ms(), what, label, injection->target);
    fflush(stdout);
}

static void plan_next(struct schedule *schedule, const struct injection *begun) {
    bool together = dice_percent(&schedule->dice) < TOGETHER_PERCENT;
    schedule->next_ms = together ? clock_unix_ms() + dice_between(&schedule->dice, 0, begun->hold_ms) : 0;
}

static void begin(struct schedule *schedule) {
    const struct injection *card = &schedule->deck[schedule->dealt];
    if (!may_begin(schedule, card)) {
        return; // later
    }
    if (schedule->count == schedule->room) {
        schedule->room = schedule->room == 0 ? 64 : 2 * schedule->room;
        schedule->done = xrealloc(schedule->done, schedule->room * sizeof *schedule->done);
    }
    struct injection *injection = &schedule->done[schedule->count];
    *injection = *card;
    schedule->active[schedule->active_count++] = schedule->count++;
    if (++schedule->dealt == schedule->deck_count) {
        shuffle(schedule);
    }
    say(injection, "begin");
    injection_begin(injection, schedule->world, &schedule->dice);
    plan_next(schedule, injection);
}

static void end_one(struct schedule *schedule, size_t slot) {
    struct injection *injection = &schedule->done[schedule->active[slot]];
    injection_end(injection, schedule->world, schedule->report);
    if (injection->hold_ms > 0) {
        say(injection, "end");
    }
    schedule->active[slot] = schedule->active[--schedule->active_count];
    if (schedule->next_ms == 0) {
        schedule->next_ms = clock_unix_ms() + dice_between(&schedule->dice, LEAST_PAUSE_MS, MOST_PAUSE_MS);
    }
}

static void end_those_due(struct schedule *schedule) {
    for (size_t slot = schedule->active_count; slot-- > 0;) {
        if (injection_is_over(&schedule->done[schedule->active[slot]], schedule->world)) {
            end_one(schedule, slot);
        }
    }
}

static bool is_taken_away(const struct schedule *schedule, const char *name) {
    for (size_t i = 0; i < schedule->active_count; i++) {
        const char *process = injection_process(&schedule->done[schedule->active[i]]);
        if (process != NULL && strcmp(process, name) == 0) {
            return true;
        }
    }
    return false;
}

static void look_after(struct schedule *schedule, const char *name) {
    if (is_taken_away(schedule, name) || stack_is_running(schedule->world->stack, name)) {
        return;
    }
    int status = stack_bury(schedule->world->stack, name);
    report_breach(schedule->report, "a process that ended by itself", NULL, "%s, with %d, at %" PRId64, name, status,
                  clock_unix_ms());
    world_start(schedule->world, name);
}

static void look_after_all(struct schedule *schedule) {
    for (size_t i = 0; i < schedule->world->program_count; i++) {
        look_after(schedule, schedule->world->programs[i]);
    }
    look_after(schedule, "redis");
    if (schedule->world->redundancy != NULL) {
        look_after(schedule, "redis-2");
    }
    look_after(schedule, "postgres");
    if (schedule->world->has_pooler) {
        look_after(schedule, "pooler");
    }
}

struct schedule *schedule_run(const struct options *options, struct world *world, struct report *report) {
    struct schedule *schedule = xcalloc(1, sizeof *schedule);
    schedule->world = world;
    schedule->report = report;
    schedule->dice = dice_make(options->seed, "schedule", 0);
    schedule->deck_count = injection_all(world, schedule->deck, MOST_IN_DECK);
    shuffle(schedule);
    int64_t end_ms = clock_unix_ms() + options->seconds * INT64_C(1000);
    schedule->next_ms = clock_unix_ms() + FIRST_MS;
    while (clock_unix_ms() < end_ms) {
        world_follow(world);
        end_those_due(schedule);
        look_after_all(schedule);
        if (schedule->next_ms > 0 && clock_unix_ms() >= schedule->next_ms) {
            begin(schedule);
        }
        poll(NULL, 0, TICK_MS);
    }
    while (schedule->active_count > 0) {
        world_follow(world);
        end_those_due(schedule);
        poll(NULL, 0, TICK_MS);
    }
    world_make_whole(world);
    return schedule;
}

void schedule_destroy(struct schedule *schedule) {
    if (schedule == NULL) {
        return;
    }
    free(schedule->done);
    free(schedule);
}

size_t schedule_count(const struct schedule *schedule) {
    return schedule->count;
}

const struct injection *schedule_at(const struct schedule *schedule, size_t index) {
    return &schedule->done[index];
}
