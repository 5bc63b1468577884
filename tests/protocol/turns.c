// SPDX-License-Identifier: MIT
#include "tests/protocol/turns.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/protocol/world.h"
#include "tests/support/reply.h"

// Of the library's, and of a call of unpark.
enum { LOST_HOLDER = 10, LONGEST_TICK_MS = 1000, UNPARK_MAY_CALL = 11 };

const char *conversation_text(int conversation) {
    static const char *const names[CONVERSATIONS] = {"aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb", "cccccccccccccccc",
                                                     "dddddddddddddddd", "eeeeeeeeeeeeeeee", "ffffffffffffffff"};
    return names[conversation];
}

int conversation_of(const struct world *world, int message) {
    bool is_other = world->two_each && message / SENDERS % 2 == 1;
    return message % SENDERS + (is_other ? SENDERS : 0);
}

static struct token *holder_of(struct world *world, const struct seen_turn *turn) {
    return turn->message < 0 ? NULL : ledger_token(&world->ledger, turn->message, turn->generation);
}

static const char *name_of(const struct world *world, int message) {
    return message < 0 ? "nobody" : world->ledger.messages[message].id;
}

// ---- What a poll sees

static void read_holder(struct world *world, const char *text, struct seen_turn *out) {
    char id[ID_SIZE + 8];
    const char *colon = strrchr(text, ':');
    out->message = out->generation = -1;
    if (*text == '\0') {
        return;
    }
    snprintf(id, sizeof id, "%.*s", colon != NULL ? (int)(colon - text) : 0, text);
    out->message = ledger_find(&world->ledger, id);
    out->generation = colon != NULL ? atoi(colon + 1) : 0;
    if (out->message < 0) {
        world_breach(world, AUDIT_TURN, "%s has a turn, and nobody sent it", text);
    }
}

// The numbers of a text, so many; returns what comes behind them.
static const char *read_numbers(const char *text, int64_t *out, int count) {
    for (int i = 0; i < count; i++) {
        char *end;
        out[i] = strtoll(text, &end, 10);
        text = *end == ' ' ? end + 1 : end;
    }
    return text;
}

static struct seen_turn read_turn(struct world *world, const redisReply *seen, int conversation) {
    int64_t numbers[3];
    const char *holder = read_numbers(reply_text(seen, 1 + (size_t)conversation), numbers, 3);
    struct seen_turn turn = {.waiting = (int)numbers[0],
                             .timed = numbers[1] != 0,
                             .for_sender = numbers[2] != 0 || world->seen.holds[conversation % SENDERS].held};
    read_holder(world, holder, &turn);
    const struct token *token = holder_of(world, &turn);
    turn.called = token != NULL && token->next_call > 1;
    return turn;
}

static bool is_same(const struct seen_turn *one, const struct seen_turn *other) {
    return one->message == other->message && one->generation == other->generation;
}

// ---- What must come of it

// Who had the turn has it no more: it has ended, or those behind it have waited for long enough.
static void check_let_go(struct world *world, int conversation, const struct seen_turn *before,
                         const struct seen_turn *now) {
    struct token *had = holder_of(world, before);
    if (had == NULL || !had->live || had->passed || is_same(before, now)) {
        return;
    }
    const struct turns_seen *seen = &world->seen.turns;
    const char *id = name_of(world, before->message);
    had->passed = true;
    world->figures.let_go++;
    world_say(world, "conversation %c: the turn of %s goes to %s by the clock", 'a' + conversation, id,
              name_of(world, now->message));
    if (before->waiting == 0 || now->message < 0) {
        world_breach(world, AUDIT_TURN, "%s had the turn, has not ended, and nobody waited for it", id);
    } else if (before->for_sender && !world->astray) { // or whose sender is it that waits first?
        world_breach(world, AUDIT_LET_GO, "%s waits for its sender, and another has its turn", id);
    } else if (seen->open_ms < before->soonest_open_ms) {
        world_breach(world, AUDIT_LET_GO, "%s lost the turn %lld ms of the open clock too early", id,
                     (long long)(before->soonest_open_ms - seen->open_ms));
    } else if (world->boot_ms < before->soonest_ms && !world->jumped) {
        world_breach(world, AUDIT_LET_GO, "%s lost the turn %lld ms too early", id,
                     (long long)(before->soonest_ms - world->boot_ms));
    }
}

static void check_turn(struct world *world, int conversation, const struct seen_turn *now) {
    const struct token *holder = holder_of(world, now);
    if (holder != NULL && !holder->live) {
        world_breach(world, AUDIT_TURN, "%s has ended and has the turn", name_of(world, now->message));
    } else if (holder == NULL && now->waiting > 0) {
        world_breach(world, AUDIT_TURN, "%d wait in conversation %c, and nobody has the turn", now->waiting,
                     'a' + conversation);
    } else if (now->timed != (now->waiting > 0)) {
        world_breach(world, AUDIT_TURN, "%d wait in conversation %c, %s", now->waiting, 'a' + conversation,
                     now->timed ? "and there is a time for it" : "and nobody knows until when");
    }
}

// ---- The clock

// open_ms: the open clock before what was polled.
static void reckon(struct world *world, const struct seen_turn *before, struct seen_turn *now, int64_t open_ms) {
    int64_t latest_ms = world->seen.turns.open_ms + LONGEST_TICK_MS + ORDER_WAIT_MS;
    now->soonest_ms = before->soonest_ms;
    now->soonest_open_ms = before->soonest_open_ms;
    now->latest_open_ms = before->latest_open_ms;
    if (now->waiting > 0 && (before->waiting == 0 || !is_same(before, now))) {
        int64_t wait_ms = now->called ? ORDER_WAIT_MS : LOST_HOLDER * ORDER_WAIT_MS;
        now->soonest_ms = world->boot_ms + wait_ms;
        now->soonest_open_ms = open_ms + wait_ms;
        now->latest_open_ms = latest_ms - ORDER_WAIT_MS + wait_ms;
    } else if (now->called && !before->called) {
        int64_t soonest_ms = world->boot_ms + ORDER_WAIT_MS, soonest_open_ms = open_ms + ORDER_WAIT_MS;
        now->soonest_ms = soonest_ms < now->soonest_ms ? soonest_ms : now->soonest_ms;
        now->soonest_open_ms = soonest_open_ms < now->soonest_open_ms ? soonest_open_ms : now->soonest_open_ms;
        now->latest_open_ms = latest_ms < now->latest_open_ms ? latest_ms : now->latest_open_ms;
    }
    if ((now->for_sender || before->for_sender) && latest_ms > now->latest_open_ms) {
        now->latest_open_ms = latest_ms;
    }
}

// It never runs faster than time does.
static void check_clock(struct world *world, int64_t before_ms) {
    struct turns_seen *seen = &world->seen.turns;
    int64_t moved_ms = seen->open_ms - before_ms;
    seen->ticked_ms += moved_ms;
    if (moved_ms < 0 || moved_ms > LONGEST_TICK_MS) {
        world_breach(world, AUDIT_OPEN_CLOCK, "the open clock moves by %lld ms at once", (long long)moved_ms);
    } else if (seen->open_ms - OPEN_MS_BEGIN > world->boot_ms - BOOT_MS && !world->jumped) {
        world_breach(world, AUDIT_OPEN_CLOCK, "the open clock has gone on by %lld ms in %lld ms",
                     (long long)(seen->open_ms - OPEN_MS_BEGIN), (long long)(world->boot_ms - BOOT_MS));
    }
}

bool turns_poll(struct world *world, const redisReply *reply) {
    struct turns_seen *seen = &world->seen.turns, before = *seen;
    int64_t numbers[8];
    read_numbers(reply_text(reply, 0), numbers, 8);
    *seen = (struct turns_seen){
        .held = (int)numbers[0],
        .order = (int)numbers[1],
        .due = (int)numbers[2],
        .scheduled = (int)numbers[3],
        .scheduled_due = (int)numbers[4],
        .overdue = (int)numbers[5],
        .fields = (int)numbers[6],
        .open_ms = numbers[7],
        .ticked_ms = before.ticked_ms,
        .only_held = before.only_held,
    };
    bool follows = !before.unsure && !world->turns_astray;
    if (follows) {
        check_clock(world, before.open_ms);
    }
    for (int conversation = 0; conversation < CONVERSATIONS; conversation++) {
        struct seen_turn *turn = &world->seen.turn[conversation], now = read_turn(world, reply, conversation);
        if (follows) {
            check_let_go(world, conversation, turn, &now);
            check_turn(world, conversation, &now);
        }
        reckon(world, turn, &now, before.open_ms);
        if (before.unsure) {
            now.soonest_ms = now.soonest_open_ms = 0;
            now.latest_open_ms = INT64_MAX;
        }
        *turn = now;
    }
    if ((seen->held != seen->order || seen->scheduled != seen->scheduled_due) && !world->astray) {
        world_breach(world, AUDIT_PARKED, "%d are held and %d have a place; %d are scheduled and %d have a time",
                     seen->held, seen->order, seen->scheduled, seen->scheduled_due);
    }
    world->figures.held += seen->held > before.held ? seen->held - before.held : 0;
    return seen->scheduled < before.scheduled && !before.unsure;
}

void turns_begin_again(struct world *world) {
    world->seen.turns.unsure = true;
}

// ---- Tokens

// Tokens by their place among all. Those that were scheduled come into their conversations by their times, and of one
// time as they were accepted.
static bool begins_before(const struct world *world, int one, int other) {
    const struct ledger_message *messages = world->ledger.messages;
    const struct token *tokens = &world->ledger.tokens[0][0];
    int64_t apart_ms = messages[one / MOST_GENERATIONS].due_ms - messages[other / MOST_GENERATIONS].due_ms;
    return apart_ms != 0 ? apart_ms < 0 : tokens[one].recorded < tokens[other].recorded;
}

static bool has_begun(const struct world *world, const unsigned *scheduled, int message, int generation) {
    const struct token *token = &world->ledger.tokens[message][generation];
    return token->scheduled && !token->lost && (scheduled[message] & (1u << generation)) == 0;
}

static void note_begun(struct world *world, int message, int generation) {
    struct token *token = &world->ledger.tokens[message][generation];
    token->scheduled = false;
    if (!token->live) {
        return;
    }
    world_say(world, "%s, generation %d is scheduled no more", name_of(world, message), generation);
    token->entered = token->ordered ? ++world->entered : 0;
    if (world->wall_ms < world->ledger.messages[message].due_ms && !world->jumped && !token->lost && !token->spoiled) {
        world_breach(world, AUDIT_SCHEDULED, "%s begins %lld ms before its time", name_of(world, message),
                     (long long)(world->ledger.messages[message].due_ms - world->wall_ms));
    }
}

void turns_note_begun(struct world *world, const unsigned *scheduled) {
    for (int next = 0; next >= 0;) {
        next = -1;
        for (int i = 0; i < world->ledger.message_count * MOST_GENERATIONS; i++) {
            int message = i / MOST_GENERATIONS, generation = i % MOST_GENERATIONS;
            if (has_begun(world, scheduled, message, generation) && (next < 0 || begins_before(world, i, next))) {
                next = i;
            }
        }
        if (next >= 0) {
            note_begun(world, next / MOST_GENERATIONS, next % MOST_GENERATIONS);
        }
    }
}

// Of those that take turns one is in `outbound`, or parked, and those that were let go.
void turns_check_place(struct world *world, int message, int generation) {
    const struct token *token = ledger_token(&world->ledger, message, generation);
    const struct seen_turn *turn = &world->seen.turn[conversation_of(world, message)];
    bool has_it = turn->message == message && turn->generation == generation;
    if (token->entered > 0 && !token->passed && !has_it && !world->turns_astray) {
        world_breach(world, AUDIT_TURN, "%s waits to be called, and %s has the turn", name_of(world, message),
                     name_of(world, turn->message));
    }
}

// ---- Calls

void turns_check_call(struct world *world, const struct provider_call *made) {
    const struct token *token = ledger_token(&world->ledger, made->message, made->generation);
    const struct ledger_message *message = &world->ledger.messages[made->message];
    if (made->generation == 0 && world->wall_ms < message->due_ms && !world->jumped) {
        world_breach(world, AUDIT_SCHEDULED, "%s is called %lld ms before its time", message->id,
                     (long long)(message->due_ms - world->wall_ms));
    }
    if (made->generation > 0 || made->number > 1 || token->entered == 0 || made->hit || world->turns_astray) {
        return;
    }
    int conversation = conversation_of(world, made->message);
    for (int other = 0; other < world->ledger.message_count; other++) {
        const struct token *first = &world->ledger.tokens[other][0];
        if (conversation_of(world, other) == conversation && first->live && !first->passed && first->entered > 0 &&
            first->entered < token->entered) {
            world_breach(world, AUDIT_ORDER, "%s is called, and %s before it has not ended", message->id,
                         name_of(world, other));
        }
    }
}

// ---- unpark

static bool says(const struct command *command, int index) {
    return strcmp(command_word(command, index), "1") == 0;
}

void turns_check_unpark(struct world *world, const struct command *command, int64_t sent_ms) {
    const struct turns_seen *seen = &world->seen.turns;
    const struct seen *all = &world->seen;
    if (seen->overdue > 0 && !world->astray) {
        world_breach(world, AUDIT_SCHEDULED, "%d stay scheduled though their time has come", seen->overdue);
    }
    bool goes = seen->ticked_ms > 0 && !seen->only_held, blocked = all->blocked && !world->jumped;
    if (goes && !says(command, UNPARK_MAY_CALL)) {
        world_breach(world, AUDIT_OPEN_CLOCK, "the open clock moves by %lld ms while nothing may be called",
                     (long long)seen->ticked_ms);
    } else if (goes && blocked && sent_ms - all->blocked_since_ms > LOOK_MS) {
        world_breach(world, AUDIT_OPEN_CLOCK, "the open clock moves though nothing may be called since %lld ms",
                     (long long)(sent_ms - all->blocked_since_ms));
    }
    for (int conversation = 0; conversation < CONVERSATIONS && !world->turns_astray && !seen->unsure; conversation++) {
        const struct seen_turn *turn = &all->turn[conversation];
        if (turn->waiting > 0 && !turn->for_sender && seen->open_ms > turn->latest_open_ms) {
            world_breach(world, AUDIT_LET_GO, "conversation %c has waited %lld ms of the open clock too long",
                         'a' + conversation, (long long)(seen->open_ms - turn->latest_open_ms));
        }
    }
}

// ---- The end

void turns_audit_end(struct world *world) {
    const struct turns_seen *seen = &world->seen.turns;
    int fields = world->turns_astray ? 0 : seen->fields; // who ended without its turn left it
    if (fields + seen->held + seen->order + seen->due + seen->scheduled + seen->scheduled_due > 0) {
        world_breach(world, AUDIT_LEFT,
                     "%d fields of turns, %d held, %d places, %d times, %d scheduled, %d of their times", fields,
                     seen->held, seen->order, seen->due, seen->scheduled, seen->scheduled_due);
    }
}
