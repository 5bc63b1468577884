// SPDX-License-Identifier: MIT
#include "ingest/accept/payload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ingest/accept/attachment.h"
#include "shared/base/json.h"
#include "shared/base/rfc3339.h"
#include "shared/base/timestamp.h"
#include "shared/base/unicode.h"
#include "shared/message/opt_out_words.h"

#define MAX_SUBJECT_BYTES 998 // RFC 5322, 2.1.1: a line's
#define MAX_PHONE_BODY 1600   // code points: what Twilio takes (error 21617)
#define MAX_PHONE_MEDIA 10    // of one message: the same (error 21623)
#define DAY_MS (INT64_C(24) * 3600 * 1000)
#define MAX_AHEAD_MS DAY_MS
#define MAX_SEND_AT_DAYS 35
#define EARLIEST_MS INT64_C(315532800000) // 1980: what is before that comes of a clock or field that nobody set

static const char required[] = "is required";
static const char not_a_string[] = "must be a string";
static const char bad_way[] = "must be sms, mms or email";
static const char bad_type[] = "must be sms or mms";
static const char is_blank[] = "must not be blank";
static const char body_too_long[] = "must be at most 1600 characters long in an SMS or MMS";
static const char bad_timestamp[] = "must be an RFC 3339 date-time, such as 2024-11-01T14:00:00Z";
static const char timestamp_ahead[] = "must be at most a day ahead of the clock";
static const char bad_send_at[] = "must be an RFC 3339 date-time, such as 2024-11-01T14:00:00Z, or null";
static const char needs_attachment[] = "must hold at least one URL, because the type is mms";
static const char not_an_array[] = "must be an array of strings or null";
static const char too_many[] = "holds more than API_MAX_ATTACHMENTS";
static const char too_many_media[] = "holds more than 10, the most that an SMS or MMS may have";
static const char too_many_kept[] = "holds more than 32767";
static const char subject_of_phone[] = "is for emails only";
static const char subject_too_long[] = "must be at most 998 bytes long";
static const char has_control[] = "must not contain control characters";
static const char not_done_here[] = "asks for something that this service does not do; leave it out";

// The fields that are read, those of most messages first: they are looked for in this order.
enum field {
    FIELD_FROM,
    FIELD_TO,
    FIELD_TYPE,
    FIELD_BODY,
    FIELD_ATTACHMENTS,
    FIELD_TIMESTAMP,
    FIELD_SMS_ID,
    FIELD_EMAIL_ID,
    FIELD_SUBJECT,
    FIELD_CHANNEL,
    FIELD_OPT_OUT_TYPE,
    FIELD_SEND_AT,
    FIELD_COUNT
};

static const char *const field_names[FIELD_COUNT] = {
    [FIELD_FROM] = "from",
    [FIELD_TO] = "to",
    [FIELD_TYPE] = "type",
    [FIELD_BODY] = "body",
    [FIELD_ATTACHMENTS] = "attachments",
    [FIELD_TIMESTAMP] = "timestamp",
    [FIELD_SMS_ID] = "messaging_provider_id",
    [FIELD_EMAIL_ID] = "xillio_id",
    [FIELD_SUBJECT] = "subject",
    [FIELD_CHANNEL] = "channel",
    [FIELD_OPT_OUT_TYPE] = "opt_out_type",
    [FIELD_SEND_AT] = "send_at",
};

// What is read, and where to. Each reader below fills a part of *out, or notes the error and returns -1.
struct reading {
    cJSON *root;
    cJSON *fields[FIELD_COUNT]; // its members; NULL: absent, or null
    const char *not_done;       // the name of a member that asks for something that isn't done
    enum payload_kind kind;
    const char *(*field_name)(const char *ours); // in the body as it came; NULL: the same
    bool names_our_address;                      // a member of root does
    const struct payload_rules *rules;
    struct message *out;
    bool *stamped;
    struct payload_error *error;
};

static int payload_refuse(const struct reading *reading, const char *field, const char *reason) {
    snprintf(reading->error->field, PAYLOAD_FIELD_SIZE, "%s", field);
    reading->error->reason = reason;
    return -1;
}

// By its name in the body as it came.
static int payload_refuse_field(const struct reading *reading, enum field field, const char *reason) {
    const char *name = field_names[field];
    return payload_refuse(reading, reading->field_name != NULL ? reading->field_name(name) : name, reason);
}

static bool is_send(const struct reading *reading) {
    return reading->kind == PAYLOAD_SEND_SMS || reading->kind == PAYLOAD_SEND_EMAIL ||
           reading->kind == PAYLOAD_SEND_LISTED;
}

static int read_string(const struct reading *reading, enum field field, const char **out) {
    const cJSON *member = reading->fields[field];
    if (member == NULL) {
        return payload_refuse_field(reading, field, required);
    }
    if (!cJSON_IsString(member)) {
        return payload_refuse_field(reading, field, not_a_string);
    }
    *out = member->valuestring;
    return 0;
}

static int parse_type(const char *text, enum message_type *out) {
    for (int type = MESSAGE_SMS; type <= MESSAGE_EMAIL; type++) {
        if (strcasecmp(text, message_type_name((enum message_type)type)) == 0) {
            *out = (enum message_type)type;
            return 0;
        }
    }
    return -1;
}

// Of a member whose value is one of all types.
static int read_way(const struct reading *reading, enum field field) {
    const char *text;
    if (read_string(reading, field, &text) != 0) {
        return -1;
    }
    return parse_type(text, &reading->out->type) == 0 ? 0 : payload_refuse_field(reading, field, bad_way);
}

// What kind of address the message has: by the route, by a mock inbound's "channel" or a listed send's "type", which
// give its type too.
static int read_channel(const struct reading *reading) {
    switch (reading->kind) {
    case PAYLOAD_SEND_SMS:
    case PAYLOAD_WEBHOOK_SMS:
        reading->out->type = MESSAGE_SMS;
        return 0;
    case PAYLOAD_SEND_EMAIL:
    case PAYLOAD_WEBHOOK_EMAIL:
        reading->out->type = MESSAGE_EMAIL;
        return 0;
    case PAYLOAD_MOCK_INBOUND:
        return read_way(reading, FIELD_CHANNEL);
    case PAYLOAD_SEND_LISTED:
        break;
    }
    return read_way(reading, FIELD_TYPE);
}

// SMS or MMS; a mock inbound may leave it to its channel, a webhook to its attachments (settle_type).
static int read_type(const struct reading *reading) {
    const char *text;
    bool is_left_out = !is_send(reading) && reading->fields[FIELD_TYPE] == NULL;
    if (reading->out->type == MESSAGE_EMAIL || is_left_out) {
        return 0;
    }
    if (read_string(reading, FIELD_TYPE, &text) != 0) {
        return -1;
    }
    if (parse_type(text, &reading->out->type) != 0 || reading->out->type == MESSAGE_EMAIL) {
        return payload_refuse(reading, "type", bad_type);
    }
    return 0;
}

// A webhook's: of several addresses, the first one is whose conversation it is.
static const char *keep_address(const struct reading *reading, const char *text, struct address *out) {
    struct address_list list;
    const char *reason = address_keep(message_channel(reading->out->type), text, reading->rules->region, &list);
    if (reason == NULL) {
        *out = (struct address){list.shown, list.addresses->normalized};
        list.shown = list.addresses->normalized = NULL;
        address_list_free(&list);
    }
    return reason;
}

static int read_address(const struct reading *reading, enum field field, enum address_side side, struct address *out) {
    const char *text;
    if (read_string(reading, field, &text) != 0) {
        return -1;
    }
    const char *reason = is_send(reading) ? address_parse(message_channel(reading->out->type), side, text,
                                                          reading->rules->region, out, reading->error->text)
                                          : keep_address(reading, text, out);
    return reason == NULL ? 0 : payload_refuse_field(reading, field, reason);
}

// The envelope says to whom a mail came, whatever its header names.
static void take_our_address(const struct reading *reading) {
    const char *text = reading->names_our_address ? json_string(reading->root, "our_address") : NULL;
    struct message *out = reading->out;
    struct address ours;
    if (text == NULL || keep_address(reading, text, &ours) != NULL) {
        return;
    }
    free(out->recipient);
    out->recipient = ours.normalized;
    out->by_envelope = true;
    free(ours.shown);
}

static int read_addresses(const struct reading *reading) {
    struct message *out = reading->out;
    struct address from = {0}, to = {0};
    int result = read_address(reading, FIELD_FROM, ADDRESS_FROM, &from);
    if (result == 0) {
        result = read_address(reading, FIELD_TO, ADDRESS_TO, &to);
    }
    out->region = xstrdup(phone_region_code(reading->rules->region));
    out->from = from.shown;
    out->sender = from.normalized;
    out->to = to.shown;
    out->recipient = to.normalized;
    if (result == 0) {
        take_our_address(reading);
    }
    return result;
}

static bool payload_is_blank(const char *text) {
    size_t left = strlen(text), taken;
    for (; left > 0; text += taken, left -= taken) {
        int32_t code = unicode_decode(text, left, &taken);
        if (!unicode_is_space(code) && !unicode_is_invisible(code)) {
            return false;
        }
    }
    return true;
}

static const char *check_subject(const struct reading *reading, const cJSON *member) {
    if (reading->out->type != MESSAGE_EMAIL) {
        return subject_of_phone;
    }
    if (!cJSON_IsString(member)) {
        return not_a_string;
    }
    const char *text = member->valuestring;
    if (payload_is_blank(text)) {
        return is_blank;
    }
    if (strlen(text) > MAX_SUBJECT_BYTES) {
        return subject_too_long;
    }
    return unicode_has_control(text) ? has_control : NULL;
}

// A webhook's is kept as it came, an MMS's, too.
static int read_subject(const struct reading *reading) {
    const cJSON *member = reading->fields[FIELD_SUBJECT];
    if (member == NULL) {
        return 0;
    }
    const char *reason = is_send(reading) ? check_subject(reading, member) : NULL;
    if (reason != NULL) {
        return payload_refuse(reading, "subject", reason);
    }
    if (cJSON_IsString(member) && !payload_is_blank(member->valuestring)) {
        reading->out->subject = xstrdup(member->valuestring);
    }
    return 0;
}

static int refuse_attachment(const struct reading *reading, size_t index, const char *reason) {
    char field[PAYLOAD_FIELD_SIZE];
    snprintf(field, sizeof field, "attachments[%zu]", index);
    return payload_refuse(reading, field, reason);
}

// A webhook's are kept as they are; empty ones are none.
static int copy_attachments(const struct reading *reading, const cJSON *array, size_t count) {
    struct message *out = reading->out;
    out->attachments = xcalloc(count, sizeof *out->attachments);
    size_t index = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, array) {
        const char *reason = NULL;
        if (!cJSON_IsString(item)) {
            reason = is_send(reading) || !cJSON_IsNull(item) ? not_a_string : NULL;
        } else if (is_send(reading)) {
            reason = attachment_check(item->valuestring);
        }
        if (reason != NULL) {
            return refuse_attachment(reading, index, reason);
        }
        if (cJSON_IsString(item) && *item->valuestring != '\0') {
            out->attachments[out->attachment_count++] = xstrdup(item->valuestring);
        }
        index++;
    }
    return 0;
}

static int keep_attachment(const struct reading *reading, const char *text) {
    if (*text != '\0') {
        reading->out->attachments = xmalloc(sizeof *reading->out->attachments);
        reading->out->attachments[reading->out->attachment_count++] = xstrdup(text);
    }
    return 0;
}

static const char *check_attachment_count(const struct reading *reading, size_t count) {
    enum message_type type = reading->out->type;
    if (!is_send(reading)) {
        return count > MESSAGE_ATTACHMENTS_MAX ? too_many_kept : NULL;
    }
    if (count > reading->rules->max_attachments) {
        return too_many;
    }
    if (count > MAX_PHONE_MEDIA && type != MESSAGE_EMAIL) {
        return too_many_media;
    }
    return count == 0 && type == MESSAGE_MMS ? needs_attachment : NULL;
}

static int read_attachments(const struct reading *reading) {
    const cJSON *array = reading->fields[FIELD_ATTACHMENTS];
    if (!is_send(reading) && cJSON_IsString(array)) {
        return keep_attachment(reading, array->valuestring);
    }
    if (array != NULL && !cJSON_IsArray(array)) {
        return payload_refuse(reading, "attachments", not_an_array);
    }
    size_t count = array != NULL ? (size_t)cJSON_GetArraySize(array) : 0;
    const char *reason = check_attachment_count(reading, count);
    if (reason != NULL) {
        return payload_refuse(reading, "attachments", reason);
    }
    return count == 0 ? 0 : copy_attachments(reading, array, count);
}

static int settle_type(const struct reading *reading) {
    bool is_left_out = reading->kind == PAYLOAD_WEBHOOK_SMS && reading->fields[FIELD_TYPE] == NULL;
    if (is_left_out && reading->out->attachment_count > 0) {
        reading->out->type = MESSAGE_MMS;
    }
    return 0;
}

// An MMS is its attachments, and so may a webhook's message be, or an email its subject.
static bool may_lack_body(const struct reading *reading) {
    const struct message *out = reading->out;
    bool holds_other = out->attachment_count > 0 || out->subject != NULL;
    return out->type == MESSAGE_MMS || (!is_send(reading) && holds_other);
}

static bool is_longer_than(const char *text, size_t code_points) {
    size_t count = strlen(text);
    if (count <= code_points) {
        return false;
    }
    for (; *text != '\0'; text++) {
        count -= (*text & 0xc0) == 0x80;
    }
    return count > code_points;
}

static const char *payload_check_body(const struct reading *reading, const char *text) {
    if (payload_is_blank(text) && !may_lack_body(reading)) {
        return is_blank;
    }
    bool is_email = reading->out->type == MESSAGE_EMAIL;
    return !is_email && is_longer_than(text, MAX_PHONE_BODY) ? body_too_long : NULL;
}

static int read_body(const struct reading *reading) {
    const char *text = "";
    bool is_absent = reading->fields[FIELD_BODY] == NULL;
    if (!(is_absent && may_lack_body(reading)) && read_string(reading, FIELD_BODY, &text) != 0) {
        return -1;
    }
    const char *reason = is_send(reading) ? payload_check_body(reading, text) : NULL;
    if (reason != NULL) {
        return payload_refuse(reading, "body", reason);
    }
    reading->out->body = xstrdup(text);
    return 0;
}

static int read_time_of_send(const struct reading *reading) {
    const cJSON *member = reading->fields[FIELD_TIMESTAMP];
    if (member == NULL) {
        return payload_refuse(reading, "timestamp", required);
    }
    if (!cJSON_IsString(member) || rfc3339_parse(member->valuestring, &reading->out->occurred_ms) != 0) {
        return payload_refuse(reading, "timestamp", bad_timestamp);
    }
    bool is_ahead = reading->out->occurred_ms - reading->rules->now_ms > MAX_AHEAD_MS;
    return is_ahead ? payload_refuse(reading, "timestamp", timestamp_ahead) : 0;
}

static const char *send_at_ahead(int64_t latest_ms, char reason[ADDRESS_REASON_SIZE]) {
    char latest[RFC3339_SIZE];
    rfc3339_format(latest_ms, latest);
    (void)snprintf(reason, ADDRESS_REASON_SIZE, "must be at most %d days ahead, now until %s", MAX_SEND_AT_DAYS,
                   latest);
    return reason;
}

// By Redis's clock, by which it will be due. One that is past is kept as well: whether a repeat is the same must not
// depend on when it comes.
static int read_send_at(const struct reading *reading) {
    const cJSON *member = reading->fields[FIELD_SEND_AT];
    struct message *out = reading->out;
    int64_t latest_ms = reading->rules->redis_ms + MAX_SEND_AT_DAYS * DAY_MS, at_ms;
    out->send_at_ms = MESSAGE_SEND_NOW;
    if (!is_send(reading) || member == NULL) {
        return 0;
    }
    if (!cJSON_IsString(member) || rfc3339_parse(member->valuestring, &at_ms) != 0) {
        return payload_refuse(reading, "send_at", bad_send_at);
    }
    if (at_ms > latest_ms) {
        return payload_refuse(reading, "send_at", send_at_ahead(latest_ms, reading->error->text));
    }
    out->send_at_ms = at_ms > 0 ? at_ms : MESSAGE_SEND_NOW;
    return 0;
}

static bool is_provider_time(const struct reading *reading, int64_t *out_ms) {
    const cJSON *member = reading->fields[FIELD_TIMESTAMP];
    bool is_read = (cJSON_IsString(member) && timestamp_read(member->valuestring, out_ms) == 0) ||
                   (cJSON_IsNumber(member) && timestamp_from_number(member->valuedouble, out_ms) == 0);
    return is_read && *out_ms >= EARLIEST_MS && *out_ms - reading->rules->now_ms <= MAX_AHEAD_MS;
}

// A provider's message must not be lost over its timestamp, nor stand at its thread's end, or its top, for years; a
// client can correct its own.
static int read_timestamp(const struct reading *reading) {
    *reading->stamped = false;
    if (is_send(reading)) {
        return read_time_of_send(reading);
    }
    if (!is_provider_time(reading, &reading->out->occurred_ms)) {
        reading->out->occurred_ms = reading->rules->now_ms;
        *reading->stamped = true;
    }
    return 0;
}

static int read_provider_id(const struct reading *reading) {
    enum field field = reading->out->type == MESSAGE_EMAIL ? FIELD_EMAIL_ID : FIELD_SMS_ID;
    const char *text;
    if (is_send(reading) || (reading->kind == PAYLOAD_MOCK_INBOUND && reading->fields[field] == NULL)) {
        return 0;
    }
    if (read_string(reading, field, &text) != 0) {
        return -1;
    }
    if (payload_is_blank(text)) {
        return payload_refuse_field(reading, field, is_blank);
    }
    reading->out->provider_message_id = xstrdup(text);
    return 0;
}

// Its provider's own judgement counts before the body's, where it gives one.
static enum opt_out_word find_word(const struct reading *reading) {
    const cJSON *given = reading->fields[FIELD_OPT_OUT_TYPE];
    enum opt_out_word word = cJSON_IsString(given) ? opt_out_word_of(given->valuestring) : OPT_OUT_WORD_NONE;
    return word != OPT_OUT_WORD_NONE ? word : opt_out_word_of(reading->out->body);
}

// STOP and its kin. No provider's clock may be believed to be ahead, or nothing later could undo what was said.
static int read_opt_out(const struct reading *reading) {
    struct message *out = reading->out;
    if (is_send(reading) || !reading->rules->opt_out || out->type == MESSAGE_EMAIL) {
        return 0;
    }
    out->opt_out = opt_out_word_state(find_word(reading));
    bool is_past = !*reading->stamped && out->occurred_ms < reading->rules->redis_ms;
    if (out->opt_out != OPT_OUT_NONE) {
        out->opt_out_ms = is_past ? out->occurred_ms : reading->rules->redis_ms;
        out->opt_out_came_ms = reading->rules->redis_ms;
    }
    return 0;
}

// Other fields are passed over. These would be taken for done.
static int read_not_done(const struct reading *reading) {
    bool is_asked = is_send(reading) && reading->not_done != NULL;
    return is_asked ? payload_refuse(reading, reading->not_done, not_done_here) : 0;
}

static int (*const readers[])(const struct reading *) = {
    read_channel, read_addresses, read_type,    read_subject, read_attachments, settle_type,
    read_body,    read_timestamp, read_send_at, read_opt_out, read_provider_id, read_not_done,
};

static bool is_not_done(const char *name) {
    static const char *const names[] = {"cc", "bcc", "reply_to", "media_url", "status_callback"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (*name == *names[i] && strcmp(name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

static enum field payload_find_field(const char *name) {
    int field = 0;
    while (field < FIELD_COUNT && (*name != *field_names[field] || strcmp(name, field_names[field]) != 0)) {
        field++;
    }
    return (enum field)field;
}

static void payload_find_fields(struct reading *reading) {
    cJSON *member;
    cJSON_ArrayForEach(member, reading->root) {
        enum field field = cJSON_IsNull(member) ? FIELD_COUNT : payload_find_field(member->string);
        if (field < FIELD_COUNT) {
            reading->fields[field] = member;
        } else if (!cJSON_IsNull(member) && is_not_done(member->string)) {
            reading->not_done = member->string;
        }
    }
}

// Some providers write an id or a phone as a number: its digits, of which a double may hold too few.
static void read_integers_as_texts(const struct reading *reading, const char *text, size_t length) {
    static const enum field fields[] = {FIELD_FROM, FIELD_TO, FIELD_BODY, FIELD_SUBJECT, FIELD_SMS_ID, FIELD_EMAIL_ID};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        cJSON *member = reading->fields[fields[i]];
        char *digits = member != NULL && cJSON_IsNumber(member)
                           ? json_written_integer(text, length, field_names[fields[i]])
                           : NULL;
        if (digits != NULL) {
            member->valuestring = digits; // the tree frees it
            member->type = cJSON_String;
        }
    }
}

static int read_all(struct reading *reading, const char *text, size_t length) {
    if (!cJSON_IsObject(reading->root)) {
        return payload_refuse(reading, "", "The document must be an object.");
    }
    payload_find_fields(reading);
    if (!is_send(reading)) {
        read_integers_as_texts(reading, text, length);
    }
    for (size_t i = 0; i < sizeof readers / sizeof *readers; i++) {
        if (readers[i](reading) != 0) {
            return -1;
        }
    }
    return 0;
}

// The root, which it frees, is an object of our own fields, or NULL where the body can't be read; text is the body.
static int payload_read_root(struct reading *reading, const char *text, size_t length) {
    struct message *out = reading->out;
    int result = -1;
    *out = (struct message){.direction = is_send(reading) ? MESSAGE_OUTBOUND : MESSAGE_INBOUND};
    reading->error->field[0] = '\0';
    if (reading->root != NULL) {
        result = read_all(reading, text, length);
    }
    if (result != 0) {
        message_free(out);
        *out = (struct message){0};
    }
    cJSON_Delete(reading->root);
    return result;
}

int payload_parse(enum payload_kind kind, const char *text, size_t length, const struct payload_rules *rules,
                  struct message *out, bool *stamped, struct payload_error *error) {
    struct reading reading = {.kind = kind, .rules = rules, .out = out, .stamped = stamped, .error = error};
    reading.root =
        is_send(&reading) ? json_parse(text, length, &error->reason) : json_parse_lenient(text, length, &error->reason);
    return payload_read_root(&reading, text, length);
}

int payload_parse_post(const struct provider_way_in *way, const struct provider_post *post,
                       const struct payload_rules *rules, struct message *out, bool *stamped,
                       struct payload_error *error) {
    struct reading reading = {.root = way->read_message(post, &error->reason),
                              .kind = way->provider == PROVIDER_EMAIL ? PAYLOAD_WEBHOOK_EMAIL : PAYLOAD_WEBHOOK_SMS,
                              .field_name = way->field_name,
                              .names_our_address = way->names_our_address,
                              .rules = rules,
                              .out = out,
                              .stamped = stamped,
                              .error = error};
    return payload_read_root(&reading, post->body, post->length);
}
