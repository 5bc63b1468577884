// SPDX-License-Identifier: MIT
#include "ingest/opt_outs/opt_outs_list.h"

#include <stdlib.h>

#include "ingest/opt_outs/pair.h"
#include "ingest/read/database.h"
#include "ingest/read/list.h"
#include "ingest/read/paging.h"
#include "ingest/request/request.h"
#include "ingest/request/resources.h"
#include "ingest/request/response.h"
#include "shared/base/json.h"

// The columns of ingest/read/sql/opt_outs.sql.
enum { NUMBER, CHANNEL, OUR_ADDRESS, THEIR_ADDRESS, AT_US, BY };

static void opt_outs_write_item(struct ingest_request *request, struct buf *json, const PGresult *rows, int row) {
    (void)request;
    json_write_member(json, "channel", database_text(rows, row, CHANNEL));
    json_write_member(json, "our_address", database_text(rows, row, OUR_ADDRESS));
    json_write_member(json, "their_address", database_text(rows, row, THEIR_ADDRESS));
    json_write_member_time(json, "since", database_int(rows, row, AT_US));
    json_write_member(json, "by", database_text(rows, row, BY));
}

static const struct list_shape shape = {CURSOR_OPT_OUT, NUMBER, AT_US, -1, -1, NULL, opt_outs_write_item};

static void opt_outs_on_rows(struct ingest_request *request, const PGresult *rows) {
    list_answer(request, &shape, rows, PQntuples(rows), PAGING_NOT_COUNTED);
}

// Which are asked for; NULL: any. The addresses are owned.
struct opt_outs_filter {
    const char *channel;
    char *ours, *theirs;
};

// An address by itself may be of either channel: of SMS where it is one.
static char *find_identity(const struct opt_outs_filter *filter, enum address_side side, const char *value,
                           const struct phone_region *region, struct pair_error *error) {
    enum channel channel = CHANNEL_SMS;
    char *text = pair_of_query(value), *identity = NULL;
    if (filter->channel != NULL) {
        (void)!pair_channel(filter->channel, &channel);
        identity = pair_identity(channel, side, text, false, region, error);
    } else {
        identity = pair_identity(CHANNEL_SMS, ADDRESS_FROM, text, true, region, error);
        identity = identity != NULL ? identity : pair_identity(CHANNEL_EMAIL, side, text, false, region, error);
    }
    free(text);
    return identity;
}

static int opt_outs_read_filter(struct ingest_request *request, struct opt_outs_filter *out, struct pair_error *error) {
    const struct phone_region *region = request->with->settings->phone_region;
    const char *channel, *ours, *theirs;
    struct paging_error wrong;
    enum channel parsed;
    if (paging_read_once(request->http, "channel", &channel, &wrong) != 0 ||
        paging_read_once(request->http, "our_address", &ours, &wrong) != 0 ||
        paging_read_once(request->http, "their_address", &theirs, &wrong) != 0) {
        *error = (struct pair_error){.field = wrong.parameter, .reason = wrong.reason};
        return -1;
    }
    if (channel != NULL && pair_channel(channel, &parsed) != 0) {
        *error = (struct pair_error){.field = "channel", .reason = "must be sms or email"};
        return -1;
    }
    out->channel = channel;
    out->ours = ours != NULL ? find_identity(out, ADDRESS_FROM, ours, region, error) : NULL;
    if (ours != NULL && out->ours == NULL) {
        return -1;
    }
    out->theirs = theirs != NULL ? find_identity(out, ADDRESS_TO, theirs, region, error) : NULL;
    return theirs != NULL && out->theirs == NULL ? -1 : 0;
}

void opt_outs_list(struct ingest_request *request) {
    struct opt_outs_filter filter = {NULL, NULL, NULL};
    struct pair_error error = {.field = NULL};
    const struct list *list = list_begin(request, CURSOR_OPT_OUT);
    if (list == NULL) {
        return;
    }
    if (opt_outs_read_filter(request, &filter, &error) != 0) {
        response_bad_field(request, error.field, error.reason);
    } else {
        struct list_position at;
        list_position_newest_first(&list->paging, &at);
        const char *values[] = {at.time, at.id, at.limit, at.offset, filter.channel, filter.ours, filter.theirs};
        database_read(request, READ_OPT_OUTS, 7, values, opt_outs_on_rows);
    }
    free(filter.ours);
    free(filter.theirs);
}
