// SPDX-License-Identifier: MIT
// Every seed of the fuzz targets, and every input that once broke one, as ordinary tests: tests/fuzz/targets.h.

#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "tests/fuzz/targets.h"

Suite *suite_fuzz(void);

static void replay_file(const struct fuzz_target *target, const char *path) {
    uint8_t bytes[65536];
    FILE *file = fopen(path, "re");
    ck_assert_msg(file != NULL, "%s can't be read", path);
    size_t size = fread(bytes, 1, sizeof bytes, file);
    ck_assert_msg(size < sizeof bytes, "%s is larger than an input should be", path);
    fclose(file);
    target->run(bytes, size);
}

// Returns how many there were.
static int replay_folder(const struct fuzz_target *target, const char *kind) {
    char folder[128], path[512];
    int count = 0;
    snprintf(folder, sizeof folder, "tests/fuzz/%s/%s", kind, target->name);
    DIR *entries = opendir(folder);
    for (const struct dirent *entry; entries != NULL && (entry = readdir(entries)) != NULL;) {
        if (entry->d_name[0] != '.') {
            snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
            replay_file(target, path);
            count++;
        }
    }
    if (entries != NULL) {
        closedir(entries);
    }
    return count;
}

START_TEST(a_targets_seeds_break_nothing) {
    ck_assert_int_gt(replay_folder(&fuzz_targets[_i], "seeds"), 0);
}
END_TEST

START_TEST(what_once_broke_a_target_breaks_it_no_more) {
    int count = replay_folder(&fuzz_targets[_i], "regression");
    ck_assert_int_ge(count, 0); // most targets have none
}
END_TEST

START_TEST(a_target_takes_nothing_and_single_bytes) {
    for (unsigned byte = 0; byte < 256; byte++) {
        uint8_t one[1] = {(uint8_t)byte};
        fuzz_targets[_i].run(one, byte == 0 ? 0 : 1);
        fuzz_targets[_i].run(one, 1);
    }
}
END_TEST

Suite *suite_fuzz(void) {
    Suite *suite = suite_create("fuzz");
    TCase *tests = tcase_create("fuzz");
    tcase_add_loop_test(tests, a_targets_seeds_break_nothing, 0, (int)fuzz_target_count);
    tcase_add_loop_test(tests, what_once_broke_a_target_breaks_it_no_more, 0, (int)fuzz_target_count);
    tcase_add_loop_test(tests, a_target_takes_nothing_and_single_bytes, 0, (int)fuzz_target_count);
    suite_add_tcase(suite, tests);
    return suite;
}
