// SPDX-License-Identifier: MIT
#include "tests/protocol/receipts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/protocol/wire.h"
#include "tests/support/reply.h"

enum {
    DAY_MS = 24 * 3600 * 1000, // as redis/messaging.lua: for at least so long it knows what came
    ARRIVED_MS = 600000,       // likewise: and so long what has arrived
    APART_MS = 1000,           // between two receipts about one call
    DELIVERED_PERCENT = 65,
    TIMELESS_PERCENT = 20, // a vendor that gives no time
    WAITING_PERCENT = 50,  // are of a message that waits for another call
    REPLAYED_PERCENT = 30,
    KNOWN_PERCENT = 25, // of a new request's receipts came before
    DIGEST_SIZE = 11,
};

// After these, what Redis knows of the receipts is not what the bystander saw.
static bool is_excused(const struct world *world) {
    return world->failed_over || world->jumped;
}

// ---- What the provider has to say

static bool waits(const struct ledger *ledger, const struct provider_call *call) {
    return call->ended && ledger->tokens[call->message][call->generation].live;
}

// From a random one on, the first call that the provider has taken; -1: there is none. waiting: only one whose message
// waits for another; replayed: only one of a message that was replayed.
static int find_call(const struct ledger *ledger, int first, bool waiting, bool replayed) {
    for (int i = 0; i < ledger->call_count; i++) {
        const struct provider_call *call = &ledger->calls[(first + i) % ledger->call_count];
        if (call->taken && (!waiting || waits(ledger, call)) && (!replayed || call->generation > 0)) {
            return (first + i) % ledger->call_count;
        }
    }
    return -1;
}

static int choose_call(struct world *world) {
    const struct ledger *ledger = &world->ledger;
    bool waiting = random_chance(&world->random, WAITING_PERCENT);
    bool replayed = random_chance(&world->random, REPLAYED_PERCENT);
    int first = ledger->call_count > 0 ? random_below(&world->random, ledger->call_count) : 0;
    int call = find_call(ledger, first, waiting, replayed);
    return call >= 0 ? call : find_call(ledger, first, waiting, false);
}

// Several about one call are at the same time, or before and after one another, in whatever order they are made.
static int make_receipt(struct world *world) {
    struct receipts_book *book = &world->receipts;
    int call = choose_call(world);
    if (call < 0 || book->count == MOST_RECEIPTS) {
        return RECEIPT_NONE;
    }
    const struct provider_call *about = &world->ledger.calls[call];
    int64_t begun_ms = world_host_ms(world) - (world->boot_ms - about->begun_ms);
    int64_t at_ms = begun_ms + random_within(&world->random, 0, 2) * APART_MS;
    bool delivered = random_chance(&world->random, DELIVERED_PERCENT);
    book->receipts[book->count] = (struct provider_receipt){
        .call = call,
        .message = about->message,
        .status = delivered ? RECEIPT_DELIVERED : RECEIPT_UNDELIVERED,
        .at_ms = random_chance(&world->random, TIMELESS_PERCENT) ? RECEIPT_NO_TIME : at_ms,
    };
    return book->count++;
}

static int choose_receipt(struct world *world) {
    struct receipts_book *book = &world->receipts;
    bool known = book->count > 0 && random_chance(&world->random, KNOWN_PERCENT);
    return known ? random_below(&world->random, book->count) : make_receipt(world);
}

static bool holds(const struct receipt_request *request, int receipt) {
    for (int i = 0; i < request->count; i++) {
        if (request->receipts[i] == receipt) {
            return true;
        }
    }
    return false;
}

// The number of a new request, or -1 where there is nothing to say.
static int make_request(struct world *world) {
    struct receipts_book *book = &world->receipts;
    if (book->request_count == MOST_REQUESTS) {
        return -1;
    }
    struct receipt_request *request = &book->requests[book->request_count];
    *request = (struct receipt_request){.count = 0};
    do {
        int receipt = choose_receipt(world);
        if (receipt != RECEIPT_NONE && !holds(request, receipt)) {
            request->receipts[request->count++] = receipt;
        }
    } while (request->count < RECEIPTS_IN_REQUEST && random_chance(&world->random, 35));
    return request->count > 0 ? book->request_count++ : -1;
}

// ---- The call

static void put_receipt(const struct world *world, int number, struct command *command) {
    const struct provider_receipt *receipt = &world->receipts.receipts[number];
    char code[16], sid[16], digest[24];
    struct buf payload = {0};
    snprintf(code, sizeof code, "%d", number);
    snprintf(sid, sizeof sid, "SM%d", receipt->call);
    snprintf(digest, sizeof digest, "r%09d", number);
    receipt_entry_encode(&(struct receipt_entry){.provider = PROVIDER_SMS_MMS,
                                                 .status = receipt->status,
                                                 .at_ms = receipt->at_ms,
                                                 .code = code,
                                                 .provider_message_id = sid},
                         &payload);
    command_text(command, world->ledger.messages[receipt->message].id);
    command_text(command, receipt_status_name(receipt->status));
    command_text(command, digest);
    command_bytes(command, payload.data, payload.length);
    buf_free(&payload);
}

// signed: with what stands for the signature, by which a request is known that comes again.
static struct command receipts_command(const struct world *world, int number, bool is_signed) {
    const struct receipt_request *request = &world->receipts.requests[number];
    struct command command = command_function(LIBRARY_RECEIPTS, 4);
    char signature[24];
    snprintf(signature, sizeof signature, "q%09d", number);
    command_text(&command, KEY_EVENTS);
    command_text(&command, KEY_PARKED);
    command_text(&command, KEY_DUE);
    command_text(&command, KEY_REFUSED);
    command_int(&command, world->cap);
    command_int(&command, world->wall_ms + REPLY_MS);
    command_int(&command, 1); // memory isn't short
    command_text(&command, is_signed ? signature : "");
    for (int i = 0; i < request->count; i++) {
        put_receipt(world, request->receipts[i], &command);
    }
    return command;
}

// ---- What comes of it

// Of a message that was delivered nothing is left among the parked, but what can't be read.
static void check_taken(struct world *world, const struct provider_receipt *receipt) {
    struct command command = command_of("HMGET", KEY_PARKED, NULL);
    const char *id = world->ledger.messages[receipt->message].id;
    for (int generation = 0; generation < MOST_GENERATIONS; generation++) {
        char field[48];
        snprintf(field, sizeof field, "%s:%d", id, generation);
        command_text(&command, field);
    }
    redisReply *reply = wire_ask(world, &command);
    for (int generation = 0; generation < MOST_GENERATIONS; generation++) {
        bool spoiled = ledger_token(&world->ledger, receipt->message, generation)->spoiled;
        if (reply->element[generation]->type != REDIS_REPLY_NIL && !spoiled) {
            world_breach(world, AUDIT_RECEIPT, "%s was delivered, and generation %d stays parked", id, generation);
        }
    }
    freeReplyObject(reply);
}

static void promise_receipt(struct world *world, int number) {
    struct provider_receipt *receipt = &world->receipts.receipts[number];
    if (!receipt->promised || receipt->may_be_gone) {
        receipt->promised_at = world->step;
    }
    receipt->promised = true;
    receipt->may_be_gone = false;
}

// known: it had come before the call.
static void take_verdict(struct world *world, int number, bool known, const redisReply *reply) {
    const struct provider_receipt *receipt = &world->receipts.receipts[number];
    const char *verdict = reply_text(reply, 0);
    bool is_seen = strcmp(verdict, "SEEN") == 0;
    world_say(world, "ingest: receipt %d, %s, of %s: %s", number, receipt_status_name(receipt->status),
              world->ledger.messages[receipt->message].id, verdict);
    if (reply->type == REDIS_REPLY_ERROR) {
        world_breach(world, AUDIT_ERROR, "receipts: %s", reply->str);
        return;
    }
    if (is_seen && !known && !is_excused(world)) {
        world_breach(world, AUDIT_RECEIPT, "receipt %d was said to have come before", number);
    }
    promise_receipt(world, number);
    world->receipts.receipts[number].awaited |= strcmp(verdict, "OK") == 0 && receipt->status == RECEIPT_DELIVERED;
    if (!is_seen && receipt->status == RECEIPT_DELIVERED) {
        check_taken(world, receipt);
    }
}

static void take_answer(struct world *world, int number, const bool *known, bool room, const redisReply *reply) {
    struct receipt_request *request = &world->receipts.requests[number];
    const char *verdict = reply_text(reply, 0);
    if (reply->type == REDIS_REPLY_ARRAY) {
        if (!room) {
            world_breach(world, AUDIT_ACCEPT, "receipts were taken into a backlog that was full");
        }
        for (int i = 0; i < request->count; i++) {
            take_verdict(world, request->receipts[i], known[i], reply->element[i]);
        }
        request->answered = true;
        return;
    }
    world_say(world, "ingest: request %d of receipts: %s", number, verdict);
    if (reply->type == REDIS_REPLY_ERROR && !wire_lacks_library(reply)) {
        world_breach(world, AUDIT_ERROR, "receipts: %s", reply->str);
    }
}

static void leave_in_the_dark(struct world *world, int number) {
    const struct receipt_request *request = &world->receipts.requests[number];
    for (int i = 0; i < request->count; i++) {
        world->receipts.receipts[request->receipts[i]].possible = true;
    }
    world_say(world, "ingest: request %d of receipts is ambiguous", number);
}

// Returns whether its signature came before: then nothing was done yet.
static bool call_receipts(struct world *world, int number, bool is_signed) {
    const struct receipt_request *request = &world->receipts.requests[number];
    bool known[RECEIPTS_IN_REQUEST] = {false}, room = world->seen.events < world->cap;
    for (int i = 0; i < request->count; i++) {
        known[i] = world->receipts.receipts[request->receipts[i]].entries > 0;
    }
    if (!world->ingest.up) {
        wire_link_up(world, &world->ingest);
    }
    struct command command = receipts_command(world, number, is_signed);
    redisReply *reply = wire_function(world, &world->ingest, &command);
    if (reply == NULL) {
        leave_in_the_dark(world, number);
        return false;
    }
    take_answer(world, number, known, room, reply);
    bool came_before = strcmp(reply_text(reply, 0), "SEEN") == 0 && reply->type != REDIS_REPLY_ARRAY;
    freeReplyObject(reply);
    return came_before;
}

// What comes again is counted for its address, and then taken as it is: the first time not all of it may have been
// written.
static void send_request(struct world *world, int number) {
    if (call_receipts(world, number, true)) {
        (void)call_receipts(world, number, false);
    }
}

void receipts_deliver(struct world *world) {
    int number = make_request(world);
    if (number >= 0) {
        send_request(world, number);
    }
}

// Rather one that wasn't answered.
void receipts_repeat(struct world *world) {
    const struct receipts_book *book = &world->receipts;
    if (book->request_count == 0) {
        return;
    }
    int number = random_below(&world->random, book->request_count);
    for (int i = 0; i < book->request_count && book->requests[number].answered; i++) {
        if (random_chance(&world->random, 30)) {
            break;
        }
        number = (number + 1) % book->request_count;
    }
    send_request(world, number);
}

// ---- Events

int receipts_find(const struct world *world, const char *code) {
    char *end;
    long number = strtol(code, &end, 10);
    return end != code && *end == '\0' && number >= 0 && number < world->receipts.count ? (int)number : RECEIPT_NONE;
}

void receipts_note(struct world *world, const struct event *event) {
    struct provider_receipt *receipt = &world->receipts.receipts[event->receipt];
    bool knows = receipt->entries > 0 && world->boot_ms - receipt->recorded_ms < DAY_MS;
    if (knows && !is_excused(world)) {
        world_breach(world, AUDIT_RECEIPT, "receipt %d was recorded twice within a day", event->receipt);
    }
    receipt->entries++;
    receipt->recorded_ms = world->boot_ms;
}

void receipts_check_settled(struct world *world, int message) {
    for (int i = 0; i < world->receipts.count && !is_excused(world); i++) {
        const struct provider_receipt *receipt = &world->receipts.receipts[i];
        if (receipt->message == message && receipt->awaited && world->boot_ms - receipt->recorded_ms < ARRIVED_MS) {
            check_taken(world, receipt);
            return;
        }
    }
}

void receipts_check_taken(struct world *world, const struct event *event) {
    for (int i = 0; i < world->receipts.count; i++) {
        const struct provider_receipt *receipt = &world->receipts.receipts[i];
        if (receipt->message == event->message && receipt->status == RECEIPT_DELIVERED && receipt->entries > 0) {
            return;
        }
    }
    world_breach(world, AUDIT_RECEIPT, "%s was taken from among the parked, and no receipt says that it was delivered",
                 world->ledger.messages[event->message].id);
}

void receipts_go_back(struct world *world, int step) {
    for (int i = 0; i < world->receipts.count; i++) {
        struct provider_receipt *receipt = &world->receipts.receipts[i];
        receipt->may_be_gone = receipt->may_be_gone || receipt->promised_at > step;
    }
}

// ---- The audit

static const struct receipt_row *find_row(const struct world *world, const struct provider_receipt *receipt) {
    for (int i = 0; i < world->postgres.receipt_count; i++) {
        const struct receipt_row *row = &world->postgres.receipts[i];
        if (row->message == receipt->message && row->call == receipt->call && row->status == receipt->status) {
            return row;
        }
    }
    return NULL;
}

static void check_recorded(struct world *world, int number) {
    const struct provider_receipt *receipt = &world->receipts.receipts[number];
    const struct receipt_row *row = find_row(world, receipt);
    if (row == NULL && erasures_may_erase(world, receipt->message)) {
        return;
    }
    if (row == NULL && receipt->promised && !receipt->may_be_gone) {
        world_breach(world, AUDIT_RECEIPT, "receipt %d was taken and is not recorded", number);
    } else if (row != NULL && row->occurred_ms < receipt->at_ms && receipt->promised && !receipt->may_be_gone) {
        world_breach(world, AUDIT_RECEIPT, "receipt %d is recorded with an earlier time", number);
    }
}

static bool was_said(const struct world *world, const struct receipt_row *row) {
    for (int i = 0; i < world->receipts.count; i++) {
        const struct provider_receipt *receipt = &world->receipts.receipts[i];
        if ((receipt->promised || receipt->possible) && row == find_row(world, receipt)) {
            return true;
        }
    }
    return false;
}

// The latest; of two at one time `delivered`. An `undelivered` from before a replay is not of what was sent since.
static enum receipt_shown should_stand(const struct world *world, int message) {
    const struct receipt_row *latest = NULL;
    for (int i = 0; i < world->postgres.receipt_count; i++) {
        const struct receipt_row *row = &world->postgres.receipts[i];
        int64_t later_ms = latest != NULL ? receipt_row_ms(row) - receipt_row_ms(latest) : 1;
        if (row->message == message && (later_ms > 0 || (later_ms == 0 && row->status == RECEIPT_DELIVERED))) {
            latest = row;
        }
    }
    if (latest != NULL && latest->status == RECEIPT_DELIVERED) {
        return SHOWN_DELIVERED;
    }
    bool counts = latest != NULL && receipt_row_latest_ms(latest) >= world->postgres.replayed_ms[message];
    return counts ? SHOWN_UNDELIVERED : SHOWN_NONE;
}

void receipts_audit_end(struct world *world) {
    for (int i = 0; i < world->receipts.count; i++) {
        check_recorded(world, i);
    }
    for (int i = 0; i < world->postgres.receipt_count; i++) {
        if (!was_said(world, &world->postgres.receipts[i])) {
            world_breach(world, AUDIT_RECEIPT, "a receipt of %s is recorded that nobody sent",
                         world->ledger.messages[world->postgres.receipts[i].message].id);
        }
    }
    for (int i = 0; i < world->ledger.message_count; i++) {
        if (world->postgres.deliveries[i].receipt != should_stand(world, i)) {
            world_breach(world, AUDIT_RECEIPT, "of the receipts of %s another one stands than the latest",
                         world->ledger.messages[i].id);
        }
    }
}
