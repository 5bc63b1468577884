// SPDX-License-Identifier: MIT
// Breaks everything under load, and accounts for every message; from the project's root: make chaos.
//   CHAOS_PLANT=1 shows that the audit finds what it looks for (plant.h)
//   CHAOS_SECONDS=60  CHAOS_RATE=320  CHAOS_SEED=…  CHAOS_COPIES=1   (options.h)
//   CHAOS_REDIS=sentinel  CHAOS_POOLER=session  CHAOS_PROVIDER=hostile
//   BUILD_DIR=…   where the programs are (build)
//   KEEP=1        keeps the folder with logs and data; a breach does so too

#include <curl/curl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "shared/base/clock.h"
#include "tests/chaos/aftermath.h"
#include "tests/chaos/audit.h"
#include "tests/chaos/load.h"
#include "tests/chaos/plant.h"
#include "tests/chaos/refusal.h"
#include "tests/chaos/run.h"
#include "tests/chaos/sampler.h"
#include "tests/support/root.h"

#define MEMORY_TOLERANCE (INT64_C(2) << 20) // bytes: what Redis keeps for its clients and its log varies

static struct run run;

static void set_up(void) {
    run.world = world_create(&run.options);
    run.ledger = ledger_create(stack_folder(run.world->stack), run.report);
    run.facts = facts_create();
    report_set_trail(run.report, audit_trail, &run);
}

static void tear_down(void) {
    schedule_destroy(run.schedule);
    poison_destroy(run.poison);
    unread_destroy(run.unread);
    optouts_destroy(run.optouts);
    bursts_destroy(run.bursts);
    facts_destroy(run.facts);
    report_set_trail(run.report, NULL, NULL);
    world_destroy(run.world, report_breaches(run.report) > 0 && !run.options.plant);
    ledger_destroy(run.ledger);
}

static void break_everything(struct sampler_result *samples) {
    const uint16_t ports[2] = {world_ingest_port(run.world, 1),
                               run.options.copies > 1 ? world_ingest_port(run.world, 2) : 0};
    uint16_t redis = world_redis_port(run.world), postgres = stack_port(run.world->stack, "postgres");
    struct sampler *sampler = sampler_begin(&run.options, redis, postgres, run.report);
    struct refusal *refusal = run.options.hostile ? refusal_begin(redis) : NULL;
    run.poison = poison_begin(&run.options, redis);
    run.unread = unread_begin(&run.options, ports, run.options.copies, run.report);
    run.optouts = optouts_begin(&run.options, ports, run.options.copies, run.report);
    run.bursts = bursts_begin(&run.options, ports, run.options.copies, stack_folder(run.world->stack), run.report);
    run.began_ms = clock_unix_ms();
    struct load *load = load_begin(&run.options, run.ledger, ports, run.options.copies);
    report_heading("Injections");
    run.schedule = schedule_run(&run.options, run.world, run.report);
    load_end(load);
    run.load_ms = clock_unix_ms() - run.began_ms;
    poison_end(run.poison);
    unread_end(run.unread);
    optouts_end(run.optouts);
    bursts_end(run.bursts);
    refusal_end(refusal);
    *samples = sampler_end(sampler);
}

static void print_answers(void) {
    struct ledger_totals totals = ledger_totals(run.ledger);
    report_heading("Answers");
    report_figure("seed, seconds, copies", "%" PRIu64 ", %.1f, %d", run.options.seed, (double)run.load_ms / 1000,
                  run.options.copies);
    report_figure("answers", "%" PRIu64, totals.answers);
    report_figure("messages accepted", "%" PRIu64 " (%.1f a second)", totals.accepted,
                  (double)totals.accepted * 1000 / (double)run.load_ms);
    report_figure("repeats answered with the first id", "%" PRIu64, totals.repeats);
    report_figure("ambiguous", "%" PRIu64 " that say so, %" PRIu64 " without an answer", totals.ambiguous,
                  totals.unanswered);
    report_figure("not reached", "%" PRIu64, totals.unreached);
    long status;
    const char *code;
    uint64_t count;
    for (size_t i = 0; ledger_refusal(run.ledger, i, &status, &code, &count); i++) {
        char name[80];
        snprintf(name, sizeof name, "refused: %ld %s", status, code);
        report_figure(name, "%" PRIu64, count);
    }
}

static void print_samples(const struct sampler_result *samples) {
    report_heading("Every second");
    report_figure("samples of Redis, each token, of Postgres", "%u, %u, %u", samples->redis_samples,
                  samples->token_samples, samples->postgres_samples);
    report_figure("greatest backlog", "%" PRId64, samples->peak_backlog);
    report_figure("most parked, held, scheduled", "%" PRId64 ", %" PRId64 ", %" PRId64, samples->peak_parked,
                  samples->peak_held, samples->peak_scheduled);
}

static void check_memory(int64_t base, int64_t peak) {
    int64_t end = aftermath_memory(run.world);
    report_figure("Redis's memory: base, peak, end (bytes)", "%" PRId64 ", %" PRId64 ", %" PRId64, base, peak, end);
    if (end > base + MEMORY_TOLERANCE) {
        report_breach(run.report, "memory that stays", NULL,
                      "%" PRId64 " bytes more than at the beginning, %" PRId64 " are tolerated", end - base,
                      MEMORY_TOLERANCE);
    }
}

// What a hostile provider refuses fails for good once it has accepted something else: when the load has ended, this.
static void post_another(void *argument) {
    (void)argument;
    load_post_mail(&run.options, run.ledger, world_ingest_port(run.world, 1));
}

START_TEST(whatever_breaks_each_accepted_message_is_stored_once_and_delivered) {
    struct sampler_result samples;
    int64_t memory = aftermath_memory(run.world);
    break_everything(&samples);
    int64_t settled_ms = aftermath_settle(run.world, run.options.hostile ? post_another : NULL, NULL, run.report);
    aftermath_reconcile(run.world, run.report);
    if (run.options.plant) {
        plant_faults(&run);
    }
    // At once: the audits below may take longer than a limiter's key lives.
    report_heading("Redis");
    report_figure("settled after (ms)", "%" PRId64, settled_ms);
    aftermath_expire(run.world, run.report);
    check_memory(memory, samples.peak_memory);
    print_answers();
    print_samples(&samples);
    aftermath_turns(run.world, run.report);
    audit_rows(&run);
    audit_burst_rows(&run);
    audit_reads(&run);
    audit_calls(&run);
    audit_bursts(&run);
    audit_order(&run);
    audit_pauses(&run);
    audit_receipts(&run);
    audit_optouts(&run);
    audit_counts(&run);
    audit_quarantine(&run);
    audit_unread(&run);
    world_stop_programs(run.world);
    if (run.options.plant) {
        plant_lines(&run);
    }
    audit_logs(&run);
    audit_recovery(&run);
    report_print_breaches(run.report);
    if (run.options.plant) {
        plant_check(&run);
        return;
    }
    ck_assert_msg(report_breaches(run.report) == 0, "%" PRIu64 " breaches; seed %" PRIu64 ", everything is in %s",
                  report_breaches(run.report), run.options.seed, stack_folder(run.world->stack));
}
END_TEST

static Suite *suite(void) {
    Suite *chaos = suite_create("chaos");
    TCase *tests = tcase_create("chaos");
    tcase_add_unchecked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, whatever_breaks_each_accepted_message_is_stored_once_and_delivered);
    suite_add_tcase(chaos, tests);
    return chaos;
}

int main(void) {
    run.options = options_read();
    world_prepare();
    if (!root_prepare() || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        perror("chaos can't be prepared");
        return EXIT_FAILURE;
    }
    signal(SIGPIPE, SIG_IGN);
    run.report = report_create(run.options.seed);
    SRunner *runner = srunner_create(suite());
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_ENV);
    bool failed = srunner_ntests_failed(runner) > 0;
    srunner_free(runner);
    curl_global_cleanup();
    root_clean_up(failed);
    report_destroy(run.report);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
