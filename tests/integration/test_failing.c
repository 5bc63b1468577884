// SPDX-License-Identifier: MIT
// Memory runs out, or a socket breaks, at the n-th call, for every n of what one message takes: in ingest, in a
// dispatcher, in a persister. A program may end itself in order ("out of memory", status 1: shared/base/mem.h) and is
// started again then, as its supervisor would; it may not crash, and no message may be lost or doubled over it.
//
// That takes minutes, so an ordinary run rehearses every eighth call, or all where they are few; FAILING_STEP=1
// (make test-failing) all of them.
//
// Sanitizers bring allocators of their own, which can't be made to fail so: this suite is for plain builds.

#include <check.h>

Suite *suite_failing(void);

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)

Suite *suite_failing(void) {
    return suite_create("failing");
}

#else

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shared/base/mem.h"
#include "tests/failing/control.h"
#include "tests/support/each.h"
#include "tests/support/payload.h"
#include "tests/support/stack.h"

enum { MEASURED = 6, MOST_CALLS = 5000, SETTLED_MS = 20000, ENDED_IN_ORDER = 1 };
// ATTEMPTS: failures in a row of the same call, each of which leaves more memory in use, make a leak. FEW: of so few
// calls none is passed over.
enum { ATTEMPTS = 5, MOST_ATTEMPTS = MOST_CALLS * ATTEMPTS, FEW = 16 };

static struct stack *stack;
static struct failing_control *control;
static char *preload, *control_path, *control_variable;
static long step;

static const char *const environment[] = {"INGEST_THREADS=1", "API_BREAKER_ERROR_THRESHOLD=1000000",
                                          "API_WORKER_MAX_RETRIES=1000", NULL};

static void map_control(void) {
    control_path = xasprintf("%s/failing.control", stack_folder(stack));
    control_variable = xasprintf("FAILING_CONTROL=%s", control_path);
    preload = xasprintf("LD_PRELOAD=%s/tests/failing.so", getenv("BUILD_DIR"));
    int fd = open(control_path, O_RDWR | O_CREAT | O_EXCL, 0644);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, sizeof *control), 0);
    control = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ck_assert_ptr_ne(control, MAP_FAILED);
    close(fd);
}

static void start(void) {
    const char *given = getenv("FAILING_STEP");
    step = given != NULL ? strtol(given, NULL, 10) : 8;
    ck_assert_int_ge(step, 1);
    stack = stack_create("failing", environment);
    map_control();
    stack_start_all(stack);
}

static void end(void) {
    stack_destroy(stack);
    munmap(control, sizeof *control);
    free(control_path);
    free(control_variable);
    free(preload);
}

// ---- One program that fails, and its supervisor

struct rehearsal {
    const char *program;
    enum failing_kind kind;
    unsigned reached;  // how often a call really failed
    unsigned ended;    // the program ended itself in order
    unsigned accepted; // sends that were answered 202 although something failed
    unsigned refused;  // sends that were answered something else
    unsigned broken;   // sends whose connection broke
    long live;         // blocks of memory in use when the program was last idle; -1: it has been started since
    unsigned outlived; // failures that the program has outlived
    unsigned again;    // calls that failed more than once, for more memory was in use after the first time
};

static void start_failing(const char *program) {
    stack_start_with(stack, program, (const char *const[]){preload, control_variable, NULL});
}

static void arm(enum failing_kind kind, long next) {
    atomic_store(&control->next[kind], next);
}

static void disarm(void) {
    arm(FAILING_MEMORY, 0);
    arm(FAILING_SOCKETS, 0);
}

// Starts the program again if it has ended itself; fails the test if it was ended by anything else.
static void supervise(struct rehearsal *rehearsal) {
    if (stack_is_running(stack, rehearsal->program)) {
        return;
    }
    disarm();
    int status = stack_bury(stack, rehearsal->program);
    ck_assert_msg(status == ENDED_IN_ORDER, "%s ended with %d", rehearsal->program, status);
    rehearsal->ended++;
    rehearsal->live = -1;
    start_failing(rehearsal->program);
}

static void begin(struct rehearsal *rehearsal) {
    disarm();
    rehearsal->live = -1;
    stack_kill(stack, rehearsal->program); // one that was started just now doesn't take SIGTERM in order yet
    start_failing(rehearsal->program);
}

static void finish(struct rehearsal *rehearsal) {
    disarm();
    supervise(rehearsal);
    stack_kill(stack, rehearsal->program);
    stack_start(stack, rehearsal->program);
}

// ---- Messages

// Sends the n-th message of a run under a key of its own. Returns its id when it was accepted, owned by the caller.
static char *send_one(struct rehearsal *rehearsal, const char *run, long n) {
    char *key = xasprintf("%s-%ld", run, n);
    char *body = xasprintf("%s %ld", run, n);
    struct answer *answer =
        send_under_key(stack, "ingest-1", PATH_SMS, key, payload_sms("+15558880000", "+16660000000", body));
    char *id = answer->status == 202 ? xstrdup(answer_text(answer, "id")) : NULL;
    rehearsal->accepted += answer->status == 202;
    rehearsal->refused += answer->status >= 400;
    rehearsal->broken += answer->status == 0;
    ck_assert_msg(answer->status == 202 || answer->status == 0 || answer->status >= 500, "%s %ld was answered %ld", run,
                  n, answer->status);
    answer_free(answer);
    free(body);
    free(key);
    return id;
}

static int64_t stored(const char *run) {
    return stack_sql(stack, "SELECT count(*) FROM messages WHERE body LIKE '%s %%'", run);
}

static int64_t sent(const char *run) {
    return stack_sql(stack,
                     "SELECT count(*) FROM messages AS m JOIN deliveries AS d ON d.message_id = m.id WHERE d.status = "
                     "'sent' AND m.body LIKE '%s %%'",
                     run);
}

static bool is_sent(const char *id) {
    return stack_sql(stack, "SELECT count(*) FROM deliveries WHERE status = 'sent' AND message_id = '%s'", id) == 1;
}

// How many calls of that kind one message takes in the program: the most of some, once its start is over.
static long measure(struct rehearsal *rehearsal, const char *run) {
    long most = 0;
    for (long i = 1; i <= MEASURED; i++) {
        long before = atomic_load(&control->calls[rehearsal->kind]);
        char *id = send_one(rehearsal, run, -i);
        ck_assert_ptr_nonnull(id);
        WAIT_FOR(SETTLED_MS, is_sent(id));
        long calls = atomic_load(&control->calls[rehearsal->kind]) - before;
        most = calls > most && i > MEASURED / 2 ? calls : most;
        free(id);
    }
    ck_assert_int_gt(most, 0);
    ck_assert_int_lt(most, MOST_CALLS);
    rehearsal->accepted = 0;
    return most;
}

// What libraries make at their first use is there before anything fails.
static void warm_up(struct rehearsal *rehearsal) {
    static unsigned number;
    if (rehearsal->live >= 0) {
        return;
    }
    struct rehearsal unnoted = *rehearsal;
    char *id = send_one(&unnoted, "warm-up", ++number);
    ck_assert_ptr_nonnull(id);
    WAIT_FOR(SETTLED_MS, is_sent(id));
    free(id);
    rehearsal->live = atomic_load(&control->live);
}

// The blocks in use once what a message needs is given back, as far as that comes soon: connections close in their
// turn.
static long settled(const struct rehearsal *rehearsal) {
    long least = atomic_load(&control->live);
    for (int i = 0; i < 20 && least > rehearsal->live; i++) {
        (void)deadline_pause(deadline_in(SETTLED_MS));
        long now = atomic_load(&control->live);
        least = now < least ? now : least;
    }
    return least;
}

// After a failure. Returns how many blocks more are in use than before it; 0 if none happened, or the program has
// ended.
static long note_failures(struct rehearsal *rehearsal, long before) {
    long live = settled(rehearsal);
    long failures = atomic_load(&control->failed[rehearsal->kind]) - before;
    rehearsal->reached += (unsigned)failures;
    if (rehearsal->live < 0 || !stack_is_running(stack, rehearsal->program)) {
        return 0;
    }
    long grown = live - rehearsal->live;
    rehearsal->outlived += (unsigned)failures;
    rehearsal->live = live;
    return failures > 0 ? grown : 0;
}

static void report(const struct rehearsal *rehearsal, const char *what, long calls) {
    printf("  %-12s %-7s %4ld calls a message; %u failures, of which %u outlived; sends: %u accepted, %u refused, %u "
           "broken off; %u ends in order; no crash, nothing lost or doubled\n",
           rehearsal->program, what, calls, rehearsal->reached, rehearsal->outlived, rehearsal->accepted,
           rehearsal->refused, rehearsal->broken, rehearsal->ended);
}

static bool has_sent(struct rehearsal *rehearsal, const char *run, long count) {
    supervise(rehearsal);
    return sent(run) == count;
}

static bool is_drained(struct rehearsal *rehearsal) {
    supervise(rehearsal);
    return stack_is_drained(stack);
}

// Every message of the run is stored once and delivered. The last failure may end the program only now: it is watched.
static void assert_whole(struct rehearsal *rehearsal, const char *run, long count) {
    WAIT_FOR(SETTLED_MS, has_sent(rehearsal, run, count));
    ck_assert_int_eq(stored(run), count);
    WAIT_FOR(SETTLED_MS, is_drained(rehearsal));
}

// ---- Ingest: what was answered 202 is there, and what was not can be repeated under its key.

// What was sent while something failed.
struct sends {
    long count;
    char *ids[MOST_ATTEMPTS]; // by the number of its key; NULL: not answered 202
};

// Whether it runs, and has Redis again where what failed was its connection.
static bool is_ready(struct rehearsal *rehearsal) {
    supervise(rehearsal);
    return stack_status(stack, "ingest-1", "GET", "/readyz", NULL) == 200;
}

// Lets the n-th call of that send fail. Returns what note_failures does.
static long attempt(struct rehearsal *rehearsal, const char *run, long n, struct sends *sends) {
    WAIT_FOR(SETTLED_MS, is_ready(rehearsal));
    warm_up(rehearsal);
    long before = atomic_load(&control->failed[rehearsal->kind]);
    arm(rehearsal->kind, n);
    sends->ids[sends->count] = send_one(rehearsal, run, sends->count);
    sends->count++;
    disarm();
    WAIT_FOR(SETTLED_MS, is_ready(rehearsal));
    return note_failures(rehearsal, before);
}

// What is made once, at the first failure or by a timer beside it (a heartbeat's list of who lives), grows once; what
// leaks grows each time that the same call fails.
static void assert_no_leak(struct rehearsal *rehearsal, const char *run, long n, struct sends *sends) {
    long least = attempt(rehearsal, run, n, sends);
    rehearsal->again += least > 0;
    for (int i = 1; i < ATTEMPTS && least > 0; i++) {
        long grown = attempt(rehearsal, run, n, sends);
        least = grown < least ? grown : least;
    }
    ck_assert_msg(least <= 0, "%s: each of %d failures of call %ld left at least %ld more blocks of memory in use", run,
                  ATTEMPTS, n, least);
}

// Each send again, under its key, with nothing failing.
static void assert_repeatable(struct rehearsal *rehearsal, const char *run, const struct sends *sends) {
    for (long i = 0; i < sends->count; i++) {
        WAIT_FOR(SETTLED_MS, is_ready(rehearsal));
        char *id = send_one(rehearsal, run, i);
        ck_assert_msg(id != NULL, "%s %ld is refused for ever", run, i);
        ck_assert(sends->ids[i] == NULL || strcmp(sends->ids[i], id) == 0);
        WAIT_FOR(SETTLED_MS, is_sent(id));
        free(id);
        free(sends->ids[i]);
    }
}

static void rehearse_ingest(enum failing_kind kind, const char *run, const char *what) {
    struct rehearsal rehearsal = {.program = "ingest-1", .kind = kind};
    struct sends sends = {0};
    begin(&rehearsal);
    long calls = measure(&rehearsal, run);
    long stride = calls <= FEW ? 1 : step;
    for (long n = 1; n <= calls; n += stride) {
        assert_no_leak(&rehearsal, run, n, &sends);
    }
    struct rehearsal first = rehearsal;
    assert_repeatable(&rehearsal, run, &sends);
    assert_whole(&rehearsal, run, sends.count + MEASURED);
    report(&first, what, calls);
    printf("  %-12s %-7s no leak; %u calls failed more than once to tell\n", first.program, what, first.again);
    ck_assert_uint_gt(first.reached, 0);
    finish(&rehearsal);
}

START_TEST(ingest_loses_and_doubles_nothing_when_memory_runs_out) {
    rehearse_ingest(FAILING_MEMORY, "ingest-memory", "memory");
}
END_TEST

START_TEST(ingest_loses_and_doubles_nothing_when_sockets_fail) {
    rehearse_ingest(FAILING_SOCKETS, "ingest-sockets", "sockets");
}
END_TEST

// ---- Dispatcher and persister: what was accepted arrives.

static bool arrives(struct rehearsal *rehearsal, const char *id) {
    supervise(rehearsal);
    return is_sent(id);
}

static void rehearse_worker(const char *program, enum failing_kind kind, const char *run, const char *what) {
    struct rehearsal rehearsal = {.program = program, .kind = kind};
    begin(&rehearsal);
    long calls = measure(&rehearsal, run);
    for (long n = 1; n <= calls; n += step) {
        supervise(&rehearsal);
        warm_up(&rehearsal);
        long before = atomic_load(&control->failed[kind]);
        arm(kind, n);
        char *id = send_one(&rehearsal, run, n);
        ck_assert_ptr_nonnull(id);
        WAIT_FOR(SETTLED_MS, arrives(&rehearsal, id));
        disarm();
        (void)deadline_pause(deadline_in(SETTLED_MS)); // if it ends over this, it has by now
        supervise(&rehearsal);
        (void)note_failures(&rehearsal, before);
        free(id);
    }
    assert_whole(&rehearsal, run, (calls + step - 1) / step + MEASURED);
    report(&rehearsal, what, calls);
    ck_assert_uint_gt(rehearsal.reached, 0);
    finish(&rehearsal);
}

START_TEST(a_dispatcher_loses_and_doubles_nothing_when_memory_runs_out) {
    rehearse_worker("dispatcher-1", FAILING_MEMORY, "dispatcher-memory", "memory");
}
END_TEST

START_TEST(a_dispatcher_loses_and_doubles_nothing_when_sockets_fail) {
    rehearse_worker("dispatcher-1", FAILING_SOCKETS, "dispatcher-sockets", "sockets");
}
END_TEST

START_TEST(a_persister_loses_and_doubles_nothing_when_memory_runs_out) {
    rehearse_worker("persister-1", FAILING_MEMORY, "persister-memory", "memory");
}
END_TEST

START_TEST(a_persister_loses_and_doubles_nothing_when_sockets_fail) {
    rehearse_worker("persister-1", FAILING_SOCKETS, "persister-sockets", "sockets");
}
END_TEST

static TCase *tests_of(const char *program) {
    TCase *tests = tcase_create(program);
    tcase_add_unchecked_fixture(tests, start, end);
    return tests;
}

// CK_RUN_CASE=dispatcher runs one program's.
Suite *suite_failing(void) {
    Suite *suite = suite_create("failing");
    TCase *ingest = tests_of("ingest"), *dispatcher = tests_of("dispatcher"), *persister = tests_of("persister");
    tcase_add_test(ingest, ingest_loses_and_doubles_nothing_when_memory_runs_out);
    tcase_add_test(ingest, ingest_loses_and_doubles_nothing_when_sockets_fail);
    tcase_add_test(dispatcher, a_dispatcher_loses_and_doubles_nothing_when_memory_runs_out);
    tcase_add_test(dispatcher, a_dispatcher_loses_and_doubles_nothing_when_sockets_fail);
    tcase_add_test(persister, a_persister_loses_and_doubles_nothing_when_memory_runs_out);
    tcase_add_test(persister, a_persister_loses_and_doubles_nothing_when_sockets_fail);
    suite_add_tcase(suite, ingest);
    suite_add_tcase(suite, dispatcher);
    suite_add_tcase(suite, persister);
    return suite;
}

#endif
