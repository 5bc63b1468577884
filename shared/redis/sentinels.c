// SPDX-License-Identifier: MIT
//
// Nobody is believed at first before a majority has answered, for the first to answer may be one that was cut off.
// Where fewer live, the others get MAJORITY_MS from the first answer on: it may have taken long to look up their names.
//
// A smaller epoch than was believed before is that of a Sentinel that was cut off, or has lost its file. If all that
// are listed have a smaller one, nobody has the greater one any more: they were set up anew, and count.
//
// Where two of the same epoch name different masters, the one that is believed stays so. It happens within a fail-over,
// and with Sentinels of which some announce a name and others its address.
#include "shared/redis/sentinels.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/buf.h"
#include "shared/base/mem.h"
#include "shared/redis/sentinel.h"

enum { MAJORITY_MS = 200 };

struct redis_sentinels {
    struct redis_sentinels_options options;
    struct redis_sentinel **all;
    size_t count;
    uv_timer_t grace; // until fewer than a majority are believed; runs from an answer on
    bool is_over;     // that time
    char *host;       // of the master that is believed; NULL: none
    uint16_t port;
    int64_t epoch;
    char *trouble; // the last that was told
};

static size_t sentinels_count_answers(const struct redis_sentinels *sentinels) {
    size_t count = 0;
    for (size_t i = 0; i < sentinels->count; i++) {
        count += redis_sentinel_answer(sentinels->all[i]) != NULL;
    }
    return count;
}

// How many have said nothing at all yet.
static size_t sentinels_count_silent(const struct redis_sentinels *sentinels) {
    size_t count = 0;
    for (size_t i = 0; i < sentinels->count; i++) {
        count += redis_sentinel_answer(sentinels->all[i]) == NULL && redis_sentinel_trouble(sentinels->all[i]) == NULL;
    }
    return count;
}

static bool sentinels_believe_already(const struct redis_sentinels *sentinels,
                                      const struct redis_sentinel_answer *answer) {
    return sentinels->host != NULL && answer->port == sentinels->port && strcmp(answer->host, sentinels->host) == 0;
}

// NULL: nobody answers.
static const struct redis_sentinel_answer *sentinels_find_greatest(const struct redis_sentinels *sentinels) {
    const struct redis_sentinel_answer *greatest = NULL;
    for (size_t i = 0; i < sentinels->count; i++) {
        const struct redis_sentinel_answer *answer = redis_sentinel_answer(sentinels->all[i]);
        if (answer != NULL && (greatest == NULL || answer->epoch > greatest->epoch ||
                               (answer->epoch == greatest->epoch && sentinels_believe_already(sentinels, answer)))) {
            greatest = answer;
        }
    }
    return greatest;
}

// ---- Nobody names a master

static void sentinels_describe(const struct redis_sentinels *sentinels, struct buf *out) {
    const struct redis_url *url = &sentinels->options.endpoint->url;
    buf_printf(out, "no Sentinel names a master '%s', as REDIS_URL has it", url->master);
    for (size_t i = 0; i < sentinels->count; i++) {
        bool v6 = strchr(url->hosts[i].host, ':') != NULL;
        buf_printf(out, "; %s%s%s:%u %s", v6 ? "[" : "", url->hosts[i].host, v6 ? "]" : "", url->hosts[i].port,
                   redis_sentinel_trouble(sentinels->all[i]));
    }
}

// The last thing that its caller does.
static void sentinels_tell_trouble(struct redis_sentinels *sentinels) {
    struct buf line = {0};
    sentinels_describe(sentinels, &line);
    bool same = sentinels->trouble != NULL && strcmp(sentinels->trouble, line.data) == 0;
    if (!same) {
        free(sentinels->trouble);
        sentinels->trouble = xstrdup(line.data);
    }
    buf_free(&line);
    if (!same) {
        sentinels->options.on_trouble(sentinels->options.owner, sentinels->trouble);
    }
}

// ---- Somebody does

static bool sentinels_may_be_believed(const struct redis_sentinels *sentinels, int64_t epoch) {
    size_t answers = sentinels_count_answers(sentinels);
    if (sentinels->host == NULL) {
        return answers > sentinels->count / 2 || sentinels->is_over || sentinels_count_silent(sentinels) == 0;
    }
    return epoch >= sentinels->epoch || answers == sentinels->count;
}

// The last thing that its caller does.
static void sentinels_believe(struct redis_sentinels *sentinels, const struct redis_sentinel_answer *answer) {
    sentinels->epoch = answer->epoch;
    if (sentinels_believe_already(sentinels, answer)) {
        return;
    }
    free(sentinels->host);
    sentinels->host = xstrdup(answer->host);
    sentinels->port = answer->port;
    sentinels->options.on_master(sentinels->options.owner);
}

static void sentinels_on_grace_over(uv_timer_t *timer);

static void sentinels_give_time(struct redis_sentinels *sentinels) {
    if (!uv_is_active((uv_handle_t *)&sentinels->grace)) {
        uv_timer_start(&sentinels->grace, sentinels_on_grace_over, MAJORITY_MS, 0);
    }
}

static void sentinels_on_change(void *owner) {
    struct redis_sentinels *sentinels = owner;
    const struct redis_sentinel_answer *greatest = sentinels_find_greatest(sentinels);
    if (greatest != NULL && sentinels_may_be_believed(sentinels, greatest->epoch)) {
        sentinels_believe(sentinels, greatest);
    } else if (greatest != NULL && sentinels->host == NULL) {
        sentinels_give_time(sentinels);
    } else if (greatest == NULL && sentinels->host == NULL && sentinels_count_silent(sentinels) == 0) {
        sentinels_tell_trouble(sentinels);
    }
}

static void sentinels_on_grace_over(uv_timer_t *timer) {
    struct redis_sentinels *sentinels = timer->data;
    sentinels->is_over = sentinels_count_answers(sentinels) > 0; // whoever answered may have gone meanwhile
    sentinels_on_change(sentinels);
}

// ---- Life

struct redis_sentinels *redis_sentinels_create(uv_loop_t *loop, const struct redis_sentinels_options *options) {
    struct redis_sentinels *sentinels = xcalloc(1, sizeof *sentinels);
    sentinels->options = *options;
    sentinels->count = options->endpoint->url.count;
    sentinels->all = xcalloc(sentinels->count, sizeof(struct redis_sentinel *));
    for (size_t i = 0; i < sentinels->count; i++) {
        sentinels->all[i] =
            redis_sentinel_create(loop, &(struct redis_sentinel_options){.endpoint = options->endpoint,
                                                                         .number = i,
                                                                         .link = options->link,
                                                                         .timeout_ms = options->timeout_ms,
                                                                         .on_change = sentinels_on_change,
                                                                         .owner = sentinels});
    }
    sentinels->grace.data = sentinels;
    uv_timer_init(loop, &sentinels->grace);
    return sentinels;
}

static void sentinels_on_closed(uv_handle_t *handle) {
    struct redis_sentinels *sentinels = handle->data;
    free(sentinels->all);
    free(sentinels->host);
    free(sentinels->trouble);
    free(sentinels);
}

void redis_sentinels_destroy(struct redis_sentinels *sentinels) {
    for (size_t i = 0; i < sentinels->count; i++) {
        redis_sentinel_destroy(sentinels->all[i]);
    }
    uv_close((uv_handle_t *)&sentinels->grace, sentinels_on_closed);
}

void redis_sentinels_use(struct redis_sentinels *sentinels, const struct redis_endpoint *endpoint) {
    sentinels->options.endpoint = endpoint;
    for (size_t i = 0; i < sentinels->count; i++) {
        redis_sentinel_use(sentinels->all[i], endpoint);
    }
}

void redis_sentinels_ask(struct redis_sentinels *sentinels) {
    for (size_t i = 0; i < sentinels->count; i++) {
        redis_sentinel_ask(sentinels->all[i]);
    }
}

const char *redis_sentinels_master(const struct redis_sentinels *sentinels, uint16_t *port) {
    *port = sentinels->port;
    return sentinels->host;
}
