// SPDX-License-Identifier: MIT
#include "ingest/watch/flow_here.h"

#include "ingest/read/database.h"
#include "ingest/request/resources.h"
#include "ingest/watch/readiness.h"

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

void flow_judge_here(struct ingest_resources *with, const struct pipeline *pipeline, const char *why,
                     struct flow *out) {
    char refused[READINESS_TEXT_SIZE];
    struct flow_view view = {
        .pipeline = pipeline,
        .unreadable = why,
        .redis_refuses = readiness_is_refused(with->readiness, refused) ? refused : NULL,
        .postgres_away = postgres_trouble(with),
        .replicas_missing = readiness_has_replicas(with->readiness) ? 0 : with->settings->redis_wait_replicas,
        .max_age_ms = with->settings->status_max_age_secs * 1000,
        .max_backlog = with->settings->stream_max_backlog,
        .memory_pct = with->settings->redis_memory_pct,
    };
    flow_judge(&view, out);
}
