// SPDX-License-Identifier: MIT
// The head of a stream's entry, and that the dispatcher and the persister read the same in it.

#include "shared/message/entry.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "dispatcher/entry.h"
#include "persister/event.h"
#include "shared/message/conversation.h"

Suite *suite_message_entry(void);

#define ID "018f3c5e-0000-7000-8000-000000000001"

static struct entry_head head;

START_TEST(a_head_is_an_id_a_generation_and_a_time) {
    ck_assert_ptr_null(entry_head_read(ID, "2", "1730469600000", &head));
    ck_assert_int_eq(head.generation, 2);
    ck_assert_int_eq(head.at_ms, 1730469600000);
    ck_assert_ptr_null(entry_head_read(ID, "0", "-5", &head));
    ck_assert_str_eq(entry_head_read(NULL, "0", "1", &head), "id is not a UUID");
    ck_assert_str_eq(entry_head_read(ID, NULL, "1", &head), "gen is not an integer of 0 to 2147483647");
    ck_assert_str_eq(entry_head_read(ID, "-1", "1", &head), "gen is not an integer of 0 to 2147483647");
    ck_assert_str_eq(entry_head_read(ID, "0", "soon", &head),
                     "at is not a time of the years 1 to 9999 in milliseconds since 1970");
}
END_TEST

START_TEST(an_integer_is_decimal_digits_within_its_bounds) {
    static const char *const others[] = {
        "", "-", "--1", "1-", "+1", " 1", "1 ", "0x1", "1e3", "11", "99999999999999999999"};
    int64_t number;
    ck_assert(entry_integer("10", 0, 10, &number) && number == 10);
    ck_assert(entry_integer("-3", -3, 10, &number) && number == -3);
    ck_assert(!entry_integer(NULL, 0, 10, &number));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        ck_assert_msg(!entry_integer(others[i], -3, 10, &number), "%s", others[i]);
    }
}
END_TEST

#define SEND                                                                                                           \
    "{\"type\":\"sms\",\"direction\":\"outbound\",\"from\":\"+1\",\"to\":\"+2\",\"sender\":\"+1\",\"recipient\":\"+"   \
    "2\","                                                                                                             \
    "\"body\":\"hi there\",\"attachments\":[],\"occurred_ms\":1,\"accepted_ms\":2,\"request_id\":\"r\"}"

// What the dispatcher makes of a packed entry; p: NULL: it has none.
static enum entry_kind dispatch_packed(const char *m, const char *p, struct entry *entry, const char **why) {
    enum { MOST = 8 };
    char texts[MOST][512] = {"v", "2", "id", ID, "m", "", "p"};
    size_t count = p != NULL ? MOST : MOST - 2;
    redisReply values[MOST], *elements[MOST];
    snprintf(texts[5], sizeof texts[5], "%s", m);
    snprintf(texts[7], sizeof texts[7], "%s", p != NULL ? p : "");
    for (size_t i = 0; i < count; i++) {
        values[i] = (redisReply){.type = REDIS_REPLY_STRING, .str = texts[i], .len = strlen(texts[i])};
        elements[i] = &values[i];
    }
    redisReply fields = {.type = REDIS_REPLY_ARRAY, .elements = count, .element = elements};
    return entry_read(&values[1], &fields, entry, why);
}

START_TEST(a_token_travels_packed) {
    struct entry entry;
    const char *why;
    ck_assert_int_eq(dispatch_packed("1 3 2 1730469600000 0123456789abcdef", SEND, &entry, &why), ENTRY_READABLE);
    ck_assert_int_eq(entry.generation, 1);
    ck_assert_int_eq(entry.call, 3);
    ck_assert_int_eq(entry.spent, 2);
    ck_assert_int_eq(entry.at_ms, 1730469600000);
    ck_assert_str_eq(entry.conversation, "0123456789abcdef");
    ck_assert_str_eq(entry.message.body, "hi there");
    entry_free(&entry);
    ck_assert_int_eq(dispatch_packed("0 1 0 5 -", SEND, &entry, &why), ENTRY_READABLE);
    ck_assert_str_eq(entry.conversation, "");
    entry_free(&entry);
}
END_TEST

START_TEST(a_packed_token_that_is_cut_short_says_where) {
    static const struct {
        const char *m, *p, *why;
        enum entry_kind kind;
    } cases[] = {
        {"", SEND, "gen is not an integer of 0 to 2147483647", ENTRY_POISON},
        {"0 1 0", SEND, "at is not a time of the years 1 to 9999 in milliseconds since 1970", ENTRY_POISON},
        {"0  0 5 -", SEND, "call is not an integer of 1 to 2147483647", ENTRY_POISON},
        {"0 1 0 5 0123456789abcdef0", SEND, "conversation is longer than 16 characters", ENTRY_POISON},
        {"0 1 0 5 -", NULL, "the field p is missing", ENTRY_UNREADABLE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct entry entry;
        const char *why;
        ck_assert_int_eq(dispatch_packed(cases[i].m, cases[i].p, &entry, &why), cases[i].kind);
        ck_assert_str_eq(why, cases[i].why);
        entry_free(&entry);
    }
}
END_TEST

START_TEST(a_conversation_is_known_by_channel_and_both_addresses) {
    char ours[] = "+1", theirs[] = "+2", name[CONVERSATION_SIZE], other[CONVERSATION_SIZE];
    struct message message = {.type = MESSAGE_SMS, .sender = ours, .recipient = theirs};
    conversation_name(&message, name);
    ck_assert_uint_eq(strlen(name), CONVERSATION_SIZE - 1);
    ck_assert_uint_eq(strspn(name, "0123456789abcdef"), CONVERSATION_SIZE - 1);
    message.type = MESSAGE_MMS; // one thread
    conversation_name(&message, other);
    ck_assert_str_eq(name, other);
    message.type = MESSAGE_EMAIL;
    conversation_name(&message, other);
    ck_assert_str_ne(name, other);
    message = (struct message){.type = MESSAGE_SMS, .sender = theirs, .recipient = ours};
    conversation_name(&message, other);
    ck_assert_str_ne(name, other);
}
END_TEST

// What the dispatcher makes of an entry with that v and no other field.
static enum entry_kind dispatch(const char *v) {
    char id_text[] = "1-1", name[] = "v", text[32];
    snprintf(text, sizeof text, "%s", v);
    redisReply id = {.type = REDIS_REPLY_STRING, .str = id_text, .len = strlen(id_text)};
    redisReply key = {.type = REDIS_REPLY_STRING, .str = name, .len = 1};
    redisReply value = {.type = REDIS_REPLY_STRING, .str = text, .len = strlen(text)};
    redisReply *elements[] = {&key, &value};
    redisReply fields = {.type = REDIS_REPLY_ARRAY, .elements = 2, .element = elements};
    struct entry entry;
    const char *why;
    enum entry_kind kind = entry_read(&id, &fields, &entry, &why);
    ck_assert_ptr_nonnull(why);
    ck_assert(strcmp(why, "v is not a format's number") == 0 || kind == ENTRY_NEWER || strcmp(v, "2") <= 0);
    entry_free(&entry);
    return kind;
}

static enum event_result persist(const char *v) {
    struct buf packed = {0};
    struct event event;
    const char *reason;
    event_pack(&packed, "v", 1);
    event_pack(&packed, v, strlen(v));
    enum event_result result = event_decode(packed.data, packed.length, &event, &reason);
    buf_free(&packed);
    return result;
}

START_TEST(what_is_no_format_is_poison_to_the_dispatcher_and_to_the_persister) {
    static const char *const none[] = {"abc", "", "0", "-1", "1x", "99999999999"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        ck_assert_msg(dispatch(none[i]) == ENTRY_POISON && persist(none[i]) == EVENT_POISON, "%s", none[i]);
    }
    ck_assert_int_eq(dispatch("3"), ENTRY_NEWER);
    ck_assert_int_eq(persist("3"), EVENT_NEWER);
    static const char *const ours[] = {"1", "2"};
    for (size_t i = 0; i < 2; i++) {
        ck_assert_int_eq(dispatch(ours[i]), ENTRY_POISON); // of a format that we read, but nothing follows
        ck_assert_int_eq(persist(ours[i]), EVENT_POISON);
    }
}
END_TEST

Suite *suite_message_entry(void) {
    Suite *suite = suite_create("message_entry");
    TCase *tcase = tcase_create("entry");
    tcase_add_test(tcase, a_token_travels_packed);
    tcase_add_test(tcase, a_packed_token_that_is_cut_short_says_where);
    tcase_add_test(tcase, a_conversation_is_known_by_channel_and_both_addresses);
    tcase_add_test(tcase, a_head_is_an_id_a_generation_and_a_time);
    tcase_add_test(tcase, an_integer_is_decimal_digits_within_its_bounds);
    tcase_add_test(tcase, what_is_no_format_is_poison_to_the_dispatcher_and_to_the_persister);
    suite_add_tcase(suite, tcase);
    return suite;
}
