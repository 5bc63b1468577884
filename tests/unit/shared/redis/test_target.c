// SPDX-License-Identifier: MIT
#include "shared/redis/target.h"

#include <check.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/certificates.h"
#include "tests/support/child.h"

Suite *suite_redis_target(void);

static char folder[] = "/tmp/redis-target-XXXXXX";
static char paths[3][64];
static char url[64], nothing[] = "";

static void make_files(void) {
    ck_assert_ptr_nonnull(mkdtemp(folder));
    certificates_make(folder);
    static const char *const argv[] = {"bash", "-c",
                                       "openssl ec -in client.key -aes256 -passout pass:secret -out locked.key\n"
                                       "cat client.pem client.key >both.pem; echo nothing >nothing.pem\n"
                                       "(cat authority.pem; echo -----BEGIN CERTIFICATE-----; echo '!'; "
                                       "echo -----END CERTIFICATE-----) >torn.pem\n",
                                       NULL};
    child_run(&(struct child_options){.name = "files", .folder = folder, .argv = argv}, 5000);
}

static int target_remove_one(const char *path, const struct stat *status, int type, struct FTW *where) {
    (void)status, (void)type, (void)where;
    return remove(path);
}

static void remove_files(void) {
    nftw(folder, target_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static char *path_of(unsigned slot, const char *name) {
    if (name == NULL) {
        return nothing;
    }
    snprintf(paths[slot], sizeof paths[slot], "%s/%s", folder, name);
    return paths[slot];
}

static struct settings settings_with(const char *where, const char *ca, const char *certificate, const char *key) {
    snprintf(url, sizeof url, "%s", where);
    return (struct settings){.redis_url = url,
                             .redis_ca_file = path_of(0, ca),
                             .redis_cert_file = path_of(1, certificate),
                             .redis_key_file = path_of(2, key)};
}

// Names of files in the folder; NULL: not set.
static const struct {
    const char *url, *ca, *certificate, *key;
} good[] = {
    {"redis://h", NULL, NULL, NULL},
    {"rediss://h", NULL, NULL, NULL},
    {"rediss://h", "authority.pem", NULL, NULL},
    {"rediss://h", "authority.pem", "client.pem", "client.key"},
    {"rediss://h", NULL, "both.pem", "both.pem"},
    {"rediss+sentinel://h/m", "self.pem", NULL, NULL},
    {"redis://127.0.0.1", "missing.pem", NULL, NULL}, // which nothing reads
};

START_TEST(what_fits_together_is_taken) {
    struct settings settings = settings_with(good[_i].url, good[_i].ca, good[_i].certificate, good[_i].key);
    char *error = NULL;
    struct redis_target *target = redis_target_create(&settings, &error);
    ck_assert_msg(target != NULL, "%s", error);
    const struct redis_endpoint *endpoint = redis_target_take(target);
    ck_assert_int_eq(endpoint->tls != NULL, endpoint->url.tls);
    redis_endpoint_release(endpoint);
    redis_target_destroy(target);
}
END_TEST

static const struct {
    const char *url, *ca, *certificate, *key;
    const char *begins, *says;
} bad[] = {
    {"redis://:TELLING@h:0", NULL, NULL, NULL, "REDIS_URL: ", "port"},
    {"rediss://:TELLING@h", "missing.pem", NULL, NULL, "REDIS_CA_FILE: ", "No such file"},
    {"rediss://:TELLING@h", "nothing.pem", NULL, NULL, "REDIS_CA_FILE: ", "no certificate in PEM form"},
    {"rediss://:TELLING@h", "torn.pem", NULL, NULL, "REDIS_CA_FILE: ", "number 2"},
    {"rediss://:TELLING@h", "", NULL, NULL, "REDIS_CA_FILE: ", "directory"},
    {"rediss://:TELLING@h", NULL, "client.pem", NULL, "REDIS_KEY_FILE: ", "missing"},
    {"rediss://:TELLING@h", NULL, NULL, "client.key", "REDIS_CERT_FILE: ", "missing"},
    {"rediss://:TELLING@h", NULL, "missing.pem", "client.key", "REDIS_CERT_FILE: ", "No such file"},
    {"rediss://:TELLING@h", NULL, "client.key", "client.key", "REDIS_CERT_FILE: ", "no certificate in PEM form"},
    {"rediss://:TELLING@h", NULL, "client.pem", "missing.key", "REDIS_KEY_FILE: ", "No such file"},
    {"rediss://:TELLING@h", NULL, "client.pem", "client.pem", "REDIS_KEY_FILE: ", "no private key in PEM form"},
    {"rediss://:TELLING@h", NULL, "client.pem", "good.key", "REDIS_KEY_FILE: ", "not the key of REDIS_CERT_FILE"},
    {"rediss://:TELLING@h", NULL, "client.pem", "locked.key", "REDIS_KEY_FILE: ", "passphrase"},
    {"redis://:TELLING@h", "authority.pem", NULL, NULL, "REDIS_CA_FILE: ", "rediss://"},
    {"redis://:TELLING@h", NULL, "client.pem", "client.key", "REDIS_CERT_FILE: ", "rediss://"},
    {"redis+sentinel://:TELLING@h/m", "authority.pem", NULL, NULL, "REDIS_CA_FILE: ", "rediss://"},
};

START_TEST(what_will_not_do_is_named_in_one_line) {
    struct settings settings = settings_with(bad[_i].url, bad[_i].ca, bad[_i].certificate, bad[_i].key);
    char *error = NULL;
    ck_assert_ptr_null(redis_target_create(&settings, &error));
    ck_assert_msg(strncmp(error, bad[_i].begins, strlen(bad[_i].begins)) == 0 && strstr(error, bad[_i].says) != NULL,
                  "%s", error);
    ck_assert_ptr_null(strchr(error, '\n'));
    ck_assert_ptr_null(strstr(error, "TELLING"));
    free(error);
}
END_TEST

START_TEST(a_change_is_taken_as_a_whole_and_what_was_taken_before_stays) {
    struct settings settings = settings_with("rediss://:old@h", "authority.pem", NULL, NULL);
    char *error = NULL;
    struct redis_target *target = redis_target_create(&settings, &error);
    uint64_t version = redis_target_version(target);
    const struct redis_endpoint *before = redis_target_take(target);
    ck_assert_uint_eq(before->version, version);

    settings = settings_with("redis+sentinel://:new@a,b/m", NULL, NULL, NULL);
    ck_assert_int_eq(redis_target_change(target, &settings, &error), 0);
    ck_assert_uint_gt(redis_target_version(target), version);
    const struct redis_endpoint *after = redis_target_take(target);
    ck_assert_uint_eq(after->version, redis_target_version(target));
    ck_assert_str_eq(after->url.password, "new");
    ck_assert_uint_eq(after->url.count, 2);
    ck_assert_ptr_null(after->tls);
    ck_assert_str_eq(before->url.password, "old");
    ck_assert_ptr_nonnull(before->tls);
    redis_target_destroy(target);
    ck_assert_str_eq(after->url.master, "m");
    redis_endpoint_release(before);
    redis_endpoint_release(after);
}
END_TEST

START_TEST(a_change_that_will_not_do_changes_nothing) {
    struct settings settings = settings_with("redis://:old@h", NULL, NULL, NULL);
    char *error = NULL;
    struct redis_target *target = redis_target_create(&settings, &error);
    uint64_t version = redis_target_version(target);
    settings = settings_with("rediss://:new@h", "missing.pem", NULL, NULL);
    ck_assert_int_eq(redis_target_change(target, &settings, &error), -1);
    ck_assert_ptr_nonnull(strstr(error, "REDIS_CA_FILE"));
    free(error);
    ck_assert_uint_eq(redis_target_version(target), version);
    const struct redis_endpoint *endpoint = redis_target_take(target);
    ck_assert_str_eq(endpoint->url.password, "old");
    ck_assert_ptr_null(endpoint->tls);
    redis_endpoint_release(endpoint);
    redis_target_destroy(target);
}
END_TEST

Suite *suite_redis_target(void) {
    Suite *suite = suite_create("redis_target");
    TCase *tests = tcase_create("redis_target");
    tcase_add_unchecked_fixture(tests, make_files, remove_files);
    tcase_add_loop_test(tests, what_fits_together_is_taken, 0, sizeof good / sizeof *good);
    tcase_add_loop_test(tests, what_will_not_do_is_named_in_one_line, 0, sizeof bad / sizeof *bad);
    tcase_add_test(tests, a_change_is_taken_as_a_whole_and_what_was_taken_before_stays);
    tcase_add_test(tests, a_change_that_will_not_do_changes_nothing);
    suite_add_tcase(suite, tests);
    return suite;
}
