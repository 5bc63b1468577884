// SPDX-License-Identifier: MIT
//
// make check-protocol: drives the real redis/messaging.lua, dispatchers and persisters through random interleavings and
// faults, and audits.
//
//   protocol seeds     plays PROTOCOL_SEEDS seeds (500), from PROTOCOL_FIRST (1) on; or PROTOCOL_SEED alone, and shows
//                      all that it does
//   protocol plants    sees that each planted fault is caught; with PROTOCOL_PLANT those that have it in their name
//   protocol           both
#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "tests/protocol/plants.h"
#include "tests/protocol/schedule.h"
#include "tests/protocol/wire.h"
#include "tests/support/private_redis.h"

enum { PLANT_SEEDS = 3000 };

static long number(const char *name, long otherwise) {
    const char *text = getenv(name);
    if (text == NULL || *text == '\0') {
        return otherwise;
    }
    char *end;
    long value = strtol(text, &end, 10);
    if (*end != '\0' || value < 1 || value > 100000000) {
        fprintf(stderr, "check-protocol: %s is '%s': it must be a number from 1 to 100000000\n", name, text);
        exit(2);
    }
    return value;
}

static void plant_fault(struct world *world, const struct plant *plant) {
    static char *text;
    free(text);
    text = wire_library(plant);
    world->library = text;
    world->plant = plant;
    freeReplyObject(redisCommand(world->redis, "FUNCTION FLUSH"));
    world->has_library = false;
}

static void show(struct world *world, struct run *run, long seed) {
    struct buf trace = {0};
    int decisions = run->count;
    run_shrink(world, run);
    run_play(world, run, &trace);
    printf("seed %ld breaks \"%s\": %s\n", seed, audit_name(world->breach), world->breach_text);
    printf("the shortest trace, %d of %d decisions:\n%s", run->count, decisions, trace.data == NULL ? "" : trace.data);
    buf_free(&trace);
}

static int play_one(struct world *world, long seed) {
    struct buf trace = {0};
    struct run run = run_of((uint64_t)seed);
    run_play(world, &run, &trace);
    printf("%s", trace.data == NULL ? "" : trace.data);
    buf_free(&trace);
    if (world->breach == AUDIT_NONE) {
        printf("seed %ld: no violation\n", seed);
        return 0;
    }
    show(world, &run, seed);
    return 1;
}

static void print_figures(const struct world *world, long seeds, long steps, long violations, int64_t began_us) {
    int64_t took_ms = (clock_monotonic_us() - began_us) / 1000;
    printf("%ld seeds, %ld decisions, %ld commands, %.1f s, %.1f ms a seed\n", seeds, steps, world->commands,
           (double)took_ms / 1000, (double)took_ms / (double)seeds);
    printf("faults: ");
    for (int i = 0; i < FAULT_COUNT; i++) {
        printf("%s%ld %s", i == 0 ? "" : ", ", world->injected[i], fault_name((enum fault)i));
    }
    printf("\nheld: %ld, let go by the clock: %ld, scheduled: %ld, cancelled: %ld, erased: %ld\n", world->figures.held,
           world->figures.let_go, world->figures.scheduled, world->figures.cancelled, world->figures.erased);
    printf("violations: %ld\n", violations);
}

// Shows the first seed that breaks something, and counts the rest.
static int play_all(struct world *world, long first, long seeds) {
    int64_t began_us = clock_monotonic_us();
    long violations = 0, first_broken = 0, steps = 0;
    for (long seed = first; seed < first + seeds; seed++) {
        struct run run = run_of((uint64_t)seed);
        run_play(world, &run, NULL);
        steps += run.count;
        if (world->breach != AUDIT_NONE && violations++ == 0) {
            first_broken = seed;
        }
        if (world->breach != AUDIT_NONE && violations <= 40) {
            printf("seed %ld: %s: %s\n", seed, audit_name(world->breach), world->breach_text);
            fflush(stdout);
        }
    }
    print_figures(world, seeds, steps, violations, began_us);
    if (violations > 0) {
        struct run run = run_of((uint64_t)first_broken);
        show(world, &run, first_broken);
    }
    return violations > 0;
}

// Returns the seed that catches it, or 0.
static long catch_fault(struct world *world, const struct plant *plant) {
    plant_fault(world, plant);
    for (long seed = 1; seed <= PLANT_SEEDS; seed++) {
        struct run run = run_of((uint64_t)seed);
        run_play(world, &run, NULL);
        if (world->breach != AUDIT_NONE) {
            return seed;
        }
    }
    return 0;
}

static int catch_all(struct world *world) {
    const char *wanted = getenv("PROTOCOL_PLANT");
    int missed = 0, tried = 0;
    for (int i = 0; i < plant_count; i++) {
        if (wanted != NULL && strstr(plants[i].name, wanted) == NULL) {
            continue;
        }
        tried++;
        long seed = catch_fault(world, &plants[i]);
        if (seed == 0) {
            printf("NOT CAUGHT in %d seeds: %s\n", PLANT_SEEDS, plants[i].name);
            missed++;
        } else {
            printf("%-48s caught after %4ld seeds by \"%s\"\n", plants[i].name, seed, audit_name(world->breach));
        }
        fflush(stdout);
    }
    printf("planted faults: %d of %d caught\n", tried - missed, tried);
    return missed > 0 || tried == 0;
}

static redisContext *connect_to(const struct private_redis *server) {
    char *path = xasprintf("%s/redis.sock", private_redis_folder(server));
    redisContext *redis = redisConnectUnix(path);
    free(path);
    if (redis == NULL || redis->err != 0) {
        fprintf(stderr, "check-protocol: no connection to the private Redis\n");
        exit(2);
    }
    return redis;
}

static struct world world;
static struct private_redis *server;

static void start(void) {
    static const char *const options[] = {"--unixsocket", "redis.sock", NULL};
    server = private_redis_start(options);
    world.redis = connect_to(server);
    wire_prepare(world.redis);
}

static void end(void) {
    redisFree(world.redis);
    private_redis_destroy(server);
}

START_TEST(no_interleaving_and_no_fault_loses_or_doubles_a_message) {
    long seeds = number("PROTOCOL_SEEDS", 500), first = number("PROTOCOL_FIRST", 1), one = number("PROTOCOL_SEED", 0);
    plant_fault(&world, NULL);
    int broken = one > 0 ? play_one(&world, one) : play_all(&world, first, seeds);
    ck_assert_int_eq(broken, 0);
}
END_TEST

START_TEST(every_planted_fault_is_caught) {
    int missed = catch_all(&world);
    ck_assert_int_eq(missed, 0);
}
END_TEST

int main(int argc, char **argv) {
    const char *only = argc > 1 ? argv[1] : "";
    Suite *suite = suite_create("protocol");
    TCase *tests = tcase_create("protocol");
    tcase_add_unchecked_fixture(tests, start, end);
    if (strcmp(only, "plants") != 0) {
        tcase_add_test(tests, no_interleaving_and_no_fault_loses_or_doubles_a_message);
    }
    if (strcmp(only, "seeds") != 0) {
        tcase_add_test(tests, every_planted_fault_is_caught);
    }
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK); // they share a Redis, and print as they go
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
