// SPDX-License-Identifier: MIT
#include "dispatcher/retry.h"

#include "shared/base/backoff.h"

#define LONGEST_WAIT_MS (72LL * 3600 * 1000)
#define DEFAULT_PAUSE_MS 1000 // a 429 that doesn't say for how long: the shortest that Retry-After could have said
#define SHORTEST_PAUSE_MS 100 // "Retry-After: 0", or a date that has passed, must not make us call without end
#define HOLD_SPREAD_MS (300 * 1000) // the most that redis/messaging.lua (admit) adds to a hold, lest all come at once
#define CUT_MARGIN_MS 2000 // what was refused longer than a pause may be comes after others: the first call is a probe

enum wait { WAIT_NONE, WAIT_BACKOFF, WAIT_AS_ASKED };

struct rule {
    enum attempt_verdict verdict;
    enum breaker_word breaker;
    bool spends; // an attempt, of which a message has API_WORKER_MAX_RETRIES
    enum wait wait;
    enum counter counter;
};

// The reasons: a 429 is not a failure, the provider works and says when to come back. A 401 says that our own
// credentials are wrong, which no message is to blame for. Of a 402, 403, 404, 405 or 410 nobody can say at first whose
// fault it is: settle decides, by what the provider has accepted since. Any other refusal (4xx) is about this message
// and will be the same next time, and it shows that the provider works. A call that ran out while this process stood
// still is no word on the provider either: all that were in flight would open the fleet's breaker at once. Where any
// other failure comes with a Retry-After (a 503 may), that message waits at least so long, as far as a pause may last;
// the breaker, not a pause, is there for the rest.
static const struct rule rules[OUTCOME_CLASS_COUNT] = {
    [OUTCOME_SENT] = {VERDICT_SENT, BREAKER_OK, false, WAIT_NONE, COUNTER_DISPATCH_SUCCESS},
    [OUTCOME_RATE_LIMITED] = {VERDICT_RETRY, BREAKER_NONE, false, WAIT_AS_ASKED, COUNTER_DISPATCH_RATE_LIMITED},
    [OUTCOME_TIMEOUT] = {VERDICT_RETRY, BREAKER_FAIL, true, WAIT_BACKOFF, COUNTER_DISPATCH_ERROR},
    [OUTCOME_INTERRUPTED] = {VERDICT_RETRY, BREAKER_NONE, false, WAIT_BACKOFF, COUNTER_DISPATCH_ERROR},
    [OUTCOME_CONNECTION_FAILED] = {VERDICT_RETRY, BREAKER_FAIL, true, WAIT_BACKOFF, COUNTER_DISPATCH_ERROR},
    [OUTCOME_SERVER_ERROR] = {VERDICT_RETRY, BREAKER_FAIL, true, WAIT_BACKOFF, COUNTER_DISPATCH_ERROR},
    [OUTCOME_CREDENTIALS] = {VERDICT_RETRY, BREAKER_TRIP, false, WAIT_BACKOFF, COUNTER_DISPATCH_ERROR},
    [OUTCOME_REFUSED] = {VERDICT_REFUSED, BREAKER_REFUSED, false, WAIT_BACKOFF, COUNTER_DISPATCH_ERROR},
    [OUTCOME_REJECTED] = {VERDICT_FAILED, BREAKER_OK, true, WAIT_NONE, COUNTER_DISPATCH_ERROR},
    [OUTCOME_UNREADABLE] = {VERDICT_FAILED, BREAKER_NONE, false, WAIT_NONE, COUNTER_COUNT},
    [OUTCOME_OPTED_OUT] = {VERDICT_FAILED, BREAKER_NONE, false, WAIT_NONE, COUNTER_COUNT},
    [OUTCOME_EXPIRED] = {VERDICT_FAILED, BREAKER_NONE, false, WAIT_NONE, COUNTER_COUNT},
};

static int64_t at_most(int64_t value, int64_t most) {
    return value < most ? value : most;
}

static int64_t at_least(int64_t value, int64_t least) {
    return value > least ? value : least;
}

static int64_t pause_of(const struct outcome *outcome) {
    int64_t asked = outcome->retry_after_ms >= 0 ? outcome->retry_after_ms : DEFAULT_PAUSE_MS;
    return at_least(asked, SHORTEST_PAUSE_MS);
}

static int64_t wait_for_pause(int64_t pause_ms, int64_t longest_ms) {
    return pause_ms > longest_ms ? longest_ms + CUT_MARGIN_MS : pause_ms;
}

// What a call says of the provider. A message that always fails says so by its first call only, or one could open the
// breaker for all; a probe counts, whichever call it is. A refusal says something only where it is a probe.
static enum breaker_word word_for_breaker(const struct rule *rule, const struct retry_case *this_case) {
    bool counts = this_case->probe;
    counts = counts || (rule->breaker == BREAKER_FAIL && this_case->call == 1);
    counts = counts || rule->breaker == BREAKER_OK || rule->breaker == BREAKER_TRIP;
    return counts ? rule->breaker : BREAKER_NONE;
}

// Where nothing is spent the calls are counted, so that such a message waits longer each time, too.
static int64_t backoff_of(const struct settings *settings, const struct retry_case *this_case, bool free) {
    unsigned attempt = (unsigned)at_most(free ? this_case->call - 1 : this_case->spent, 62);
    return backoff_full_jitter_ms(attempt, settings->worker_backoff_base_ms, settings->worker_backoff_cap_ms);
}

// What is refused while nothing is accepted is tried as seldom as a held sender's: a wrong account is put right by
// people.
static int64_t patience_ms(const struct settings *settings, const struct retry_case *this_case) {
    int64_t half_ms = settings->sender_hold_secs * 1000 / 2;
    bool doubted = this_case->outcome->class == OUTCOME_REFUSED && this_case->unproven;
    return doubted ? half_ms + backoff_full_jitter_ms(0, half_ms, half_ms) : 0;
}

// Of the message's deadline: waiting beyond it would only put off its failure.
static int64_t retry_time_left_ms(const struct settings *settings, int64_t age_ms) {
    int64_t left = settings->message_deadline_secs * 1000 - age_ms;
    return at_most(at_least(left, 0), LONGEST_WAIT_MS);
}

int64_t retry_longest_wait_ms(const struct settings *settings) {
    int64_t pause_ms = settings->provider_max_pause_secs * 1000 + CUT_MARGIN_MS;
    int64_t hold_ms = settings->sender_hold_secs * 1000 + HOLD_SPREAD_MS;
    return at_least(settings->worker_backoff_cap_ms, at_least(pause_ms, hold_ms));
}

bool retry_is_expired(const struct settings *settings, int64_t age_ms) {
    return age_ms >= settings->message_deadline_secs * 1000;
}

struct retry_decision retry_decide(const struct settings *settings, const struct retry_case *this_case) {
    const struct rule *rule = &rules[this_case->outcome->class];
    int64_t longest_pause_ms = settings->provider_max_pause_secs * 1000;
    struct retry_decision decision = {
        .verdict = rule->verdict,
        .breaker = word_for_breaker(rule, this_case),
        // A failed probe spends none: a long outage must not burn the few messages that probe it.
        .free = !rule->spends || this_case->probe,
        .counter = rule->counter,
    };
    if (rule->wait == WAIT_AS_ASKED) {
        decision.pause_ms = pause_of(this_case->outcome);
        decision.delay_ms = wait_for_pause(decision.pause_ms, longest_pause_ms);
    }
    if (rule->wait == WAIT_BACKOFF) {
        decision.delay_ms = at_least(backoff_of(settings, this_case, decision.free),
                                     at_most(this_case->outcome->retry_after_ms, longest_pause_ms));
        decision.delay_ms = at_least(decision.delay_ms, patience_ms(settings, this_case));
    }
    decision.delay_ms = at_most(decision.delay_ms, retry_time_left_ms(settings, this_case->age_ms));
    bool last = !decision.free && this_case->spent + 1 >= settings->worker_max_retries;
    if (rule->wait != WAIT_NONE && (last || retry_is_expired(settings, this_case->age_ms))) {
        decision.verdict = VERDICT_FAILED;
        decision.delay_ms = 0;
    }
    return decision;
}
