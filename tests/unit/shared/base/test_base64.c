// SPDX-License-Identifier: MIT
#include <check.h>
#include <stdint.h>
#include <string.h>

#include "shared/base/base64.h"

Suite *suite_base_base64(void);

// RFC 4648, 10.
static const struct {
    const char *bytes, *text;
} vectors[] = {{"", ""},
               {"f", "Zg=="},
               {"fo", "Zm8="},
               {"foo", "Zm9v"},
               {"foob", "Zm9vYg=="},
               {"fooba", "Zm9vYmE="},
               {"foobar", "Zm9vYmFy"}};

START_TEST(the_vectors_of_the_rfc_go_both_ways) {
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        struct buf text = {0}, bytes = {0};
        buf_puts(&text, "");
        buf_puts(&bytes, "");
        base64_encode(vectors[i].bytes, strlen(vectors[i].bytes), &text);
        ck_assert_str_eq(text.data, vectors[i].text);
        ck_assert(base64_decode(text.data, text.length, &bytes));
        ck_assert_str_eq(bytes.data, vectors[i].bytes);
        buf_free(&bytes);
        buf_free(&text);
    }
}
END_TEST

START_TEST(every_byte_comes_back) {
    uint8_t all[256];
    for (size_t length = 0; length <= sizeof all; length++) {
        struct buf text = {0}, bytes = {0};
        if (length > 0) {
            all[length - 1] = (uint8_t)(255 - length);
        }
        base64_encode(all, length, &text);
        ck_assert(base64_decode(text.data, text.length, &bytes));
        ck_assert_uint_eq(bytes.length, length);
        ck_assert(length == 0 || memcmp(bytes.data, all, length) == 0);
        buf_free(&bytes);
        buf_free(&text);
    }
}
END_TEST

START_TEST(what_no_bytes_give_is_refused) {
    static const char *const bad[] = {
        "Z", "Zg", "Zg=", "====", "Z===", "Zh==", "Zm9=", "Zm9*", "Zm9 ", "Zg==Zg==", "Z=g=", "Zm\n9"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct buf bytes = {0};
        ck_assert_msg(!base64_decode(bad[i], strlen(bad[i]), &bytes), "%s", bad[i]);
        buf_free(&bytes);
    }
}
END_TEST

Suite *suite_base_base64(void) {
    Suite *suite = suite_create("base_base64");
    TCase *tests = tcase_create("base64");
    tcase_add_test(tests, the_vectors_of_the_rfc_go_both_ways);
    tcase_add_test(tests, every_byte_comes_back);
    tcase_add_test(tests, what_no_bytes_give_is_refused);
    suite_add_tcase(suite, tests);
    return suite;
}
