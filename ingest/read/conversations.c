// SPDX-License-Identifier: MIT
#include "ingest/read/conversations.h"

#include <stdlib.h>
#include <string.h>

#include "ingest/read/database.h"
#include "ingest/read/list.h"
#include "ingest/read/paging.h"
#include "ingest/request/request.h"
#include "ingest/request/resources.h"
#include "ingest/request/response.h"
#include "shared/base/json.h"
#include "shared/base/unicode.h"
#include "shared/message/address.h"

// The columns of ingest/read/sql/conversations*.sql.
enum { ID, KEY, CHANNEL, PARTICIPANT_A, PARTICIPANT_B, MESSAGE_COUNT, LAST_ACTIVITY_US, TOTAL };

// Which conversations are asked for. participant, normalized, is owned.
struct filter {
    const struct phone_region *region; // completes the participant
    bool by_channel;
    enum channel channel;
    char *participant;
    char reason[ADDRESS_REASON_SIZE]; // why it is refused
};

static void conversations_write_item(struct ingest_request *request, struct buf *json, const PGresult *rows, int row) {
    (void)request;
    json_write_member(json, "id", database_text(rows, row, ID));
    json_write_member(json, "key", database_text(rows, row, KEY));
    json_write_member(json, "channel", database_text(rows, row, CHANNEL));
    json_write_member(json, "participant_a", database_text(rows, row, PARTICIPANT_A));
    json_write_member(json, "participant_b", database_text(rows, row, PARTICIPANT_B));
    json_write_member_int(json, "message_count", database_int(rows, row, MESSAGE_COUNT));
    json_write_member_time(json, "last_activity_at", database_int(rows, row, LAST_ACTIVITY_US));
}

static const struct list_shape shape = {CURSOR_CONVERSATION, ID, LAST_ACTIVITY_US, -1, NULL, conversations_write_item};

static void conversations_on_rows(struct ingest_request *request, const PGresult *rows) {
    int fetched = PQgetisnull(rows, 0, ID) ? 0 : PQntuples(rows);
    list_answer(request, &shape, rows, fetched, database_int(rows, 0, TOTAL));
}

static const char *parse_channel(const char *text, struct filter *filter) {
    filter->by_channel = true;
    for (int channel = CHANNEL_SMS; channel <= CHANNEL_EMAIL; channel++) {
        if (strcmp(text, channel_name((enum channel)channel)) == 0) {
            filter->channel = (enum channel)channel;
            return NULL;
        }
    }
    return "must be sms or email";
}

// Its form says which channel it belongs to, where none is given.
static const char *parse_participant(const char *text, struct filter *filter) {
    char *shown;
    const char *reason = NULL;
    if (!unicode_is_utf8(text, strlen(text))) {
        return "must be UTF-8"; // Postgres would refuse the query
    }
    for (int channel = CHANNEL_SMS; channel <= CHANNEL_EMAIL; channel++) {
        if (filter->by_channel && filter->channel != (enum channel)channel) {
            continue;
        }
        reason =
            address_parse((enum channel)channel, text, filter->region, &shown, &filter->participant, filter->reason);
        if (reason == NULL) {
            free(shown);
            filter->by_channel = true;
            filter->channel = (enum channel)channel;
            return NULL;
        }
    }
    return filter->by_channel ? reason : "must be a phone number or an email address";
}

static int conversations_read_filter(const struct http_request *http, struct filter *out, struct paging_error *error) {
    const char *channel, *participant;
    if (paging_read_once(http, "channel", &channel, error) != 0 ||
        paging_read_once(http, "participant", &participant, error) != 0) {
        return -1;
    }
    if (channel != NULL) {
        *error = (struct paging_error){"channel", parse_channel(channel, out)};
        if (error->reason != NULL) {
            return -1;
        }
    }
    if (participant != NULL) {
        *error = (struct paging_error){"participant", parse_participant(participant, out)};
        if (error->reason != NULL) {
            return -1;
        }
    }
    return 0;
}

static void conversations_run(struct ingest_request *request, const struct list *list, const struct filter *filter) {
    struct list_position at;
    list_position_newest_first(&list->paging, &at);
    const char *values[] = {at.time, at.id, at.limit, at.offset, channel_name(filter->channel), filter->participant};
    if (filter->participant != NULL) {
        database_run(request, READ_CONVERSATIONS_OF_PARTICIPANT, 6, values, conversations_on_rows);
    } else if (filter->by_channel) {
        database_run(request, READ_CONVERSATIONS_OF_CHANNEL, 5, values, conversations_on_rows);
    } else {
        database_run(request, READ_CONVERSATIONS, 4, values, conversations_on_rows);
    }
}

void conversations_list(struct ingest_request *request) {
    struct filter filter = {.region = request->with->settings->phone_region};
    struct paging_error error;
    const struct list *list = list_begin(request, CURSOR_CONVERSATION);
    if (list == NULL) {
        return;
    }
    if (conversations_read_filter(request->http, &filter, &error) != 0) {
        response_bad_field(request, error.parameter, error.reason);
    } else {
        conversations_run(request, list, &filter);
    }
    free(filter.participant);
}
