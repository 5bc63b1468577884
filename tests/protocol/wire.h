// SPDX-License-Identifier: MIT
#ifndef TESTS_PROTOCOL_WIRE_H
#define TESTS_PROTOCOL_WIRE_H

#include "tests/protocol/world.h"

// Commands to Redis, and what can become of them.

// The text of the library with the clock's seam and the planted fault in it; ends the program when a text that is to be
// replaced isn't there exactly once. Owned by the caller.
char *wire_library(const struct plant *plant);
// Loads the scripts of the checker; once a program. Ends the program when it can't.
void wire_prepare(redisContext *redis);

// Runs a command and polls. Never lost. Free with freeReplyObject.
redisReply *wire_run(struct world *world, const struct command *command);
// The same without a poll: for what changes nothing that the audits look at.
redisReply *wire_ask(struct world *world, const struct command *command);

// What becomes of a command on its way, and of its reply.
enum fate {
    FATE_ANSWERED,
    FATE_RUN, // its reply is lost, and the connection with it
    FATE_NOT_RUN,
    FATE_DELAYED, // it is run when its client has gone
};
// Draws it. who: the client, for the trace; deadline_ms: an accept's, else 0; dispatcher: whose it is, or NULL.
enum fate wire_fate(struct world *world, const char *who, const struct command *command, int64_t deadline_ms,
                    struct process *dispatcher);
// Runs a command over an actor's link: NULL when the reply is lost, which breaks the link.
redisReply *wire_call(struct world *world, struct link *link, const struct command *command);
// wire_call; loads the library where Redis has none and repeats the call, as dispatcher/fcall.c.
redisReply *wire_function(struct world *world, struct link *link, const struct command *command);
bool wire_lacks_library(const redisReply *reply);
void wire_load_library(struct world *world);
// Runs what waited in the socket of a client that had gone.
void wire_deliver(struct world *world, int zombie);

void wire_link_up(struct world *world, struct link *link);
void wire_reset(struct world *world);
// Sets Redis's clock to the world's, which has moved by so much.
void wire_set_clock(struct world *world, int64_t moved_ms);
// Lets time pass.
void wire_pass(struct world *world, int ms);
redisReply *wire_snapshot(struct world *world);
void wire_restore(struct world *world, const redisReply *dump);
// Polls once more, looking at everything.
void wire_poll(struct world *world);

#endif
