// SPDX-License-Identifier: MIT
// What a PROVIDER_CA_FILE may be, and what is said of one that is none.

#include "shared/base/authorities.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Suite *suite_base_authorities(void);

// Good until 2126; its key is nobody's.
#define CERTIFICATE                                                                                                    \
    "-----BEGIN CERTIFICATE-----\n"                                                                                    \
    "MIIBfjCCASWgAwIBAgIUPF2l5WbPSTdLm5/fdeHsR15Iir8wCgYIKoZIzj0EAwIw\n"                                               \
    "FDESMBAGA1UEAwwJQXV0aG9yaXR5MCAXDTI2MTEyOTIxNDY0MFoYDzIxMjYxMTA1\n"                                               \
    "MjE0NjQwWjAUMRIwEAYDVQQDDAlBdXRob3JpdHkwWTATBgcqhkjOPQIBBggqhkjO\n"                                               \
    "PQMBBwNCAATkLYuNJsld7Es0OO/iMDfz1TT3u9FsD6XWXZXghDgp2a4FBq95COh+\n"                                               \
    "Zfmhhrl1ToF/zG3gR+1u9APuvDcyEwASo1MwUTAdBgNVHQ4EFgQUp2/tfkIdxMWm\n"                                               \
    "rWNqpivYqF37NyYwHwYDVR0jBBgwFoAUp2/tfkIdxMWmrWNqpivYqF37NyYwDwYD\n"                                               \
    "VR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNHADBEAiAIH2ujQ2gqnr+nDo8FqR4g\n"                                               \
    "ZCKWIasNiQTi02dvrLQQhwIgVNp6tm7B8FDSUegoNJVkGhakD9oOXGTJStbp5Td4\n"                                               \
    "2UQ=\n"                                                                                                           \
    "-----END CERTIFICATE-----\n"
#define BROKEN "-----BEGIN CERTIFICATE-----\nMIIBvDCCAWGg\n-----END CERTIFICATE-----\n"

static void assert_check(const char *content, const char *expected) {
    char path[] = "/tmp/authorities-XXXXXX";
    int file = mkstemp(path);
    ck_assert_int_ge(file, 0);
    ck_assert_int_eq(write(file, content, strlen(content)), (int)strlen(content));
    close(file);
    char *error = authorities_check(path);
    ck_assert_pstr_eq(error, expected);
    free(error);
    unlink(path);
}

START_TEST(one_certificate_or_more_are_taken_with_words_between_them) {
    assert_check(CERTIFICATE, NULL);
    assert_check("Our own authority\n" CERTIFICATE "and once more\n" CERTIFICATE "\n", NULL);
}
END_TEST

START_TEST(what_holds_none_is_refused) {
    static const char none[] = "holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)";
    assert_check("", none);
    assert_check("{}\n", none);
    assert_check("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", none);
}
END_TEST

START_TEST(a_damaged_one_is_named_by_its_number) {
    assert_check(BROKEN, "holds a certificate, number 1, that can't be read");
    assert_check(CERTIFICATE BROKEN, "holds a certificate, number 2, that can't be read");
    assert_check("-----BEGIN CERTIFICATE-----\nMIIB", "holds a certificate, number 1, that can't be read");
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_refused_with_the_reason) {
    char *error = authorities_check("/nowhere/ca.pem");
    ck_assert_str_eq(error, "can't be read: No such file or directory");
    free(error);
    error = authorities_check("/tmp");
    ck_assert_str_eq(error, "can't be read: Is a directory");
    free(error);
}
END_TEST

Suite *suite_base_authorities(void) {
    Suite *suite = suite_create("base_authorities");
    TCase *tests = tcase_create("base_authorities");
    tcase_add_test(tests, one_certificate_or_more_are_taken_with_words_between_them);
    tcase_add_test(tests, what_holds_none_is_refused);
    tcase_add_test(tests, a_damaged_one_is_named_by_its_number);
    tcase_add_test(tests, a_file_that_cannot_be_read_is_refused_with_the_reason);
    suite_add_tcase(suite, tests);
    return suite;
}
