// SPDX-License-Identifier: MIT
#include "tests/support/stack.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/base/mem.h"
#include "tests/support/child.h"
#include "tests/support/logs.h"
#include "tests/support/port.h"
#include "tests/support/private_pooler.h"
#include "tests/support/private_postgres.h"

#define MAX_MEMBERS 16
#define MAX_ALLOWED 16
#define MAX_VARIABLES 64
#define START_MS 15000
#define STOP_MS 15000
#define CALL_MS 10000
#define SETTLE_MS 30000
#define KNOCKS 32 // connections by which all threads of an ingest are met: two of them are, but for one time in 10^9
#define REDIS "redis"
#define POSTGRES "postgres"
#define POOLER "pooler"
#define MOCK "mock-provider"

// A server or program; it keeps its place and port when it ends and is started again.
struct member {
    char *name;
    uint16_t port;       // 0: it listens nowhere
    struct child *child; // NULL once it has ended
    size_t log_from;     // bytes of its log that are of earlier starts
};

struct stack {
    char *folder;
    const char *const *environment;
    const char *const *redis_environment;
    char *postgres_url; // NULL: it is the member of that name
    struct member members[MAX_MEMBERS];
    size_t member_count;
    const char *allowed[MAX_ALLOWED + 1];
    struct probe *probe;
    bool unsettled; // connections may have been lost
    bool whole;     // stack_start_all was called
};

// Short times, so that what would take minutes shows within seconds; the claim time is at least 2 x the provider's
// time-out + 2 s.
static const char *const usual_environment[] = {
    "API_RATE_LIMIT_PER_IP_PER_MIN=1000000", "API_RATE_LIMIT_PER_SENDER_PER_MIN=1000000",
    "API_WORKER_CLAIM_TIMEOUT_SECS=4", "API_WORKER_BACKOFF_BASE_MS=20", "API_WORKER_BACKOFF_CAP_MS=200",
    "PROVIDER_TIMEOUT_MS=1000",
    // a suite that wants the mock's receipts sets WEBHOOK_PUBLIC_URL, too
    "API_PROVIDER_RECEIPTS_PCT=0", "INGEST_THREADS=2", "LOG_LEVEL=info", NULL};

// Without a persister nobody says who has opted out, and a dispatcher would wait for that.
static const char *const environment_of_parts[] = {"OPT_OUT=off", NULL};

static bool starts_with(const char *text, const char *beginning) {
    return strncmp(text, beginning, strlen(beginning)) == 0;
}

static bool is_server(const char *name) {
    return starts_with(name, REDIS) || strcmp(name, POSTGRES) == 0 || strcmp(name, POOLER) == 0;
}

static struct member *find(struct stack *stack, const char *name) {
    for (size_t i = 0; i < stack->member_count; i++) {
        if (strcmp(stack->members[i].name, name) == 0) {
            return &stack->members[i];
        }
    }
    return NULL;
}

static struct member *must_find(struct stack *stack, const char *name) {
    struct member *member = find(stack, name);
    ck_assert_msg(member != NULL, "%s was never started", name);
    return member;
}

static struct member *find_or_add(struct stack *stack, const char *name) {
    struct member *member = find(stack, name);
    if (member == NULL) {
        ck_assert_uint_lt(stack->member_count, MAX_MEMBERS);
        member = &stack->members[stack->member_count++];
        bool listens = !starts_with(name, "dispatcher") && !starts_with(name, "persister");
        *member = (struct member){.name = xstrdup(name), .port = listens ? free_port() : 0};
    }
    return member;
}

uint16_t stack_port(struct stack *stack, const char *name) {
    return find_or_add(stack, name)->port;
}

// The shipped one, as a copy of the stack's own: a Sentinel has Redis write into it (CONFIG REWRITE). Owned by the
// caller.
static char *redis_configuration(const char *data) {
    char *path = xasprintf("%s/redis.conf", data), *shipped = xasprintf("%s/redis/redis.conf", getenv("PROJECT_ROOT"));
    const char *argv[] = {"cp", shipped, path, NULL};
    if (access(path, F_OK) != 0) {
        child_run(&(struct child_options){.name = "cp", .folder = data, .argv = argv, .death_signal = SIGKILL},
                  START_MS);
    }
    free(shipped);
    return path;
}

static bool answers_redis(uint16_t port) {
    redisContext *context = redisConnect("127.0.0.1", port);
    redisReply *reply = context != NULL && context->err == 0 ? redisCommand(context, "DBSIZE") : NULL;
    bool answers = reply != NULL && reply->type == REDIS_REPLY_INTEGER;
    freeReplyObject(reply);
    redisFree(context);
    return answers;
}

static void start_redis(struct stack *stack, struct member *member, const char *const *extra) {
    char *port = xasprintf("%u", member->port);
    char *data = xasprintf("%s/%s", stack->folder, member->name);
    ck_assert_msg(mkdir(data, 0755) == 0 || errno == EEXIST, "%s: %s", data, strerror(errno));
    char *configuration = redis_configuration(data);
    char *mend = xasprintf("%s/redis/mend.sh", getenv("PROJECT_ROOT"));
    const char *argv[MAX_VARIABLES] = {"sh", mend, data, "redis-server", configuration, "--port", port, "--dir", data};
    for (size_t i = 0; extra != NULL && extra[i] != NULL; i++) {
        argv[9 + i] = extra[i];
    }
    member->child = child_start(&(struct child_options){.name = member->name,
                                                        .folder = stack->folder,
                                                        .argv = argv,
                                                        .environment = stack->redis_environment,
                                                        .death_signal = SIGKILL});
    WAIT_FOR(START_MS, !child_is_running(member->child) || answers_redis(member->port));
    free(mend);
    free(data);
    free(port);
    free(configuration);
}

void stack_redis_environment(struct stack *stack, const char *const *environment) {
    stack->redis_environment = environment;
}

static void start_postgres(struct stack *stack, struct member *member, const char *const *settings) {
    char *data = xasprintf("%s/postgres", stack->folder);
    if (access(data, F_OK) != 0) {
        postgres_make_template();
        postgres_copy_template(stack->folder);
    }
    member->child = postgres_start(stack->folder, member->port, settings);
    free(data);
}

// "ingest" of "ingest-1"; owned by the caller.
static char *program_path(const char *name) {
    size_t length = strlen(name);
    while (length > 0 && strchr("-0123456789", name[length - 1]) != NULL) {
        length--;
    }
    return xasprintf("%s/%.*s", getenv("BUILD_DIR"), (int)length, name);
}

static bool is_given(const char *const *variables, size_t count, const char *one) {
    size_t name = strcspn(one, "=") + 1;
    for (size_t i = 0; i < count; i++) {
        if (strncmp(variables[i], one, name) == 0) {
            return true;
        }
    }
    return false;
}

static char *log_path(const struct stack *stack, const char *name) {
    return xasprintf("%s/%s.log", stack->folder, name);
}

static size_t log_length(const struct stack *stack, const char *name) {
    char *path = log_path(stack, name);
    struct stat status;
    size_t length = stat(path, &status) == 0 ? (size_t)status.st_size : 0;
    free(path);
    return length;
}

static void start_program(struct stack *stack, struct member *member, const char *const *extra) {
    const char *variables[MAX_VARIABLES + 1] = {0};
    size_t count = 0;
    char *postgres =
        stack->postgres_url != NULL ? xstrdup(stack->postgres_url) : postgres_url(stack_port(stack, POSTGRES));
    char *own[] = {xasprintf("INSTANCE_ID=%s", member->name),
                   xasprintf("REDIS_URL=redis://127.0.0.1:%u", stack_port(stack, REDIS)),
                   xasprintf("DATABASE_URL=%s", postgres), xasprintf("MOCK_PROVIDER_PORT=%u", stack_port(stack, MOCK)),
                   xasprintf("PORT=%u", member->port)};
    const char *const *layers[] = {extra, stack->environment, stack->whole ? NULL : environment_of_parts,
                                   usual_environment}; // the first of a name counts
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        for (const char *const *one = layers[i]; one != NULL && *one != NULL; one++) {
            ck_assert_uint_lt(count, MAX_VARIABLES);
            if (!is_given(variables, count, *one)) {
                variables[count++] = *one;
            }
        }
    }
    for (size_t i = 0; i < sizeof own / sizeof *own && count < MAX_VARIABLES; i++) {
        if (!(i == 4 && member->port == 0) && !is_given(variables, count, own[i])) {
            variables[count++] = own[i];
        }
    }
    member->log_from = log_length(stack, member->name);
    char *path = program_path(member->name);
    const char *valgrind = getenv("VALGRIND");
    const char *plain[] = {path, NULL};
    const char *checked[] = {
        "valgrind", "-q", "--leak-check=full", "--errors-for-leak-kinds=definite", "--error-exitcode=99", path, NULL};
    member->child =
        child_start(&(struct child_options){.name = member->name,
                                            .folder = stack->folder,
                                            .argv = valgrind != NULL && valgrind[0] == '1' ? checked : plain,
                                            .environment = variables,
                                            .death_signal = SIGKILL});
    free(path);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        free(own[i]);
    }
    free(postgres);
}

// An ingest that has what it can have: Redis, and Postgres where that runs.
static bool is_ready(struct stack *stack, const char *name) {
    struct answer *answer = stack_call(stack, name, "GET", "/readyz", NULL, NULL);
    bool ready = answer->status == 200 &&
                 (!stack_is_running(stack, POSTGRES) || strcmp(answer_text(answer, "postgres"), "up") == 0);
    answer_free(answer);
    return ready;
}

static bool serves_or_ended(struct stack *stack, struct member *member) {
    if (!child_is_running(member->child)) {
        return true;
    }
    if (starts_with(member->name, "ingest") && stack_is_running(stack, REDIS)) {
        return is_ready(stack, member->name);
    }
    return stack_status(stack, member->name, "GET", "/", NULL) != 0;
}

void stack_launch(struct stack *stack, const char *name, const char *const *environment) {
    struct member *member = find_or_add(stack, name);
    ck_assert_msg(member->child == NULL, "%s runs already", name);
    if (starts_with(name, REDIS)) {
        start_redis(stack, member, environment);
    } else if (strcmp(name, POSTGRES) == 0) {
        start_postgres(stack, member, environment);
    } else if (strcmp(name, POOLER) == 0) {
        member->child = pooler_start(stack->folder, member->port, stack_port(stack, POSTGRES), environment);
    } else {
        start_program(stack, member, environment);
    }
}

// Which start of the mock has written what is configured; owned by the caller.
static char *config_owner(struct stack *stack) {
    redisReply *reply = stack_redis(stack, "HGET mock:config owner");
    char *owner = xstrdup(reply != NULL && reply->type == REDIS_REPLY_STRING ? reply->str : "");
    freeReplyObject(reply);
    return owner;
}

static bool has_new_owner(struct stack *stack, const char *former) {
    char *owner = config_owner(stack);
    bool is_new = owner[0] != '\0' && strcmp(owner, former) != 0;
    free(owner);
    return is_new;
}

// The mock begins by writing its settings over what was configured, maybe after it has begun to serve: what a test
// configures before that would be lost.
static void start_mock(struct stack *stack, const char *const *environment) {
    char *former = config_owner(stack);
    stack_launch(stack, MOCK, environment);
    WAIT_FOR(START_MS, !stack_is_running(stack, MOCK) || has_new_owner(stack, former));
    free(former);
}

static int starts_logged(struct stack *stack, const char *name) {
    char *path = log_path(stack, name);
    int count = logs_count(path, "started");
    free(path);
    return count;
}

void stack_start_with(struct stack *stack, const char *name, const char *const *environment) {
    int starts = starts_logged(stack, name);
    if (strcmp(name, MOCK) == 0 && stack_is_running(stack, REDIS)) {
        start_mock(stack, environment);
    } else {
        stack_launch(stack, name, environment);
    }
    struct member *member = must_find(stack, name);
    if (member->port != 0 && !is_server(name)) {
        WAIT_FOR(START_MS, serves_or_ended(stack, member));
    }
    if (!is_server(name)) { // before that a signal would find it half-way
        WAIT_FOR(START_MS, !child_is_running(member->child) || starts_logged(stack, name) > starts);
    }
    ck_assert_msg(child_is_running(member->child), "%s ended with %d: see %s/%s.log", name,
                  child_wait(member->child, 0), stack->folder, name);
}

void stack_start(struct stack *stack, const char *name) {
    stack_start_with(stack, name, NULL);
}

void stack_start_all(struct stack *stack) {
    stack->whole = true;
    if (stack->postgres_url == NULL) {
        stack_start(stack, POSTGRES);
    }
    stack_start(stack, MOCK);
    stack_start(stack, "dispatcher-1");
    stack_start(stack, "persister-1");
    stack_start(stack, "ingest-1");
}

struct stack *stack_create(const char *suite, const char *const *environment) {
    struct stack *stack = xcalloc(1, sizeof *stack);
    stack->folder = xasprintf("%s/%s", getenv("TEST_ROOT"), suite);
    stack->environment = environment;
    ck_assert_msg(mkdir(stack->folder, 0755) == 0, "%s: %s", stack->folder, strerror(errno));
    char *url = postgres_url(stack_port(stack, POSTGRES));
    stack->probe = probe_create(stack_port(stack, REDIS), url);
    free(url);
    stack_start(stack, REDIS);
    return stack;
}

void stack_use_postgres(struct stack *stack, const char *url) {
    stack->postgres_url = xstrdup(url);
    probe_destroy(stack->probe);
    stack->probe = probe_create(stack_port(stack, REDIS), url);
}

static bool links_are_up(struct stack *stack, const struct member *member) {
    char *path = log_path(stack, member->name);
    bool up =
        (!stack_is_running(stack, REDIS) || logs_links_are_up(path, member->log_from, "redis_up", "redis_down")) &&
        (!stack_is_running(stack, POSTGRES) ||
         logs_links_are_up(path, member->log_from, "postgres_up", "postgres_down"));
    free(path);
    return up;
}

static bool runs_program(struct member *member) {
    return member->child != NULL && !is_server(member->name) && child_is_running(member->child);
}

static bool all_links_are_up(struct stack *stack) {
    for (size_t i = 0; i < stack->member_count; i++) {
        if (runs_program(&stack->members[i]) && !links_are_up(stack, &stack->members[i])) {
            return false;
        }
    }
    return true;
}

// A thread that has answered has noticed before, and said in the log, what it had lost until it was asked.
static bool all_threads_answer(struct stack *stack, const char *name) {
    for (int i = 0; i < KNOCKS; i++) {
        struct answer *answer = stack_call(stack, name, "GET", "/readyz", NULL, NULL);
        bool up = !stack_is_running(stack, REDIS) || strcmp(answer_text(answer, "redis"), "up") == 0;
        bool answers = answer->status != 0 && up;
        answer_free(answer);
        if (!answers) {
            return false;
        }
    }
    return true;
}

static bool is_settled(struct stack *stack) {
    if (!all_links_are_up(stack)) {
        return false;
    }
    for (size_t i = 0; i < stack->member_count; i++) {
        struct member *member = &stack->members[i];
        if (runs_program(member) && starts_with(member->name, "ingest") && !all_threads_answer(stack, member->name)) {
            return false;
        }
    }
    return all_links_are_up(stack);
}

void stack_settle(struct stack *stack) {
    WAIT_FOR(SETTLE_MS, is_settled(stack));
    stack->unsettled = false;
}

void stack_recover(struct stack *stack) {
    for (size_t i = 0; i < stack->member_count; i++) {
        if (stack->members[i].child != NULL) {
            child_signal(stack->members[i].child, SIGCONT);
        }
    }
    const char *const servers[] = {REDIS, POSTGRES};
    for (size_t i = 0; i < 2; i++) {
        char *data = xasprintf("%s/%s.log", stack->folder, servers[i]);
        if (find(stack, servers[i])->child == NULL && access(data, F_OK) == 0) {
            stack_start(stack, servers[i]);
        }
        free(data);
    }
    if (stack->unsettled) {
        stack_settle(stack);
    }
}

void stack_allow_error(struct stack *stack, const char *event) {
    for (size_t i = 0; i < MAX_ALLOWED; i++) {
        if (stack->allowed[i] == NULL || strcmp(stack->allowed[i], event) == 0) {
            stack->allowed[i] = event;
            return;
        }
    }
    ck_abort_msg("more than %d events allowed", MAX_ALLOWED);
}

bool stack_is_running(struct stack *stack, const char *name) {
    struct member *member = find(stack, name);
    return member != NULL && member->child != NULL && child_is_running(member->child);
}

void stack_signal(struct stack *stack, const char *name, int signal) {
    struct member *member = must_find(stack, name);
    ck_assert_msg(member->child != NULL, "%s doesn't run", name);
    child_signal(member->child, signal);
    stack->unsettled |= signal == SIGSTOP;
}

const char *stack_folder(const struct stack *stack) {
    return stack->folder;
}

pid_t stack_pid(struct stack *stack, const char *name) {
    struct member *member = must_find(stack, name);
    ck_assert_msg(member->child != NULL, "%s doesn't run", name);
    return child_pid(member->child);
}

int stack_bury(struct stack *stack, const char *name) {
    struct member *member = must_find(stack, name);
    int status = child_wait(member->child, deadline_scaled(STOP_MS));
    child_destroy(member->child);
    member->child = NULL;
    stack->unsettled |= is_server(name);
    return status;
}

static int end(struct stack *stack, const char *name, int signal) {
    stack_signal(stack, name, signal);
    return stack_bury(stack, name);
}

void stack_stop(struct stack *stack, const char *name) {
    int status = end(stack, name, strcmp(name, POSTGRES) == 0 ? SIGINT : SIGTERM);
    ck_assert_msg(status == 0, "%s ended with %d (-1: not within %d ms)", name, status, deadline_scaled(STOP_MS));
}

void stack_kill(struct stack *stack, const char *name) {
    // The end of Postgres's first process alone would leave the others, which hold the data for a moment longer.
    if (strcmp(name, POSTGRES) == 0) {
        child_kill_family(must_find(stack, name)->child);
    }
    (void)end(stack, name, SIGKILL);
}

// Ingest first, so that nothing new comes while the others drain.
void stack_finish(struct stack *stack) {
    stack_recover(stack);
    const char *const order[] = {"ingest", "dispatcher", "persister", MOCK};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        for (size_t k = 0; k < stack->member_count; k++) {
            if (starts_with(stack->members[k].name, order[i]) && stack->members[k].child != NULL) {
                stack_stop(stack, stack->members[k].name);
            }
        }
    }
    for (size_t i = 0; i < stack->member_count; i++) {
        const char *name = stack->members[i].name;
        char *path = log_path(stack, name);
        char *fault = is_server(name) ? NULL : logs_fault(path, stack->allowed);
        ck_assert_msg(fault == NULL, "%s logged: %s", name, fault);
        free(path);
    }
}

static void remove_folder(const char *folder) {
    const char *keep = getenv("KEEP");
    if (keep == NULL || keep[0] != '1') {
        const char *argv[] = {"rm", "-rf", folder, NULL};
        child_run(&(struct child_options){.name = "rm", .folder = "/tmp", .argv = argv, .death_signal = SIGKILL},
                  START_MS);
    }
}

void stack_destroy(struct stack *stack) {
    for (size_t i = 0; i < stack->member_count; i++) {
        struct child *child = stack->members[i].child;
        if (child != NULL && strcmp(stack->members[i].name, POSTGRES) == 0) {
            child_signal(child, SIGQUIT); // so that its own children end with it
            (void)child_wait(child, STOP_MS);
        }
        child_destroy(child);
        free(stack->members[i].name);
    }
    probe_destroy(stack->probe);
    remove_folder(stack->folder);
    free(stack->postgres_url);
    free(stack->folder);
    free(stack);
}

int stack_log_count(struct stack *stack, const char *name, const char *event) {
    char *path = log_path(stack, name);
    int count = logs_count(path, event);
    free(path);
    return count;
}

int stack_log_about(struct stack *stack, const char *name, const char *event, const char *text) {
    char *path = log_path(stack, name);
    int count = logs_count_about(path, event, text);
    free(path);
    return count;
}

struct answer *stack_call(struct stack *stack, const char *name, const char *method, const char *path, const char *body,
                          const char *const *headers) {
    char *url = xasprintf("http://127.0.0.1:%u%s", stack_port(stack, name), path);
    struct answer *answer = client_call(method, url, body, headers, deadline_scaled(CALL_MS));
    free(url);
    return answer;
}

long stack_status(struct stack *stack, const char *name, const char *method, const char *path, const char *body) {
    struct answer *answer = stack_call(stack, name, method, path, body, NULL);
    long status = answer->status;
    answer_free(answer);
    return status;
}

int64_t stack_sql(struct stack *stack, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int64_t number = probe_vsql(stack->probe, format, arguments);
    va_end(arguments);
    return number;
}

char *stack_sql_text(struct stack *stack, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *text = probe_vsql_text(stack->probe, format, arguments);
    va_end(arguments);
    return text;
}

redisReply *stack_redis(struct stack *stack, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    redisReply *reply = probe_vredis(stack->probe, format, arguments);
    va_end(arguments);
    return reply;
}

redisReply *stack_redis_argv(struct stack *stack, int argc, const char **argv) {
    return probe_redis_argv(stack->probe, argc, argv);
}

int64_t stack_redis_int(struct stack *stack, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    redisReply *reply = probe_vredis(stack->probe, format, arguments);
    va_end(arguments);
    int64_t number = reply != NULL && reply->type == REDIS_REPLY_INTEGER ? reply->integer : PROBE_NONE;
    freeReplyObject(reply);
    return number;
}

void stack_follow_redis(struct stack *stack, uint16_t port) {
    probe_use_redis(stack->probe, port);
}

bool stack_is_drained(struct stack *stack) {
    const char *const tags[] = {"sms-mms:0", "email:0"};
    for (size_t i = 0; i < 2; i++) {
        if (stack_redis_int(stack, "XLEN outbound:{%s}", tags[i]) != 0 ||
            stack_redis_int(stack, "HLEN parked:{%s}", tags[i]) != 0 ||
            stack_redis_int(stack, "HLEN held:{%s}", tags[i]) != 0 ||
            stack_redis_int(stack, "XLEN events:{%s}", tags[i]) != 0) {
            return false;
        }
    }
    return true;
}
