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

static const struct list_shape shape = {CURSOR_CONVERSATION,     ID, LAST_ACTIVITY_US, -1, -1, NULL,
                                        conversations_write_item};

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

// The channel where none is given: sms for what a send could come from there, email for all else. text: as decoded from
// the query, in which a '+' that wasn't encoded is a space.
static enum channel find_channel(const char *text, const struct phone_region *region) {
    struct address address;
    char reason[ADDRESS_REASON_SIZE];
    if (address_parse(CHANNEL_SMS, ADDRESS_FROM, text, region, &address, reason) == NULL) {
        address_free(&address);
        return CHANNEL_SMS;
    }
    bool has_digits = text[0] != '\0' && text[strspn(text, "+0123456789")] == '\0';
    return has_digits ? CHANNEL_SMS : CHANNEL_EMAIL;
}

// Normalized as a webhook's address is, of which it may be any.
static const char *find_participant(const char *text, struct filter *filter) {
    struct address_list list;
    if (!filter->by_channel) {
        filter->by_channel = true;
        filter->channel = find_channel(text, filter->region);
    }
    const char *reason = address_keep(filter->channel, text, filter->region, &list);
    if (reason == NULL) {
        filter->participant = list.addresses->normalized;
        list.addresses->normalized = NULL;
        address_list_free(&list);
    }
    return reason;
}

static const char *parse_participant(const char *text, struct filter *filter) {
    if (!unicode_is_utf8(text, strlen(text))) {
        return "must be UTF-8"; // Postgres would refuse the query
    }
    if (text[0] != ' ' || text[1] < '0' || text[1] > '9') {
        return find_participant(text, filter);
    }
    char *encoded = xasprintf("+%s", text + 1);
    const char *reason = find_participant(encoded, filter);
    free(encoded);
    return reason;
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
        database_read(request, READ_CONVERSATIONS_OF_PARTICIPANT, 6, values, conversations_on_rows);
    } else if (filter->by_channel) {
        database_read(request, READ_CONVERSATIONS_OF_CHANNEL, 5, values, conversations_on_rows);
    } else {
        database_read(request, READ_CONVERSATIONS, 4, values, conversations_on_rows);
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
