// SPDX-License-Identifier: MIT
#include "tests/protocol/audit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/protocol/wire.h"
#include "tests/support/reply.h"

// ---- Events

static void begin_token(struct world *world, const struct event *event) {
    struct token *token = ledger_token(&world->ledger, event->message, event->generation);
    if (token->exists) {
        world_breach(world, AUDIT_OUTCOME, "generation %d of %s began twice", event->generation,
                     world->ledger.messages[event->message].id);
    }
    *token = (struct token){.exists = true,
                            .live = true,
                            .next_call = 1,
                            .begun_ms = world->boot_ms,
                            .ordered = event->generation == 0 && !event->unordered &&
                                       world->ledger.messages[event->message].ordered,
                            .scheduled = event->scheduled,
                            .recorded = ++world->recorded};
    token->entered = token->ordered && !event->scheduled ? ++world->entered : 0;
    world->ledger.live++;
    world->figures.scheduled += event->scheduled;
}

static void note_accepted(struct world *world, const struct event *event) {
    words_note(world, event);
    struct ledger_message *message = &world->ledger.messages[event->message];
    if (message->accepted_ms == 0 || event->at_ms < message->accepted_ms) {
        message->accepted_ms = event->at_ms;
    }
    if (event->content != message->content) {
        world_breach(world, AUDIT_STORED, "%s was accepted with another content", message->id);
    }
    if (message->webhook) {
        return;
    }
    begin_token(world, event);
    bool is_later = message->due_ms > world->wall_ms && !event->unordered;
    if (event->scheduled != is_later) {
        world_breach(world, AUDIT_SCHEDULED, "%s was accepted as %s", message->id,
                     event->scheduled ? "scheduled, for now" : "sent, for later");
    }
    if (message->key >= 0) {
        struct client_key *key = &world->ledger.keys[message->key];
        if (++key->tokens > 1 + key->expired) {
            world_breach(world, AUDIT_DOUBLED, "%s is a second message under its key", message->id);
        }
    }
}

static void note_outcome(struct world *world, const struct event *event) {
    const char *id = world->ledger.messages[event->message].id;
    struct token *token = ledger_token(&world->ledger, event->message, event->generation);
    if (!token->live) {
        world_breach(world, AUDIT_OUTCOME, "%s, generation %d has an outcome (call %d) and no token", id,
                     event->generation, event->call);
        return;
    }
    bool spoiled = (token->spoiled || token->lost) && event->call == 0 && event->verdict == VERDICT_FAILED;
    token->cancelled = event->verdict == VERDICT_CANCELLED;
    int call = token->cancelled ? token->next_call - 1 : token->next_call; // the last one that was made
    if (event->call != call && !spoiled) {
        world_breach(world, AUDIT_OUTCOME, "%s, generation %d: the outcome is of call %d, not %d", id,
                     event->generation, event->call, call);
    }
    token->next_call = event->call + 1;
    if (event->verdict != VERDICT_RETRY) {
        token->live = token->lost = false;
        token->final = true;
        world->ledger.live--;
    }
}

// Whether the provider has accepted a call that began after that moment of the processes' clock.
static bool has_accepted_since(const struct ledger *ledger, int64_t ms) {
    for (int i = 0; i < ledger->call_count; i++) {
        if (ledger->calls[i].accepted && ledger->calls[i].begun_ms > ms) {
            return true;
        }
    }
    return ledger->call_count == MOST_CALLS; // nobody knows
}

// A refusal is final only where the provider has accepted something else since the message's first one, or where it is
// past its deadline.
static void note_refusal(struct world *world, const struct event *event) {
    struct token *token = ledger_token(&world->ledger, event->message, event->generation);
    bool had_one = token->refused_ms > 0, expired = world->boot_ms - token->begun_ms >= DEADLINE_MS;
    if (event->verdict == VERDICT_FAILED && !world->jumped && !expired &&
        !(had_one && has_accepted_since(&world->ledger, token->refused_ms))) {
        world_breach(world, AUDIT_REFUSED, "%s failed by a refusal, and the provider has accepted nothing since %s",
                     world->ledger.messages[event->message].id, had_one ? "its first" : "that first one");
    }
    token->refused_ms = had_one ? token->refused_ms : world->boot_ms;
}

// Returns whether it was a late success.
static bool note_event(struct world *world, const redisReply *entry) {
    struct event event;
    snprintf(world->seen.event, sizeof world->seen.event, "%s", entry->element[0]->str);
    if (!event_read(world, entry->element[1], &event)) {
        world_breach(world, AUDIT_STORED, "an event of a message that nobody sent: %s",
                     reply_field(entry->element[1], "id"));
        return false;
    }
    if (event.kind == EVENT_POISON) {
        const char *name = reply_field(entry->element[1], "parked");
        world->misnamed_met += strncmp(name, MISNAMED, strlen(MISNAMED)) == 0;
    } else if (event.kind == EVENT_MESSAGE) {
        note_accepted(world, &event);
    } else if (event.kind == EVENT_REPLAYED) {
        begin_token(world, &event);
    } else if (event.kind == EVENT_UNREAD) {
        unread_note(world, &event);
    } else if (event.kind == EVENT_RECEIPT) {
        receipts_note(world, &event);
    }
    if (event.kind == EVENT_OUTCOME && world->ledger.outcome_count < MOST_CALLS) {
        world->ledger.outcomes[world->ledger.outcome_count++] = event;
    }
    if (event.kind == EVENT_OUTCOME && event.opted_out && !words_may_forbid(world, event.message % SENDERS)) {
        world_breach(world, AUDIT_OPT_OUT, "%s has failed, for its recipient has opted out, which nobody said",
                     world->ledger.messages[event.message].id);
    }
    if (event.kind == EVENT_OUTCOME && event.erased) {
        erasures_check_ended(world, event.message);
    }
    if (event.kind == EVENT_OUTCOME && event.refused) {
        note_refusal(world, &event);
    }
    if (event.kind == EVENT_OUTCOME && !event.late) {
        note_outcome(world, &event);
    } else if (event.kind == EVENT_OUTCOME) {
        struct token *token = ledger_token(&world->ledger, event.message, event.generation);
        token->late = token->passed = true;
        token->taken = token->taken || event.taken;
        if (event.taken) {
            receipts_check_taken(world, &event);
        }
    }
    return event.kind == EVENT_OUTCOME && event.late;
}

// ---- Everything: each token in its place

enum place { PLACE_NONE, PLACE_OUTBOUND, PLACE_PARKED, PLACE_HELD, PLACE_SCHEDULED, PLACE_COUNT };

// Where a poll's reply has them.
static const size_t places[PLACE_COUNT] = {0, 8, 9, 10, 11};

static void check_token(struct world *world, const redisReply *at, enum place place,
                        enum place found[MOST_MESSAGES][MOST_GENERATIONS]) {
    int message = ledger_find(&world->ledger, reply_text(at, 1));
    int generation = (int)reply_int(at, 2);
    const struct token *token = ledger_token(&world->ledger, message, generation);
    if (token == NULL || !token->live) {
        world_breach(world, AUDIT_TOKEN, "%s, generation %d is there and should not be", reply_text(at, 1), generation);
        return;
    }
    if (found[message][generation] != PLACE_NONE) {
        world_breach(world, AUDIT_TOKEN, "%s, generation %d is there twice", reply_text(at, 1), generation);
    } else if (reply_int(at, 3) != token->next_call && !token->spoiled) {
        world_breach(world, AUDIT_TOKEN, "%s: call %lld is due, but it should be %d", reply_text(at, 1),
                     (long long)reply_int(at, 3), token->next_call);
    } else if (reply_int(at, 4) > MOST_SPENT) {
        world_breach(world, AUDIT_TOKEN, "%s has spent more attempts than it has", reply_text(at, 1));
    }
    found[message][generation] = place;
}

// A late success has ended its token, or not: then the token had another entry by then.
// A receipt has ended it in any case: it was parked.
static void end_late(struct world *world, struct token *token, enum place found) {
    if (token->taken && found != PLACE_NONE) {
        world_breach(world, AUDIT_RECEIPT, "a receipt has taken a token that is there");
    } else if (token->late && found > PLACE_OUTBOUND && !token->spoiled) {
        world_breach(world, AUDIT_TOKEN, "a success that came late leaves a token that waits");
    }
    if (token->late && found == PLACE_NONE) {
        token->live = token->lost = false;
        world->ledger.live--;
    }
    token->late = false;
}

static void check_tokens(struct world *world, const redisReply *reply) {
    static enum place found[MOST_MESSAGES][MOST_GENERATIONS];
    memset(found, 0, sizeof found);
    for (enum place place = PLACE_OUTBOUND; place < PLACE_COUNT; place++) {
        const redisReply *tokens = reply->element[places[place]];
        for (size_t i = 0; i < tokens->elements; i++) {
            check_token(world, tokens->element[i], place, found);
        }
    }
    for (int i = 0; i < world->ledger.message_count; i++) {
        for (int generation = 0; generation < MOST_GENERATIONS; generation++) {
            struct token *token = &world->ledger.tokens[i][generation];
            if (token->live) {
                end_late(world, token, found[i][generation]);
            }
            if (token->live && !token->lost && !found[i][generation]) {
                world_breach(world, AUDIT_TOKEN, "%s, generation %d is nowhere", world->ledger.messages[i].id,
                             generation);
            }
        }
    }
}

// What is scheduled no more, and whether what may be called has the turn.
static void check_places(struct world *world, const redisReply *reply) {
    unsigned scheduled[MOST_MESSAGES] = {0};
    const redisReply *tokens = reply->element[places[PLACE_SCHEDULED]];
    for (size_t i = 0; i < tokens->elements && world->breach == AUDIT_NONE; i++) {
        int message = ledger_find(&world->ledger, reply_text(tokens->element[i], 1));
        scheduled[message] |= 1u << reply_int(tokens->element[i], 2);
    }
    turns_note_begun(world, scheduled);
    for (enum place place = PLACE_OUTBOUND; place <= PLACE_PARKED; place++) {
        tokens = reply->element[places[place]];
        for (size_t i = 0; i < tokens->elements && world->breach == AUDIT_NONE; i++) {
            turns_check_place(world, ledger_find(&world->ledger, reply_text(tokens->element[i], 1)),
                              (int)reply_int(tokens->element[i], 2));
        }
    }
}

// {pending, undelivered, held by nobody}
static void check_spread(struct world *world, const char *stream, const redisReply *spread, int length) {
    int pending = (int)reply_int(spread, 0), undelivered = (int)reply_int(spread, 1),
        nobody = (int)reply_int(spread, 2);
    if (pending + undelivered + nobody != length || (nobody > 0 && !world->orphans)) {
        world_breach(world, AUDIT_SPREAD, "%s: %d entries, %d pending, %d undelivered, %d delivered and held by nobody",
                     stream, length, pending, undelivered, nobody);
    }
}

// ---- The breaker

// A fail-over may have gone back to a state in which the others of them were recorded.
static void check_closed(struct world *world, int64_t epoch) {
    int good = world->good_probes_epoch == epoch ? world->good_probes : 0;
    if (good < PROBES && !world->failed_over) {
        world_breach(world, AUDIT_CLOSED, "it closed after %d good probes", good);
    }
}

static void note_breaker(struct world *world, const redisReply *breaker) {
    struct seen *seen = &world->seen;
    int64_t epoch = *reply_text(breaker, 1) ? reply_int(breaker, 1) : 0;
    if (epoch < seen->epoch) {
        world_breach(world, AUDIT_EPOCH, "the epoch went from %lld back to %lld", (long long)seen->epoch,
                     (long long)epoch);
    }
    if (strcmp(reply_text(breaker, 0), seen->state) != 0 && epoch == seen->epoch) {
        world_breach(world, AUDIT_EPOCH, "the breaker is %s in the epoch in which it was %s", reply_text(breaker, 0),
                     seen->state);
    }
    if (strcmp(seen->state, "half-open") == 0 && strcmp(reply_text(breaker, 0), "closed") == 0) {
        check_closed(world, seen->epoch);
    }
    seen->cut = *reply_text(breaker, 5) != '\0';
    seen->cause_held = strcmp(reply_text(breaker, 6), "held") == 0;
    if (seen->told_held == 0) {
        seen->told_since_ms = world->boot_ms;
    }
    seen->told_held = (unsigned)reply_int(breaker, 7);
    seen->epoch = epoch;
    snprintf(seen->state, sizeof seen->state, "%s", reply_text(breaker, 0));
    seen->paused_ms = *reply_text(breaker, 2) ? reply_int(breaker, 2) : 0;
    snprintf(seen->counts, sizeof seen->counts, "%.10s,%.10s,%.10s", seen->state, reply_text(breaker, 3),
             reply_text(breaker, 4));
    bool pausing = seen->paused_ms > world->wall_ms, open = strcmp(seen->state, "open") == 0;
    if (pausing && !seen->pausing) {
        seen->pausing_since_ms = world->boot_ms;
    }
    if (open && !seen->open) {
        seen->open_since_ms = world->boot_ms;
    }
    if (strcmp(seen->state, "closed") == 0 && epoch != seen->closed_epoch) {
        seen->closed_epoch = epoch;
        seen->closed_since_ms = world->boot_ms;
    }
    bool blocked = pausing || (open && reply_int(breaker, 10) > world->wall_ms);
    if (blocked && !seen->blocked) {
        seen->blocked_since_ms = world->boot_ms;
    }
    seen->pausing = pausing;
    seen->open = open;
    seen->blocked = blocked;
}

static bool is_of_this_redis(const struct world *world, const char *mark) {
    char server[RUN_ID_SIZE];
    world_run_id(world, server);
    size_t length = strlen(server);
    return strncmp(mark, server, length) == 0 && mark[length] == '/';
}

// Whether Redis knows all who have opted out says the mark of each partition's set.
static void note_marks(struct world *world, const redisReply *state) {
    struct seen *seen = &world->seen;
    bool knows = is_of_this_redis(world, reply_text(state, 8));
    if (!knows && seen->knows_opt_outs) {
        seen->unknown_since_ms = world->boot_ms;
    }
    seen->knows_opt_outs = knows;
    seen->other_knows_opt_outs = is_of_this_redis(world, reply_text(state, 9));
}

static void note_holds(struct world *world, const redisReply *holds) {
    struct seen *seen = &world->seen;
    struct seen_hold before[SENDERS];
    memcpy(before, seen->holds, sizeof before);
    memset(seen->holds, 0, sizeof seen->holds);
    for (size_t i = 0; i + 1 < holds->elements; i += 2) {
        int sender = reply_text(holds, i)[0] - 'a';
        seen->holds[sender] = (struct seen_hold){
            .held = true,
            .since_ms = before[sender].held ? before[sender].since_ms : world->boot_ms,
            .until_ms = strtoll(reply_text(holds, i + 1), NULL, 10),
        };
    }
}

static void check_balance(struct world *world) {
    const struct seen *seen = &world->seen;
    int live = world->ledger.live - ledger_lost(&world->ledger);
    if (seen->outbound + seen->parked + seen->turns.held + seen->turns.scheduled != live) {
        world_breach(world, AUDIT_BALANCE,
                     "%d wait, %d are parked, %d held and %d scheduled, but there should be %d tokens", seen->outbound,
                     seen->parked, seen->turns.held, seen->turns.scheduled, live);
    }
}

bool audit_poll(struct world *world, const redisReply *reply) {
    bool late = false, full = reply->elements > places[PLACE_OUTBOUND];
    int outbound = (int)reply_int(reply, 0), parked = (int)reply_int(reply, 1), due = (int)reply_int(reply, 2);
    for (size_t i = 0; i < reply->element[4]->elements; i++) {
        late = note_event(world, reply->element[4]->element[i]) || late;
    }
    note_breaker(world, reply->element[5]);
    note_marks(world, reply->element[5]);
    note_holds(world, reply->element[6]);
    world->seen.outbound = outbound;
    world->seen.parked = parked;
    world->seen.due = due;
    world->seen.events = (int)reply_int(reply, 3);
    if (world->seen.events == 0) {
        words_note_recorded(world);
    }
    if (parked != due && !world->astray) {
        world_breach(world, AUDIT_PARKED, "%d are parked, %d are due", parked, due);
    }
    if (full) {
        check_tokens(world, reply);
        check_spread(world, "outbound", reply->element[12], outbound);
        check_spread(world, "events", reply->element[13], world->seen.events);
    } else if (late) {
        return true;
    }
    bool begun = turns_poll(world, reply->element[7]);
    if (full) {
        check_places(world, reply);
    }
    check_balance(world);
    return begun && !full;
}

// ---- What actors do

void audit_late_accept(struct world *world, const struct zombie *zombie, const redisReply *reply) {
    if (world->wall_ms <= zombie->deadline_ms || wire_lacks_library(reply)) {
        return;
    }
    size_t count = reply->type == REDIS_REPLY_ARRAY ? reply->elements : 1;
    for (size_t i = 0; i < count; i++) {
        const redisReply *verdict = reply->type == REDIS_REPLY_ARRAY ? reply->element[i] : reply;
        if (strcmp(reply_text(verdict, 0), "LATE") != 0) {
            world_breach(world, AUDIT_ACCEPT, "an accept that was run after its deadline answered %s",
                         reply_text(verdict, 0));
        }
    }
}

static void check_grant(struct world *world, const struct provider_call *made) {
    const struct seen *seen = &world->seen;
    const char *id = world->ledger.messages[made->message].id;
    if (seen->pausing && world->boot_ms - seen->pausing_since_ms > GRANT_MS) {
        world_breach(world, AUDIT_PAUSE, "%s is called %lld ms into a pause", id,
                     (long long)(world->boot_ms - seen->pausing_since_ms));
    }
    if (world->boot_ms < world->paused_until_ms && world->boot_ms - world->paused_from_ms > GRANT_MS &&
        !world->jumped && !world->failed_over) {
        world_breach(world, AUDIT_PAUSE, "%s is called though the provider asked for %lld ms more", id,
                     (long long)(world->paused_until_ms - world->boot_ms));
    }
    if (seen->open && world->boot_ms - seen->open_since_ms > GRANT_MS) {
        world_breach(world, AUDIT_OPEN, "%s is called %lld ms after the breaker opened", id,
                     (long long)(world->boot_ms - seen->open_since_ms));
    }
}

// What the rate allows within so many ms: a second's worth may have gathered, and a call may begin later than it was
// granted.
static int64_t allowed_within(int64_t ms) {
    return RATE * (ms + 1000 + GRANT_MS) / 1000 + 1;
}

// Calls since the breaker closed: a tenth of the rate, growing to the whole. What has come in is spent at what a call
// costs by then, 2 s later at most.
static int64_t allowed_since_closed(int64_t ms) {
    enum { STEP_MS = 100, LATER_MS = 2000 };
    int64_t thousandths = 0;
    for (int64_t at = 0; at < ms + GRANT_MS; at += STEP_MS) {
        int64_t age_ms = at + STEP_MS + LATER_MS;
        thousandths += RATE * STEP_MS * (age_ms < RAMP_MS ? 100 + 900 * age_ms / RAMP_MS : 1000) / 1000;
    }
    return thousandths / 1000 + 1;
}

// Of a fail-over and a clock that jumps the rate knows nothing.
static void check_rate(struct world *world, const struct provider_call *made) {
    const struct seen *seen = &world->seen;
    const char *id = world->ledger.messages[made->message].id;
    if (!world->paced || world->failed_over || world->jumped) {
        return;
    }
    int count = 1, same_epoch = !made->probe;
    for (int i = world->ledger.call_count - 1; i >= 0; i--) {
        const struct provider_call *call = &world->ledger.calls[i];
        int64_t within_ms = world->boot_ms - call->begun_ms;
        same_epoch += !call->probe && strcmp(call->epoch, made->epoch) == 0;
        if (++count > allowed_within(within_ms)) {
            world_breach(world, AUDIT_RATE, "%s is call %d within %lld ms", id, count, (long long)within_ms);
            return;
        }
    }
    int64_t closed_ms = world->boot_ms - seen->closed_since_ms;
    bool ramps = !made->probe && seen->closed_epoch > 0 && strtoll(made->epoch, NULL, 10) == seen->closed_epoch;
    if (ramps && closed_ms < RAMP_MS && same_epoch > allowed_since_closed(closed_ms)) {
        world_breach(world, AUDIT_RATE, "%s is call %d within %lld ms after the breaker closed", id, same_epoch,
                     (long long)closed_ms);
    }
}

// Probes of this state of the breaker that the provider is still busy with. A jump of the clock ends leases early.
static void check_probes(struct world *world, const struct provider_call *made) {
    int live = 1;
    for (int i = 0; i < world->ledger.call_count; i++) {
        const struct provider_call *call = &world->ledger.calls[i];
        live += call->probe && !call->ended && world->boot_ms - call->begun_ms < PROVIDER_MS &&
                strcmp(call->epoch, made->epoch) == 0;
    }
    bool excused = world->failed_over || world->jumped;
    // A probe that was granted before the pause may still begin at its beginning, as any call (check_grant).
    bool one = world->seen.cut && !world->seen.pausing;
    if (made->probe && live > (one ? 1 : PROBES) && !excused) {
        world_breach(world, AUDIT_PROBES, "%d probes are under way", live);
    }
    if (!made->probe && world->seen.cut && !world->seen.pausing && !excused) {
        world_breach(world, AUDIT_PROBES, "a call after a pause that was cut is no probe");
    }
}

// Of the calls that were asked for, because their sender is held, one is under way at most, but for those whose entry a
// fault had taken away; and each ends before another may be admitted.
static void check_hold(struct world *world, const struct provider_call *made) {
    int sender = made->message % SENDERS;
    const struct seen_hold *hold = &world->seen.holds[sender];
    bool still_held = made->of_a_hold && hold->held && hold->since_ms <= made->admitted_ms;
    int live = 1;
    if (still_held && world->boot_ms - made->admitted_ms > PROBE_LEASE_MS - PROVIDER_MS && !world->failed_over) {
        world_breach(world, AUDIT_HELD, "%s is called %lld ms after it was admitted",
                     world->ledger.messages[made->message].id, (long long)(world->boot_ms - made->admitted_ms));
    }
    for (int i = 0; i < world->ledger.call_count && made->of_a_hold && !made->hit; i++) {
        const struct provider_call *call = &world->ledger.calls[i];
        bool same = call->message == made->message && call->generation == made->generation;
        live += call->of_a_hold && !call->ended && !call->excused && !same && call->message % SENDERS == sender &&
                world->boot_ms - call->begun_ms < PROVIDER_MS;
    }
    if (live > 1 && !world->failed_over && !world->jumped) {
        world_breach(world, AUDIT_HELD, "%d probes of sender %c are under way", live, 'a' + sender);
    }
}

// Of all calls of one number only one may be without a fault that explains it.
static bool is_explained(const struct world *world, const struct provider_call *call) {
    bool lapsed = world->boot_ms - call->dated_ms >= CLAIM_MS && !call->settled;
    return call->excused || lapsed;
}

static void check_repeat(struct world *world, const struct provider_call *made) {
    int unexplained = 0;
    for (int i = 0; i < world->ledger.call_count; i++) {
        const struct provider_call *call = &world->ledger.calls[i];
        unexplained += call != made && !is_explained(world, call) && call->message == made->message &&
                       call->generation == made->generation && call->number == made->number;
    }
    if (unexplained > 0 && !made->hit && !world->failed_over) {
        world_breach(world, AUDIT_REPEAT, "call %d of %s, generation %d is made again", made->number,
                     world->ledger.messages[made->message].id, made->generation);
    }
}

void audit_decided(struct world *world, const struct provider_call *made) {
    words_check_call(world, made->message);
    erasures_check_call(world, made->message);
    check_grant(world, made);
    check_rate(world, made);
    check_probes(world, made);
    check_hold(world, made);
}

void audit_made(struct world *world, const struct provider_call *made) {
    const struct token *token = ledger_token(&world->ledger, made->message, made->generation);
    const char *id = world->ledger.messages[made->message].id;
    bool excused = made->hit || world->failed_over;
    if (token->final && !token->cancelled && !excused) {
        world_breach(world, AUDIT_AFTER_FINAL, "%s, generation %d is called after its final settle", id,
                     made->generation);
    }
    if (token->taken && !excused) {
        world_breach(world, AUDIT_RECEIPT, "%s, generation %d is called after a receipt has taken it", id,
                     made->generation);
    }
    if (token->cancelled && !excused) {
        world_breach(world, AUDIT_CANCEL, "%s, generation %d is called after it was cancelled", id, made->generation);
    }
    turns_check_call(world, made);
    check_repeat(world, made);
}
