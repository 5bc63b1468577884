// SPDX-License-Identifier: MIT
//
// One account for all threads, under a lock, rather than a share for each: a page of large mails may be larger than a
// thread's share would be, and which thread a connection comes to is chance. What is small never takes the lock.
//
// A body that has to make way may be another thread's. That thread is woken, and until it has let go the bytes are
// counted twice: as held, and as leaving. Who needed them doesn't wait, for the time of a turn of a loop; but beyond a
// quarter over the budget it makes way itself.
#include "shared/http/budget.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "shared/base/crypto.h"
#include "shared/http/peers.h"

enum {
    BUCKETS = 4096,
    CLIENTS_SHARE = 4, // one client has at most one part in so many
    LEFT_SHARE = 2,    // what is kept for one is at most one part in so many of what is left
    OVERDRAFT = 4,     // one part in so many
};

struct claims {
    struct http_claim *oldest, *youngest;
};

// What one client holds; it exists while it holds something.
struct http_holder {
    struct http_holder *next;
    struct in6_addr network;
    size_t bytes, kept, leaving;
    struct claims unfinished;
};

struct http_budget {
    uv_mutex_t lock;
    uint64_t seed; // so that nobody can choose addresses that meet in one bucket
    size_t most;
    size_t used, kept, leaving; // bytes; the latter two are part of the first
    struct claims unfinished;
    struct http_holder *buckets[BUCKETS];
};

// ---- Lists of unfinished bodies, the oldest first

typedef struct http_claim_links *(*links_of)(struct http_claim *claim);

static struct http_claim_links *of_all(struct http_claim *claim) {
    return &claim->of_all;
}

static struct http_claim_links *of_holder(struct http_claim *claim) {
    return &claim->of_holder;
}

static void put_in(struct claims *list, struct http_claim *claim, links_of links) {
    struct http_claim *older = list->youngest;
    while (older != NULL && older->since_us > claim->since_us) {
        older = links(older)->older;
    }
    struct http_claim *younger = older != NULL ? links(older)->younger : list->oldest;
    *links(claim) = (struct http_claim_links){older, younger};
    *(older != NULL ? &links(older)->younger : &list->oldest) = claim;
    *(younger != NULL ? &links(younger)->older : &list->youngest) = claim;
}

static void http_budget_take_out(struct claims *list, struct http_claim *claim, links_of links) {
    struct http_claim *older = links(claim)->older, *younger = links(claim)->younger;
    *(older != NULL ? &links(older)->younger : &list->oldest) = younger;
    *(younger != NULL ? &links(younger)->older : &list->youngest) = older;
}

// ---- Accounts

static struct http_holder **http_budget_find(struct http_budget *budget, const struct in6_addr *network) {
    struct http_holder **at = &budget->buckets[http_peers_hash(budget->seed, network) % BUCKETS];
    while (*at != NULL && memcmp(&(*at)->network, network, sizeof *network) != 0) {
        at = &(*at)->next;
    }
    return at;
}

static struct http_holder *holder_of(struct http_claim *claim) {
    struct http_holder **at = http_budget_find(claim->budget, &claim->network);
    if (*at == NULL) {
        *at = xcalloc(1, sizeof **at);
        (*at)->network = claim->network;
    }
    return *at;
}

static void free_if_empty(struct http_budget *budget, struct http_holder *holder) {
    if (holder->bytes == 0) {
        struct http_holder **at = http_budget_find(budget, &holder->network);
        *at = holder->next;
        free(holder);
    }
}

// The one place where a claim's state and bytes change.
static void change(struct http_claim *claim, enum http_claim_state state, size_t bytes) {
    struct http_budget *budget = claim->budget;
    struct http_holder *holder = holder_of(claim);
    if (claim->state == HTTP_CLAIM_UNFINISHED && state != HTTP_CLAIM_UNFINISHED) {
        http_budget_take_out(&budget->unfinished, claim, of_all);
        http_budget_take_out(&holder->unfinished, claim, of_holder);
    } else if (claim->state != HTTP_CLAIM_UNFINISHED && state == HTTP_CLAIM_UNFINISHED) {
        put_in(&budget->unfinished, claim, of_all);
        put_in(&holder->unfinished, claim, of_holder);
    }
    size_t was_kept = claim->state == HTTP_CLAIM_KEPT ? claim->bytes : 0;
    size_t was_leaving = claim->state == HTTP_CLAIM_LEAVING ? claim->bytes : 0;
    size_t kept = state == HTTP_CLAIM_KEPT ? bytes : 0, leaving = state == HTTP_CLAIM_LEAVING ? bytes : 0;
    budget->used += bytes - claim->bytes; // modulo the type's size, as the others
    holder->bytes += bytes - claim->bytes;
    budget->kept += kept - was_kept;
    holder->kept += kept - was_kept;
    budget->leaving += leaving - was_leaving;
    holder->leaving += leaving - was_leaving;
    claim->state = state;
    claim->bytes = bytes;
    free_if_empty(budget, holder);
}

// ---- Making way

static void send_away(struct http_claim *claim, const struct http_claimant *asker) {
    bool own = claim->claimant == asker;
    if (own) {
        asker->drop(claim);
    }
    change(claim, HTTP_CLAIM_LEAVING, own ? 0 : claim->bytes);
    claim->next_leaving = claim->claimant->first_leaving;
    claim->claimant->first_leaving = claim;
    claim->claimant->wake(claim->claimant);
}

// The asker's own body doesn't make way for itself: it is the asker then that gets nothing.
static bool send_oldest_away(const struct claims *unfinished, const struct http_claim *asker) {
    struct http_claim *oldest = unfinished->oldest;
    if (oldest == NULL || oldest == asker) {
        return false;
    }
    send_away(oldest, asker->claimant);
    return true;
}

// Of the client's own first.
static bool http_budget_make_room(struct http_claim *claim, size_t more) {
    struct http_budget *budget = claim->budget;
    struct http_holder *holder;
    while ((holder = *http_budget_find(budget, &claim->network)) != NULL &&
           holder->bytes - holder->leaving + more > budget->most / CLIENTS_SHARE) {
        if (!send_oldest_away(&holder->unfinished, claim)) {
            return false;
        }
    }
    while (budget->used - budget->leaving + more > budget->most) {
        if (!send_oldest_away(&budget->unfinished, claim)) {
            return false;
        }
    }
    return more <= budget->most / CLIENTS_SHARE && budget->used + more <= budget->most + budget->most / OVERDRAFT;
}

// ---- Claims

bool http_claim_grow(struct http_claim *claim, size_t bytes) {
    if (claim->budget == NULL || bytes <= HTTP_FREE_BYTES || (claim->counted && bytes <= claim->bytes)) {
        return true;
    }
    uv_mutex_lock(&claim->budget->lock);
    bool granted = claim->state != HTTP_CLAIM_LEAVING && http_budget_make_room(claim, bytes - claim->bytes);
    if (granted) {
        change(claim, HTTP_CLAIM_UNFINISHED, bytes);
        claim->counted = true;
    }
    uv_mutex_unlock(&claim->budget->lock);
    return granted;
}

bool http_claim_keep(struct http_claim *claim) {
    if (!claim->counted) {
        return true;
    }
    uv_mutex_lock(&claim->budget->lock);
    bool stands = claim->state != HTTP_CLAIM_LEAVING;
    if (stands) {
        change(claim, HTTP_CLAIM_KEPT, claim->bytes);
    }
    uv_mutex_unlock(&claim->budget->lock);
    return stands;
}

static size_t less(size_t a, size_t b) {
    return a > b ? a - b : 0;
}

// With the lock held. What makes way is no hindrance.
static size_t room_of(const struct http_claim *claim) {
    struct http_budget *budget = claim->budget;
    const struct http_holder *holder = *http_budget_find(budget, &claim->network);
    size_t own = claim->state == HTTP_CLAIM_KEPT ? claim->bytes : 0;
    size_t of_client = holder != NULL ? holder->kept - own : 0, of_all = budget->kept - own;
    size_t share = less(budget->most / CLIENTS_SHARE, of_client);
    // of_client + x <= (most - of_all - x) / LEFT_SHARE
    size_t left = less(less(budget->most, of_all), LEFT_SHARE * of_client) / (LEFT_SHARE + 1);
    return share < left ? share : left;
}

size_t http_claim_room(struct http_claim *claim) {
    if (claim->budget == NULL) {
        return SIZE_MAX;
    }
    uv_mutex_lock(&claim->budget->lock);
    size_t room = room_of(claim);
    uv_mutex_unlock(&claim->budget->lock);
    return room > HTTP_FREE_BYTES ? room : HTTP_FREE_BYTES;
}

static void release(struct http_claim *claim) {
    if (claim->state == HTTP_CLAIM_LEAVING) {
        struct http_claim **at = &claim->claimant->first_leaving;
        while (*at != NULL && *at != claim) {
            at = &(*at)->next_leaving;
        }
        if (*at != NULL) {
            *at = claim->next_leaving;
        }
    }
    change(claim, HTTP_CLAIM_NONE, 0);
    claim->counted = false;
}

void http_claim_release(struct http_claim *claim) {
    if (claim->counted) {
        uv_mutex_lock(&claim->budget->lock);
        release(claim);
        uv_mutex_unlock(&claim->budget->lock);
    }
}

static bool http_budget_hold(struct http_claim *claim, size_t bytes, bool force) {
    if (claim->budget == NULL || (bytes <= HTTP_FREE_BYTES && !claim->counted)) {
        return true;
    }
    uv_mutex_lock(&claim->budget->lock);
    bool granted = force || bytes <= claim->bytes || bytes <= HTTP_FREE_BYTES ||
                   (bytes <= room_of(claim) && http_budget_make_room(claim, bytes - claim->bytes));
    if (granted && bytes <= HTTP_FREE_BYTES) {
        release(claim);
    } else if (granted) {
        if (claim->state == HTTP_CLAIM_LEAVING) {
            release(claim);
        }
        change(claim, HTTP_CLAIM_KEPT, bytes);
        claim->counted = true;
    }
    uv_mutex_unlock(&claim->budget->lock);
    return granted;
}

bool http_claim_hold(struct http_claim *claim, size_t bytes) {
    return http_budget_hold(claim, bytes, false);
}

void http_claim_force(struct http_claim *claim, size_t bytes) {
    (void)!http_budget_hold(claim, bytes, true);
}

struct http_claim *http_claimant_next(struct http_budget *budget, struct http_claimant *claimant) {
    uv_mutex_lock(&budget->lock);
    struct http_claim *claim = claimant->first_leaving;
    if (claim != NULL) {
        release(claim);
    }
    uv_mutex_unlock(&budget->lock);
    return claim;
}

// ---- The budget

struct http_budget *http_budget_create(size_t bytes) {
    struct http_budget *budget = xcalloc(1, sizeof *budget);
    budget->most = bytes;
    crypto_random(&budget->seed, sizeof budget->seed);
    if (uv_mutex_init(&budget->lock) != 0) {
        mem_exhausted();
    }
    return budget;
}

void http_budget_destroy(struct http_budget *budget) {
    uv_mutex_destroy(&budget->lock); // its servers have let go of everything
    free(budget);
}

size_t http_budget_used(struct http_budget *budget) {
    uv_mutex_lock(&budget->lock);
    size_t used = budget->used;
    uv_mutex_unlock(&budget->lock);
    return used;
}
