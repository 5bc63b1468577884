// SPDX-License-Identifier: MIT
#include "dispatcher/lanes.h"

#include <stdlib.h>

#include "shared/base/mem.h"
#include "shared/redis/partitions.h"

enum { TICKS_PER_LOOK = 5 };

struct lanes {
    const struct dispatch_env *env;
    struct lanes_options options;
    struct partitions *partitions; // the object of each is its lane
    unsigned ticks;
};

static void *lanes_serve(void *argument, const char *tag, enum provider provider) {
    struct lanes *lanes = argument;
    struct lane *lane = lane_create(lanes->env, &(struct lane_options){
                                                    .tag = tag,
                                                    .upstream = lanes->options.upstreams[provider],
                                                    .settler = lanes->options.settler,
                                                    .on_idle = lanes->options.on_idle,
                                                    .argument = lanes->options.argument,
                                                });
    if (redis_link_is_up(lanes->env->link)) {
        lane_up(lane);
    }
    return lane;
}

static void lanes_each(struct lanes *lanes, void (*each)(struct lane *lane)) {
    for (size_t i = 0; i < partitions_count(lanes->partitions); i++) {
        each(partitions_at(lanes->partitions, i));
    }
}

void lanes_up(struct lanes *lanes) {
    lanes_each(lanes, lane_up);
    partitions_look(lanes->partitions);
}

void lanes_down(struct lanes *lanes) {
    lanes_each(lanes, lane_down);
}

void lanes_tick(struct lanes *lanes) {
    lanes_each(lanes, lane_tick);
    if (++lanes->ticks % TICKS_PER_LOOK == 0) {
        partitions_look(lanes->partitions);
    }
}

void lanes_stop(struct lanes *lanes) {
    partitions_stop(lanes->partitions);
    lanes_each(lanes, lane_stop);
}

bool lanes_are_idle(const struct lanes *lanes) {
    for (size_t i = 0; i < partitions_count(lanes->partitions); i++) {
        if (!lane_is_idle(partitions_at(lanes->partitions, i))) {
            return false;
        }
    }
    return true;
}

struct lanes *lanes_create(const struct dispatch_env *env, const struct lanes_options *options) {
    struct lanes *lanes = xcalloc(1, sizeof *lanes);
    lanes->env = env;
    lanes->options = *options;
    lanes->partitions = partitions_create(
        &(struct partitions_options){
            .link = env->link, .heartbeat = env->heartbeat, .serve = lanes_serve, .argument = lanes},
        (unsigned)env->settings->stream_partitions);
    return lanes;
}

void lanes_destroy(struct lanes *lanes) {
    lanes_each(lanes, lane_destroy);
    partitions_destroy(lanes->partitions);
    free(lanes);
}
