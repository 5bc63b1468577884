// SPDX-License-Identifier: MIT
#include <stdio.h>

#include "tests/protocol/dispatcher_private.h"
#include "tests/protocol/wire.h"

enum { GRANT_MS = 100 };

static struct command give_up_command(const struct dispatcher *dispatcher, const char *probe) {
    struct command command = command_function(LIBRARY_BREAKER_RECORD, 1);
    const char *words[] = {KEY_BREAKER, dispatcher->grant.epoch, probe, "none", "1", "0"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        command_text(&command, words[i]);
    }
    command_int(&command, THRESHOLD);
    command_int(&command, OPEN_MS);
    command_int(&command, PROBES);
    command_text(&command, "");
    command_int(&command, PROBE_LEASE_MS);
    command_int(&command, MAX_PAUSE_MS);
    command_int(&command, 0);
    command_int(&command, HELD_OPEN);
    command_text(&command, "");
    return command;
}

// Hands back what was not used; what can't be sent lapses.
void grant_give_up(struct world *world, struct dispatcher *dispatcher) {
    while (dispatcher->grant.kind == GRANT_PROBE && dispatcher->grant.probe_count > 0) {
        struct command command = give_up_command(dispatcher, dispatcher->grant.probes[--dispatcher->grant.probe_count]);
        if (dispatcher->link.up) {
            freeReplyObject(wire_function(world, &dispatcher->link, &command));
        }
    }
    dispatcher->grant.kind = GRANT_NONE;
}

bool grant_is_good(const struct world *world, const struct dispatcher *dispatcher, int margin_ms) {
    int64_t age_ms = world->boot_ms - dispatcher->grant.asked_ms + margin_ms;
    bool is_go = dispatcher->grant.kind == GRANT_GO;
    bool lasts = age_ms < GRANT_MS || world_has(world, is_go ? SWITCH_OLD_GRANT : SWITCH_OLD_PROBE);
    return lasts && (is_go || (dispatcher->grant.kind == GRANT_PROBE && dispatcher->grant.probe_count > 0));
}

void grant_take_probe(struct dispatcher *dispatcher, struct lease *lease) {
    *lease->probe = '\0';
    snprintf(lease->epoch, sizeof lease->epoch, "%s", dispatcher->grant.epoch);
    if (dispatcher->grant.kind == GRANT_PROBE) {
        snprintf(lease->probe, sizeof lease->probe, "%s", dispatcher->grant.probes[--dispatcher->grant.probe_count]);
    }
}

bool grant_has_call(const struct dispatcher *dispatcher) {
    return dispatcher->grant.kind == GRANT_GO ||
           (dispatcher->grant.kind == GRANT_PROBE && dispatcher->grant.probe_count > 0);
}
