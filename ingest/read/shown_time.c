// SPDX-License-Identifier: MIT
#include "ingest/read/shown_time.h"

#include "shared/base/json.h"
#include "shared/base/rfc3339.h"

void shown_time_write(struct buf *json, const char *name, int64_t time_us) {
    int64_t below_ms = (time_us % 1000 + 1000) % 1000;
    char text[RFC3339_SIZE];
    rfc3339_format((time_us - below_ms) / 1000, text);
    json_write_member(json, name, text);
}
