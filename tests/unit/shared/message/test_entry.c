// SPDX-License-Identifier: MIT
// The head of a stream's entry, and that the dispatcher and the persister read the same in it.

#include "shared/message/entry.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "dispatcher/entry.h"
#include "persister/event.h"

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
    ck_assert(strcmp(why, "v is not a format's number") == 0 || kind == ENTRY_NEWER || strcmp(v, "1") == 0);
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
    ck_assert_int_eq(dispatch("2"), ENTRY_NEWER);
    ck_assert_int_eq(persist("2"), EVENT_NEWER);
    ck_assert_int_eq(dispatch("1"), ENTRY_POISON); // of the format, but nothing follows
    ck_assert_int_eq(persist("1"), EVENT_POISON);
}
END_TEST

Suite *suite_message_entry(void) {
    Suite *suite = suite_create("message_entry");
    TCase *tcase = tcase_create("entry");
    tcase_add_test(tcase, a_head_is_an_id_a_generation_and_a_time);
    tcase_add_test(tcase, an_integer_is_decimal_digits_within_its_bounds);
    tcase_add_test(tcase, what_is_no_format_is_poison_to_the_dispatcher_and_to_the_persister);
    suite_add_tcase(suite, tcase);
    return suite;
}
