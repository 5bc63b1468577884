// SPDX-License-Identifier: MIT
#include "ingest/watch/flow_here.h"

#include <stdio.h>

#include "ingest/accept/scheduled.h"
#include "ingest/read/database.h"
#include "ingest/request/resources.h"
#include "ingest/watch/readiness.h"

#define TEXT_SIZE 300

// What is said of the primary; the read server's answers go on meanwhile.
static const char *while_replica_answers(const struct ingest_resources *with, const char *trouble,
                                         char out[TEXT_SIZE]) {
    if (trouble == NULL || !readiness_reads_from_replica(with->readiness)) {
        return trouble;
    }
    snprintf(out, TEXT_SIZE, "%s; DATABASE_READ_URL's server answers what it knows", trouble);
    return out;
}

static const char *postgres_trouble(const struct ingest_resources *with) {
    if (readiness_has_postgres(with->readiness)) {
        return NULL;
    }
    const char *trouble = database_trouble(with->database);
    if (trouble == NULL) {
        return "another thread has no connection";
    }
    return *trouble != '\0' ? trouble : "it has not answered yet";
}

// Of one partition; 0: there is no bound, or it isn't known without Redis.
static int64_t max_scheduled_bytes(const struct settings *settings, const struct pipeline *pipeline) {
    int64_t memory_max = pipeline == NULL ? 0 : pipeline->memory_max;
    bool bounded = settings->scheduled_max_bytes > 0 || memory_max > 0;
    return bounded ? scheduled_most_bytes(settings, memory_max) : 0;
}

void flow_judge_here(struct ingest_resources *with, const struct pipeline *pipeline, const char *why,
                     struct flow *out) {
    char refused[READINESS_TEXT_SIZE], text[TEXT_SIZE];
    struct flow_view view = {
        .pipeline = pipeline,
        .unreadable = why,
        .redis_refuses = readiness_is_refused(with->readiness, refused) ? refused : NULL,
        .postgres_away = while_replica_answers(with, postgres_trouble(with), text),
        .replicas_missing = readiness_has_replicas(with->readiness) ? 0 : with->settings->redis_wait_replicas,
        .max_age_ms = with->settings->status_max_age_secs * 1000,
        .max_backlog = with->settings->stream_max_backlog,
        .max_scheduled = with->settings->scheduled_max,
        .max_scheduled_bytes = max_scheduled_bytes(with->settings, pipeline),
        .memory_pct = with->settings->redis_memory_pct,
        .opt_out = with->settings->opt_out,
    };
    flow_judge(&view, out);
}
