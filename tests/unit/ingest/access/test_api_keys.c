// SPDX-License-Identifier: MIT
// The keys of /api. The hashes are openssl's: printf %s alpha | openssl dgst -sha256 -r

#include "ingest/access/api_keys.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/base/mem.h"

#define ALPHA "8ed3f6ad685b959ead7022518e1af76cd816f8e8ec7ccdda1ed4018e8f2223f8"
#define BETA "f44e64e75f3948e9f73f8dfa94721c4ce8cbb4f265c4790c702b2d41cfbf2753"
#define GAMMA "be9d587defa1f0c09ef49eb17e206983a5f8f8289e4281860bd0ee5a19592c67"

Suite *suite_access_api_keys(void);

static char path[32];

static void setup(void) {
    strcpy(path, "/tmp/api-keys-XXXXXX");
    int descriptor = mkstemp(path);
    ck_assert_int_ge(descriptor, 0);
    close(descriptor);
}

static void teardown(void) {
    unlink(path);
}

static void write_file(const char *text) {
    FILE *out = fopen(path, "w");
    ck_assert_ptr_nonnull(out);
    fputs(text, out);
    ck_assert_int_eq(fclose(out), 0);
}

static struct api_keys *create(const char *list, const char *file) {
    char *error;
    struct api_key_set *set = api_key_set_read(list, file, &error);
    ck_assert_msg(set != NULL, "%s", error);
    return api_keys_create(set);
}

// What a key is good for; -1: there is no such key.
static int scopes_of(struct api_keys *keys, const char *key, const char *owner) {
    struct api_key_owner found;
    if (!api_keys_find(keys, key, strlen(key), &found)) {
        return -1;
    }
    ck_assert_str_eq(found.name, owner);
    return (int)found.scopes;
}

START_TEST(a_key_is_found_by_its_hash) {
    struct api_keys *keys = create("acme:send:" ALPHA ", ops.1:read+admin:" BETA, "");
    ck_assert_uint_eq(api_keys_count(keys), 2);
    ck_assert_int_eq(scopes_of(keys, "alpha", "acme"), SCOPE_SEND);
    ck_assert_int_eq(scopes_of(keys, "beta", "ops.1"), SCOPE_READ | SCOPE_ADMIN);
    ck_assert_int_eq(scopes_of(keys, "gamma", ""), -1);
    ck_assert_int_eq(scopes_of(keys, "", ""), -1);
    ck_assert_int_eq(scopes_of(keys, "alph", ""), -1);
    ck_assert_int_eq(scopes_of(keys, ALPHA, ""), -1); // whoever reads the hash has no key
    api_keys_free(keys);
}
END_TEST

START_TEST(a_file_may_have_comments_and_blank_lines) {
    write_file("# who may do what\n\n  acme:send:" ALPHA "  \r\n\t\nops:admin:" BETA);
    struct api_keys *keys = create("more:read:" GAMMA, path);
    ck_assert_uint_eq(api_keys_count(keys), 3);
    ck_assert_int_eq(scopes_of(keys, "alpha", "acme"), SCOPE_SEND);
    ck_assert_int_eq(scopes_of(keys, "beta", "ops"), SCOPE_ADMIN);
    ck_assert_int_eq(scopes_of(keys, "gamma", "more"), SCOPE_READ);
    api_keys_free(keys);
}
END_TEST

START_TEST(one_owner_may_have_two_keys) {
    struct api_keys *keys = create("acme:send:" ALPHA ",acme:send:" BETA, "");
    ck_assert_int_eq(scopes_of(keys, "alpha", "acme"), SCOPE_SEND);
    ck_assert_int_eq(scopes_of(keys, "beta", "acme"), SCOPE_SEND);
    api_keys_free(keys);
}
END_TEST

static const struct {
    const char *entry, *wrong;
} bad[] = {
    {"acme", "three parts"},
    {"acme:send", "three parts"},
    {":send:" ALPHA, "the name must be"},
    {"ac me:send:" ALPHA, "the name must be"},
    {"a23456789012345678901234567890123:send:" ALPHA, "the name must be"},
    {"acme::" ALPHA, "a scope must be"},
    {"acme:write:" ALPHA, "a scope must be"},
    {"acme:send+:" ALPHA, "a scope must be"},
    {"acme:+send:" ALPHA, "a scope must be"},
    {"acme:SEND:" ALPHA, "a scope must be"},
    {"acme:send:", "64 hexadecimal digits"},
    {"acme:send:alpha", "64 hexadecimal digits"},
    {"acme:send:" ALPHA "0", "64 hexadecimal digits"},
    {"acme:send:" ALPHA ":", "64 hexadecimal digits"},
    {"acme:send:zed3f6ad685b959ead7022518e1af76cd816f8e8ec7ccdda1ed4018e8f2223f8", "64 hexadecimal digits"},
    {"other:read:" BETA, "the same key is there already"},
};

START_TEST(a_bad_line_is_named_with_what_is_allowed_and_not_repeated) {
    char *text = xasprintf("# keys\nfirst:send:" BETA "\n%s\n", bad[_i].entry);
    char *place = xasprintf("API_KEYS_FILE: %s, line 3: ", path), *error;
    write_file(text);
    ck_assert_ptr_null(api_key_set_read("", path, &error));
    ck_assert_msg(strncmp(error, place, strlen(place)) == 0, "%s", error);
    ck_assert_msg(strstr(error, bad[_i].wrong) != NULL, "%s", error);
    ck_assert_ptr_nonnull(strstr(error, "allowed: name:scope[+scope]:sha256hex"));
    ck_assert_ptr_null(strchr(error, '\n'));
    ck_assert_ptr_null(strstr(error, "f6ad685b959ead"));
    free(error);
    free(place);
    free(text);
}
END_TEST

START_TEST(a_bad_entry_of_the_setting_is_named_by_its_number) {
    char *error;
    ck_assert_ptr_null(api_key_set_read("acme:send:" ALPHA ",acme", "", &error));
    ck_assert_msg(strstr(error, "API_KEYS: entry 2: it must have three parts") == error, "%s", error);
    free(error);
}
END_TEST

START_TEST(a_file_that_is_missing_or_holds_no_key_lets_nobody_in) {
    char *error;
    write_file("# none yet\n");
    ck_assert_ptr_null(api_key_set_read("", path, &error));
    ck_assert_ptr_nonnull(strstr(error, "holds no key"));
    free(error);
    ck_assert_ptr_null(api_key_set_read("acme:send:" ALPHA, "/tmp/there/is/none", &error));
    ck_assert_ptr_nonnull(strstr(error, "No such file"));
    free(error);
}
END_TEST

START_TEST(other_keys_take_the_place_of_all_that_were) {
    char *error;
    struct api_keys *keys = create("acme:send:" ALPHA ",fixed:read:" GAMMA, "");
    api_keys_take(keys, api_key_set_read("fixed:read:" GAMMA ",acme:send+read:" BETA, "", &error));
    ck_assert_int_eq(scopes_of(keys, "alpha", ""), -1);
    ck_assert_int_eq(scopes_of(keys, "beta", "acme"), SCOPE_SEND | SCOPE_READ);
    ck_assert_int_eq(scopes_of(keys, "gamma", "fixed"), SCOPE_READ);
    api_keys_free(keys);
}
END_TEST

START_TEST(keys_are_asked_for_where_there_are_any) {
    char *error;
    struct api_keys *keys = create("", "");
    ck_assert(!api_keys_are_asked_for(keys));
    api_keys_take(keys, api_key_set_read("acme:send:" ALPHA, "", &error));
    ck_assert(api_keys_are_asked_for(keys));
    api_keys_free(keys);
}
END_TEST

Suite *suite_access_api_keys(void) {
    Suite *suite = suite_create("access_api_keys");
    TCase *tests = tcase_create("api_keys");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_key_is_found_by_its_hash);
    tcase_add_test(tests, a_file_may_have_comments_and_blank_lines);
    tcase_add_test(tests, one_owner_may_have_two_keys);
    tcase_add_loop_test(tests, a_bad_line_is_named_with_what_is_allowed_and_not_repeated, 0, sizeof bad / sizeof *bad);
    tcase_add_test(tests, a_bad_entry_of_the_setting_is_named_by_its_number);
    tcase_add_test(tests, a_file_that_is_missing_or_holds_no_key_lets_nobody_in);
    tcase_add_test(tests, other_keys_take_the_place_of_all_that_were);
    tcase_add_test(tests, keys_are_asked_for_where_there_are_any);
    suite_add_tcase(suite, tests);
    return suite;
}
