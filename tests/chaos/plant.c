// SPDX-License-Identifier: MIT
#include "tests/chaos/plant.h"

#include <check.h>
#include <inttypes.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/buf.h"
#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "tests/chaos/receipts.h"
#include "tests/chaos/sampler.h"
#include "tests/support/child.h"
#include "tests/support/private_postgres.h"

#define ID "%36[0-9a-f-]"

// What plant.sql and the functions below make.
static const char *const planted[] = {
    "a 202 without its row",
    "a doubled row",
    "a row of other content",
    "a row that was never accepted",
    "a 202 that can't be read",
    "wrong counts",
    "poison that vanished",
    "a dead letter that was no poison",
    "an unreadable webhook that vanished",
    "an unreadable webhook kept twice",
    "a webhook that nobody kept",
    "a 202 that was not delivered",
    "a call of nothing accepted",
    "an unexplained repeat",
    "a call after the end",
    "a call inside a pause",
    "a receipt that vanished",
    "a receipt that nobody sent",
    "a receipt that should not stand",
    "a call of who has opted out",
    "an opt-out that Postgres doesn't know",
    "a burst's 202 without its row",
    "a burst's row of no 202",
    "a call before its time",
    "a call after its cancel",
    "a cancel that did not hold",
    "a cancel that nobody asked for",
    "a message out of order",
    "held and their order apart",
    "scheduled and due apart",
    "a token in two places",
    "a turn or a time of nobody",
    "a key that lives too long",
    "memory that stays",
    "an unexplained error line",
    "a line that is no log line",
};

// The sends that the first request brought in, as an array of Postgres.
static void write_accepted(const struct run *run, struct buf *out) {
    char id[UUID_TEXT_SIZE];
    buf_puts(out, "CREATE TEMPORARY TABLE accepted AS SELECT unnest('{");
    const char *comma = "";
    for (uint32_t number = 0; number < ledger_count(run->ledger); number++) {
        const struct ledger_entry *entry = ledger_at(run->ledger, number);
        if (entry->accepted && entry->is_send && !entry->is_refused && entry->ambiguous == 0) {
            uuid_format(&entry->id, id);
            buf_printf(out, "%s%s", comma, id);
            comma = ",";
        }
    }
    buf_puts(out, "}'::uuid[]) AS id;\n");
}

// A receipt that the mock was heard with.
static void write_heard(const struct run *run, struct buf *out) {
    char id[40], of_provider[80], status[16];
    struct receipts *heard = receipts_read(run->world->receipt_file);
    ck_assert_msg(receipts_count(heard) > 0, "not one receipt was heard");
    ck_assert_int_eq(sscanf(receipts_at(heard, 0)->text, "%39s %79s %15s", id, of_provider, status), 3);
    buf_printf(out, "CREATE TEMPORARY TABLE heard AS SELECT '%s'::uuid AS id, '%s' AS of_provider, '%s' AS status;\n",
               id, of_provider, status);
    receipts_free(heard);
}

static void append(const char *path, const char *line) {
    FILE *file = fopen(path, "ae");
    ck_assert_msg(file != NULL && fputs(line, file) >= 0 && fclose(file) == 0, "%s can't be written", path);
}

// Who said STOP last, and stays with it.
static int last_pair(const struct run *run) {
    ck_assert_msg(optouts_times(run->optouts) > 0, "nobody has opted out");
    return optouts_time_at(run->optouts, optouts_times(run->optouts) - 1)->pair;
}

static void write_opted_out(const struct run *run, struct buf *out) {
    char address[24];
    optouts_address(last_pair(run), address);
    buf_printf(out, "CREATE TEMPORARY TABLE opted_out AS SELECT '%s' AS address;\n", address);
}

// A message to them is called a minute from now, which no injection explains.
static void call_opted_out(struct run *run) {
    char id[UUID_TEXT_SIZE], line[128];
    for (uint32_t i = 0; i < optouts_sends(run->optouts); i++) {
        if (optouts_send_at(run->optouts, i)->pair == last_pair(run)) {
            uuid_format(&optouts_send_at(run->optouts, i)->id, id);
            snprintf(line, sizeof line, "%" PRId64 " sms-mms %s repeated\n", clock_unix_ms() + 60000, id);
            append(run->world->mock_ledger, line);
            return;
        }
    }
}

// Messages of bursts about which nothing is in doubt, each another.
struct burst_victims {
    const struct burst_message *stored, *wrongly_cancelled; // of batches
    const struct burst_message *early;                      // was called when it was due
    const struct burst_message *late, *sent;                // were cancelled before they were due
    const struct burst_message *first, *second;             // of one conversation
};

static struct burst_victims find_bursts(const struct run *run) {
    struct burst_victims victims = {0};
    for (uint32_t number = 0; number < bursts_count(run->bursts); number++) {
        const struct burst_message *message = bursts_at(run->bursts, number);
        uint32_t next = bursts_next(run->bursts, number);
        const struct burst_message **place = NULL;
        if (message->is_certain && message->in_batch && message->due_ms == 0 && message->cancel == BURST_KEPT) {
            place = victims.stored == NULL ? &victims.stored : &victims.wrongly_cancelled;
        } else if (message->is_certain && message->due_ms != 0 && message->cancel == BURST_KEPT) {
            place = &victims.early;
        } else if (message->is_certain && message->due_ms > message->cancelled_ms &&
                   message->cancel == BURST_CANCELLED) {
            place = victims.late == NULL ? &victims.late : &victims.sent;
        } else if (next != BURSTS_NONE) {
            place = &victims.first;
            victims.second = *place == NULL ? bursts_at(run->bursts, next) : victims.second;
        }
        if (place != NULL && *place == NULL) {
            *place = message;
        }
    }
    ck_assert_msg(victims.wrongly_cancelled != NULL && victims.early != NULL && victims.sent != NULL &&
                      victims.first != NULL,
                  "too few messages of bursts to plant faults in");
    return victims;
}

static void write_burst(struct buf *out, const char *comma, const char *what, const struct burst_message *message) {
    char id[UUID_TEXT_SIZE];
    uuid_format(&message->id, id);
    buf_printf(out, "%s('%s', '%s'::uuid)", comma, what, id);
}

static void write_bursts(const struct burst_victims *victims, struct buf *out) {
    buf_puts(out, "CREATE TEMPORARY TABLE bursts AS SELECT * FROM (VALUES ");
    write_burst(out, "", "stored", victims->stored);
    write_burst(out, ", ", "wrongly cancelled", victims->wrongly_cancelled);
    write_burst(out, ", ", "sent", victims->sent);
    write_burst(out, ", ", "first", victims->first);
    write_burst(out, ", ", "second", victims->second);
    buf_puts(out, ") v (what, id);\n");
}

static void call_burst(struct run *run, const struct burst_message *message, int64_t at_ms) {
    char id[UUID_TEXT_SIZE], line[128];
    uuid_format(&message->id, id);
    snprintf(line, sizeof line, "%" PRId64 " sms-mms %s repeated\n", at_ms, id);
    append(run->world->mock_ledger, line);
}

// Returns the last statement's text, owned by the caller.
static char *run_script(struct run *run, const struct burst_victims *victims) {
    struct buf all = {0};
    write_accepted(run, &all);
    write_heard(run, &all);
    write_opted_out(run, &all);
    write_bursts(victims, &all);
    char *url = postgres_url(stack_port(run->world->stack, "postgres"));
    char *path = xasprintf("%s/tests/chaos/plant.sql", getenv("PROJECT_ROOT"));
    char *sql = read_whole_file(path);
    PGconn *connection = PQconnectdb(url);
    ck_assert_msg(sql != NULL, "%s can't be read", path);
    buf_puts(&all, sql);
    PGresult *result = PQexec(connection, all.data);
    ck_assert_msg(PQntuples(result) == 1, "%s: %s", path, PQerrorMessage(connection));
    char *text = xstrdup(PQgetvalue(result, 0, 0));
    PQclear(result);
    PQfinish(connection);
    buf_free(&all);
    free(sql);
    free(path);
    free(url);
    return text;
}

// Takes a message's calls out of the mock's ledger.
static void hide_calls(const char *path, const char *id) {
    char *text = read_whole_file(path);
    FILE *file = fopen(path, "we");
    ck_assert(text != NULL && file != NULL);
    for (char *rest = text, *line; (line = strsep(&rest, "\n")) != NULL && *line != '\0';) {
        if (strstr(line, id) == NULL) {
            fprintf(file, "%s\n", line);
        }
    }
    fclose(file);
    free(text);
}

// What the sampler must see, for as long as it looks: the programs, which still run, know what to do about it.
static void plant_sample(struct run *run) {
    static const char *const made[] = {"ZADD held-order:{email:0} 0 planted", "HSET held:{sms-mms:0} planted:0 x",
                                       "ZADD held-order:{sms-mms:0} 0 planted",
                                       "HSET scheduled:{sms-mms:0} planted:0 x"};
    static const char *const unmade[] = {
        "DEL held-order:{email:0} held:{sms-mms:0} held-order:{sms-mms:0} scheduled:{sms-mms:0}",
        "DEL scheduled-due:{email:0} scheduled-due:{sms-mms:0}", "DEL held-due:{email:0} held-due:{sms-mms:0}"};
    struct stack *stack = run->world->stack;
    int64_t due_ms = clock_unix_ms() + 60000;
    freeReplyObject(stack_redis(stack, "ZADD scheduled-due:{email:0} %lld planted:0", (long long)due_ms));
    freeReplyObject(stack_redis(stack, "ZADD scheduled-due:{sms-mms:0} %lld planted:0", (long long)due_ms));
    for (size_t i = 0; i < sizeof made / sizeof *made; i++) {
        freeReplyObject(stack_redis(stack, made[i]));
    }
    sampler_look_once(&run->options, world_redis_port(run->world), stack_port(stack, "postgres"), run->report);
    for (size_t i = 0; i < sizeof unmade / sizeof *unmade; i++) {
        freeReplyObject(stack_redis(stack, unmade[i]));
    }
    freeReplyObject(stack_redis(stack, "HSET turn:{email:0} planted planted:0"));
}

void plant_faults(struct run *run) {
    char hidden[UUID_TEXT_SIZE], repeated[UUID_TEXT_SIZE], line[128];
    struct burst_victims victims = find_bursts(run);
    char *ids = run_script(run, &victims);
    ck_assert_msg(sscanf(ids, ID " " ID, hidden, repeated) == 2, "too few messages of one call to plant faults in");
    hide_calls(run->world->mock_ledger, hidden);
    snprintf(line, sizeof line, "%" PRId64 " email %s repeated\n", clock_unix_ms() + 60000, repeated);
    append(run->world->mock_ledger, line); // an injection may have held the message's own call,
    append(run->world->mock_ledger, line); // but not this one too
    call_opted_out(run);
    call_burst(run, victims.early, victims.early->due_ms - 1000);
    call_burst(run, victims.late, clock_unix_ms() + 60000);
    plant_sample(run);
    freeReplyObject(stack_redis(run->world->stack, "SET rate:{email:0}:planted:1 1"));
    freeReplyObject(stack_redis(run->world->stack, "SETRANGE planted 5000000 x"));
    free(ids);
}

void plant_lines(struct run *run) {
    char *path = xasprintf("%s/dispatcher-1.log", stack_folder(run->world->stack));
    append(path, "{\"ts\":\"2024-11-01T14:00:00.000Z\",\"level\":\"error\",\"event\":\"planted\"}\n");
    append(path, "==1==ERROR: planted\n");
    free(path);
}

void plant_check(struct run *run) {
    uint64_t of_planted = 0;
    for (size_t i = 0; i < sizeof planted / sizeof *planted; i++) {
        uint64_t found = report_found(run->report, planted[i]);
        ck_assert_msg(found > 0, "the audit did not find %s", planted[i]);
        of_planted += found;
    }
    ck_assert_msg(of_planted == report_breaches(run->report), "the audit found something that was not planted");
    printf("all %zu kinds of planted faults were found\n", sizeof planted / sizeof *planted);
}
