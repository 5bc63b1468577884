// SPDX-License-Identifier: MIT
#include "ingest/read/pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gen/ingest/embedded.h"
#include "shared/base/mem.h"

struct read_pool {
    struct read_pool_options options; // the strings are not kept
    char *url;                        // that the links have
    size_t up;                        // links that can be used
    size_t count;
    struct pg_link *links[];
};

static void read_pool_on_up(void *argument) {
    struct read_pool *pool = argument;
    if (pool->up++ == 0) {
        pool->options.on_change(pool->options.argument, true);
    }
    if (pool->options.on_connection != NULL) {
        pool->options.on_connection(pool->options.argument);
    }
}

static void read_pool_on_down(void *argument) {
    struct read_pool *pool = argument;
    if (--pool->up == 0) {
        pool->options.on_change(pool->options.argument, false);
    }
}

struct read_pool *read_pool_create(uv_loop_t *loop, const struct read_pool_options *options) {
    struct read_pool *pool = xcalloc(1, sizeof *pool + options->connections * sizeof(struct pg_link *));
    pool->options = *options;
    pool->count = options->connections;
    pool->url = xstrdup(options->url);
    for (size_t i = 0; i < pool->count; i++) {
        char *name = xasprintf("%s-%zu", options->name, i);
        pool->links[i] = pg_link_create(loop, &(struct pg_link_options){.url = options->url,
                                                                        .name = name,
                                                                        .timeout_ms = options->timeout_ms,
                                                                        .session_attrs = options->session_attrs,
                                                                        .pipeline = true,
                                                                        .setup = ingest_read_sql_session_sql,
                                                                        .statements = options->statements,
                                                                        .on_up = read_pool_on_up,
                                                                        .on_down = read_pool_on_down,
                                                                        .argument = pool});
        free(name);
    }
    return pool;
}

void read_pool_change_url(struct read_pool *pool, const char *url) {
    if (strcmp(pool->url, url) == 0) {
        return;
    }
    free(pool->url);
    pool->url = xstrdup(url);
    for (size_t i = 0; i < pool->count; i++) {
        pg_link_change_url(pool->links[i], url);
    }
}

void read_pool_destroy(struct read_pool *pool) {
    for (size_t i = 0; i < pool->count; i++) {
        pg_link_destroy(pool->links[i]);
    }
    free(pool->url);
    free(pool);
}

bool read_pool_is_up(const struct read_pool *pool) {
    return pool->up > 0;
}

const char *read_pool_error(const struct read_pool *pool) {
    return pg_link_last_error(pool->links[0]);
}

int read_pool_execute(struct read_pool *pool, const char *statement, int count, const char *const *values,
                      pg_link_done done, void *argument) {
    struct pg_link *best = NULL;
    for (size_t i = 0; i < pool->count; i++) {
        struct pg_link *link = pool->links[i];
        if (pg_link_is_up(link) && (best == NULL || pg_link_pending(link) < pg_link_pending(best))) {
            best = link;
        }
    }
    return best != NULL ? pg_link_execute(best, statement, count, values, done, argument) : -1;
}

size_t read_pool_execute_each(struct read_pool *pool, const char *statement, pg_link_done done, void *argument) {
    size_t asked = 0;
    for (size_t i = 0; i < pool->count; i++) {
        asked += pg_link_execute(pool->links[i], statement, 0, NULL, done, argument) == 0;
    }
    return asked;
}
