// SPDX-License-Identifier: MIT
#include "tests/protocol/words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/message/opt_out.h"
#include "shared/redis/opt_out_call.h"
#include "tests/protocol/actors.h"
#include "tests/protocol/faults.h"
#include "tests/protocol/wire.h"
#include "tests/support/reply.h"

enum {
    OUT_PERCENT = 55,
    TIMED_PERCENT = 50,     // of the words that a provider gives a time, in whole seconds
    FORGOTTEN_PERCENT = 25, // of what comes again when Redis has forgotten the first
    FRESH_MS = 500,         // OPT_OUTS_FRESH_MS: a call begins so long after the look that allows it, at most
};

static const char *const sets[WORD_PARTITIONS] = {KEY_OPT_OUTS, KEY_OTHER_OPT_OUTS};

static struct opt_word *word_of(struct world *world, int message) {
    for (int i = 0; i < world->words.count; i++) {
        if (world->words.words[i].message == message) {
            return &world->words.words[i];
        }
    }
    return NULL;
}

static int sender_of_word(const struct opt_word *word) {
    return word->message % SENDERS;
}

enum opt_out_state words_state_of(const struct world *world, int message) {
    return world->ledger.messages[message].opt_out;
}

// ---- What is said

void words_say(struct world *world) {
    struct opt_words *words = &world->words;
    int message = words->count < MOST_WORDS ? ingest_new_webhook(world) : -1;
    if (message < 0) {
        return;
    }
    world->ledger.messages[message].opt_out = random_chance(&world->random, OUT_PERCENT) ? OPT_OUT_OUT : OPT_OUT_IN;
    bool timed = random_chance(&world->random, TIMED_PERCENT);
    words->words[words->count++] = (struct opt_word){
        .message = message, .said_ms = timed ? world->wall_ms / 1000 * 1000 : 0, .writing = WORD_PARTITIONS};
    ingest_bring(world, message);
}

void words_repeat(struct world *world) {
    const struct opt_words *words = &world->words;
    bool forgets = random_chance(&world->random, FORGOTTEN_PERCENT);
    if (words->count == 0) {
        return;
    }
    int message = words->words[random_below(&world->random, words->count)].message;
    if (forgets && world_may(world, FAULT_EXPIRY)) {
        fault_expire_key(world, message);
    }
    ingest_bring(world, message);
}

void words_sent(struct world *world, int message) {
    struct opt_word *word = word_of(world, message);
    if (word == NULL) {
        return;
    }
    struct word_place place = {word->said_ms != 0 ? word->said_ms : world->wall_ms, world->wall_ms};
    world->ledger.messages[message].place = place;
    if (word_compare(&place, OPT_OUT_IN, &word->latest, OPT_OUT_IN) > 0) {
        word->latest = place;
    }
}

// The place of the first delivery counts, for what comes again must not undo what was said since.
void words_taken(struct world *world, int message, bool is_new, const char *first_place) {
    struct opt_word *word = word_of(world, message);
    struct ledger_message *said = &world->ledger.messages[message];
    word->told = said->place;
    if (!is_new && !world_has(world, SWITCH_NEW_WORD) &&
        opt_out_place_parse(first_place, &word->told.said_ms, &word->told.came_ms) != 0) {
        world_breach(world, AUDIT_OPT_OUT, "of %s it isn't known when it came first", said->id);
    }
    word->writing = 0;
    word->connection = world->ingest.generation;
    said->possible = true; // it is stored, whatever is answered
}

// ---- What ingest writes

void words_put_pair(struct command *command, int sender) {
    struct buf pair = {0};
    opt_out_pair(sender_of(sender), sender_of(sender), &pair);
    command_bytes(command, pair.data, pair.length);
    buf_free(&pair);
}

void words_put_place(struct command *command, const struct word_place *place) {
    char text[OPT_OUT_PLACE_SIZE];
    opt_out_place(place->said_ms, place->came_ms, text);
    command_text(command, text);
}

static redisReply *write_partition(struct world *world, const struct opt_word *word) {
    struct command command = command_function(LIBRARY_OPT_OUT, 2);
    command_text(&command, sets[word->writing]);
    command_text(&command, word->writing == 0 ? KEY_EVENTS : KEY_OTHER_EVENTS);
    command_int(&command, 0); // it is recorded already
    command_text(&command, "");
    command_text(&command, "");
    words_put_pair(&command, sender_of_word(word));
    command_text(&command, opt_out_state_name(words_state_of(world, word->message)));
    command_int(&command, word->told.said_ms);
    command_int(&command, word->told.came_ms);
    command_text(&command, "");
    command_text(&command, "");
    command_text(&command, "");
    return wire_function(world, &world->ingest, &command);
}

static bool is_in_set(struct world *world, int partition, int sender) {
    struct command command = command_of("HEXISTS", sets[partition], NULL);
    words_put_pair(&command, sender);
    redisReply *reply = wire_ask(world, &command);
    bool is_in = reply->integer == 1;
    freeReplyObject(reply);
    return is_in;
}

static bool was_undone(const struct world *world, const struct opt_word *out) {
    for (int i = 0; i < world->words.count; i++) {
        const struct opt_word *word = &world->words.words[i];
        bool later = word_compare(&word->latest, OPT_OUT_IN, &out->place, OPT_OUT_OUT) > 0;
        if (sender_of_word(word) == sender_of_word(out) && words_state_of(world, word->message) == OPT_OUT_IN &&
            later) {
            return true;
        }
    }
    return false;
}

// Every partition has it by now, but where it was said to be undone, or Redis lost its set.
static void check_everywhere(struct world *world, const struct opt_word *word) {
    int sender = sender_of_word(word);
    bool is_excused = world->jumped || world->failed_over || world->sets_evicted || was_undone(world, word);
    for (int partition = 0; partition < WORD_PARTITIONS && !is_excused; partition++) {
        if (words_state_of(world, word->message) == OPT_OUT_OUT && !is_in_set(world, partition, sender)) {
            world_breach(world, AUDIT_OPT_OUT, "%s was told that it has opted out, and partition %d doesn't know it",
                         sender_of(sender), partition);
        }
    }
}

static void answer(struct world *world, struct opt_word *word) {
    struct ledger_message *message = &world->ledger.messages[word->message];
    if (!word->promised) {
        word->answered_ms = world->boot_ms;
    }
    if (!word->promised || word->may_be_gone) {
        word->promised_at = message->promised_at = world->step;
    }
    check_everywhere(world, word);
    word->promised = message->promised = true;
    word->may_be_gone = message->may_be_gone = false;
    world_say(world, "ingest: %s, %s of %s, is everywhere", message->id,
              words_state_of(world, word->message) == OPT_OUT_OUT ? "STOP" : "START", sender_of(word->message));
}

static void write_next(struct world *world, struct opt_word *word) {
    bool is_up = world->ingest.up && world->ingest.generation == word->connection;
    redisReply *reply = is_up ? write_partition(world, word) : NULL;
    word->late = word->late || (word->forgotten && world->postgres.words[word->message] >= word->entries);
    world_say(world, "ingest: %s of %s, at %lld, %lld, into partition %d: %s",
              words_state_of(world, word->message) == OPT_OUT_OUT ? "STOP" : "START", sender_of(word->message),
              (long long)(word->told.said_ms - BEGIN_MS), (long long)(word->told.came_ms - BEGIN_MS), word->writing,
              reply == NULL ? "no answer" : reply_text(reply, 0));
    if (reply == NULL) {
        word->writing = WORD_PARTITIONS; // 503: it will come again
        world_say(world, "ingest: %s is ambiguous", world->ledger.messages[word->message].id);
        return;
    }
    if (strcmp(reply_text(reply, 0), "OK") != 0) {
        world_breach(world, AUDIT_ERROR, "opt_out: %s", reply_text(reply, 0));
    }
    freeReplyObject(reply);
    word->writing = world_has(world, SWITCH_ONE_PARTITION) ? WORD_PARTITIONS : word->writing + 1;
    if (word->writing == WORD_PARTITIONS) {
        answer(world, word);
    }
}

// From a random one on.
void words_write(struct world *world) {
    struct opt_words *words = &world->words;
    int first = random_below(&world->random, MOST_WORDS);
    for (int i = 0; i < words->count; i++) {
        struct opt_word *word = &words->words[(first + i) % words->count];
        if (word->writing < WORD_PARTITIONS) {
            write_next(world, word);
            return;
        }
    }
}

void words_finish(struct world *world) {
    for (int i = 0; i < world->words.count; i++) {
        struct opt_word *word = &world->words.words[i];
        while (word->writing < WORD_PARTITIONS && world->breach == AUDIT_NONE) {
            write_next(world, word);
        }
    }
}

void words_evict(struct world *world) {
    struct command command = command_of("DEL", sets[random_below(&world->random, WORD_PARTITIONS)], NULL);
    if (world_may(world, FAULT_EXPIRY)) {
        world_inject(world, FAULT_EXPIRY);
        world_say(world, "%s is evicted", command_word(&command, 1));
        world->sets_evicted = true;
        freeReplyObject(wire_run(world, &command));
    }
}

// ---- What is known

void words_note(struct world *world, const struct event *event) {
    struct opt_word *word = word_of(world, event->message);
    if (word == NULL) {
        return;
    }
    word->forgotten = word->forgotten || word->noted;
    word->entries++;
    if (!word->noted || word_compare(&event->place, OPT_OUT_IN, &word->place, OPT_OUT_IN) < 0) {
        word->place = event->place; // of several the first one is the word
    }
    word->noted = true;
}

void words_note_recorded(struct world *world) {
    for (int i = 0; i < world->words.count; i++) {
        struct opt_word *word = &world->words.words[i];
        word->recorded = word->recorded || word->noted;
    }
}

// The later one counts, of two of one time the one that opts out. A set that was evicted is filled with what is
// recorded; until then it lacks what else was said.
static const struct opt_word *latest_out(const struct world *world, int sender) {
    const struct opt_word *latest = NULL;
    for (int i = 0; i < world->words.count; i++) {
        const struct opt_word *word = &world->words.words[i];
        bool counts = sender_of_word(word) == sender && words_state_of(world, word->message) == OPT_OUT_OUT &&
                      word->promised && !word->may_be_gone && (word->recorded || !world->sets_evicted);
        if (counts && (latest == NULL || word_compare(&word->place, OPT_OUT_OUT, &latest->place, OPT_OUT_OUT) > 0)) {
            latest = word;
        }
    }
    return latest;
}

// The word by which it has for certain; NULL: it may have opted in again. Of a clock that jumps nobody knows what is
// later.
static const struct opt_word *certain_out(const struct world *world, int sender) {
    const struct opt_word *out = latest_out(world, sender);
    return out == NULL || world->jumped || was_undone(world, out) ? NULL : out;
}

bool words_forbid(const struct world *world, int sender) {
    return certain_out(world, sender) != NULL;
}

bool words_may_forbid(const struct world *world, int sender) {
    for (int i = 0; i < world->words.count; i++) {
        const struct opt_word *word = &world->words.words[i];
        if (sender_of_word(word) == sender && words_state_of(world, word->message) == OPT_OUT_OUT &&
            word->latest.came_ms > 0) {
            return true;
        }
    }
    return false;
}

void words_check_call(struct world *world, int message) {
    const struct opt_word *out = certain_out(world, message % SENDERS);
    if (out != NULL && world->boot_ms - out->answered_ms > FRESH_MS) {
        world_breach(world, AUDIT_OPT_OUT, "%s is called %lld ms after its recipient was told that it has opted out",
                     world->ledger.messages[message].id, (long long)(world->boot_ms - out->answered_ms));
    }
    if (world->worded && !world->seen.knows_opt_outs && world->boot_ms - world->seen.unknown_since_ms > FRESH_MS) {
        world_breach(world, AUDIT_OPT_OUT, "%s is called before Redis knows again who has opted out",
                     world->ledger.messages[message].id);
    }
}

void words_go_back(struct world *world, int step) {
    for (int i = 0; i < world->words.count; i++) {
        struct opt_word *word = &world->words.words[i];
        word->may_be_gone = word->may_be_gone || word->promised_at > step;
    }
}

// ---- The audit

// Ingest wrote what was no word any more, after the persister had said so. The next fill puts it right.
static bool any_late(const struct world *world, int sender) {
    for (int i = 0; i < world->words.count; i++) {
        if (world->words.words[i].late && sender_of_word(&world->words.words[i]) == sender) {
            return true;
        }
    }
    return false;
}

static void check_sets(struct world *world, int sender) {
    bool out = world->postgres.pairs[sender].state == OPT_OUT_OUT;
    for (int partition = 0; partition < WORD_PARTITIONS; partition++) {
        if (is_in_set(world, partition, sender) != out && !world->jumped && !any_late(world, sender)) {
            world_breach(world, AUDIT_OPT_OUT, "%s has opted %s in Postgres, and partition %d doesn't know it",
                         sender_of(sender), out ? "out" : "in", partition);
        }
    }
}

static enum opt_out_state last_word(const struct world *world, int sender) {
    const struct opt_word *last = NULL;
    for (int i = 0; i < world->words.count; i++) {
        const struct opt_word *word = &world->words.words[i];
        enum opt_out_state state = words_state_of(world, word->message);
        if (sender_of_word(word) == sender && world->postgres.stored[word->message] != 0 &&
            (last == NULL ||
             word_compare(&word->place, state, &last->place, words_state_of(world, last->message)) > 0)) {
            last = word;
        }
    }
    return last == NULL ? OPT_OUT_NONE : words_state_of(world, last->message);
}

// A webhook that came again as new is another entry, and which of both is recorded first nobody knows.
static bool any_forgotten(const struct world *world, int sender) {
    for (int i = 0; i < world->words.count; i++) {
        if (world->words.words[i].forgotten && sender_of_word(&world->words.words[i]) == sender) {
            return true;
        }
    }
    return false;
}

static void check_pair(struct world *world, int sender) {
    enum opt_out_state state = world->postgres.pairs[sender].state;
    if (!world->jumped && !world->failed_over && !any_forgotten(world, sender) && state != last_word(world, sender)) {
        world_breach(world, AUDIT_OPT_OUT, "the last word of %s is another than Postgres has", sender_of(sender));
    }
    if (words_forbid(world, sender) && state != OPT_OUT_OUT) {
        world_breach(world, AUDIT_OPT_OUT, "%s has opted out, and Postgres doesn't know it", sender_of(sender));
    }
}

void words_audit_end(struct world *world) {
    for (int sender = 0; sender < SENDERS; sender++) {
        check_pair(world, sender);
        check_sets(world, sender);
    }
}
