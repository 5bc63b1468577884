// SPDX-License-Identifier: MIT
#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/base/json.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/base/rfc3339.h"

Suite *suite_base_log(void);

// Each test has a folder of its own.
static char folder[64];
static char *path;
static char *aside;

static void create_folder(void) {
    strcpy(folder, "/tmp/test_log.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    path = xasprintf("%s/x.log", folder);
    aside = xasprintf("%s/x.log.1", folder);
}

static void remove_folder(void) {
    log_close();
    unlink(path);
    unlink(aside);
    rmdir(folder);
    free(path);
    free(aside);
}

static struct log_options options(void) {
    return (struct log_options){.program = "tester", .instance = "tester-1", .level = LOG_INFO, .path = path};
}

static void open_log(const struct log_options *chosen) {
    ck_assert_int_eq(log_open(chosen), 0);
}

static char *read_file(const char *name) {
    FILE *in = fopen(name, "r");
    ck_assert_msg(in != NULL, "%s is missing", name);
    struct buf text = {0};
    buf_puts(&text, "");
    char chunk[4096];
    size_t got;
    while ((got = fread(chunk, 1, sizeof chunk, in)) > 0) {
        buf_append(&text, chunk, got);
    }
    fclose(in);
    return text.data;
}

static size_t count_lines(const char *text) {
    size_t count = 0;
    for (; (text = strchr(text, '\n')) != NULL; text++) {
        count++;
    }
    return count;
}

// Each line must be one JSON object; returns how many there are.
static size_t check_json_lines(const char *name) {
    char *text = read_file(name);
    size_t count = 0;
    for (char *line = text; *line != '\0'; count++) {
        char *end = strchr(line, '\n');
        ck_assert_ptr_nonnull(end);
        const char *error;
        cJSON *tree = json_parse(line, (size_t)(end - line), &error);
        ck_assert_msg(cJSON_IsObject(tree), "%.*s: %s", (int)(end - line), line, error);
        cJSON_Delete(tree);
        line = end + 1;
    }
    free(text);
    return count;
}

static cJSON *read_only_line(void) {
    char *text = read_file(path);
    ck_assert_uint_eq(count_lines(text), 1);
    const char *error;
    cJSON *tree = json_parse(text, strlen(text), &error);
    ck_assert_msg(tree != NULL, "%s: %s", text, error);
    free(text);
    return tree;
}

START_TEST(a_line_says_when_what_and_by_whom) {
    struct log_options chosen = options();
    open_log(&chosen);
    struct log_line *line = log_begin(LOG_WARN, "request");
    log_str(line, "method", "GET");
    log_int(line, "status", 202);
    log_bool(line, "mock", true);
    log_str(line, "absent", NULL);
    log_str(line, "empty", "");
    log_end(line);
    cJSON *tree = read_only_line();
    int64_t number;
    ck_assert_int_eq(rfc3339_parse(json_string(tree, "ts"), &number), 0);
    ck_assert_str_eq(json_string(tree, "level"), "warn");
    ck_assert_str_eq(json_string(tree, "program"), "tester");
    ck_assert_str_eq(json_string(tree, "instance"), "tester-1");
    ck_assert_str_eq(json_string(tree, "event"), "request");
    ck_assert_str_eq(json_string(tree, "method"), "GET");
    ck_assert(json_integer(tree, "status", &number));
    ck_assert_int_eq(number, 202);
    ck_assert(cJSON_IsTrue(json_member(tree, "mock")));
    ck_assert_ptr_null(json_member(tree, "absent"));
    ck_assert_ptr_null(json_member(tree, "empty"));
    cJSON_Delete(tree);
}
END_TEST

START_TEST(a_sentence_stands_in_message) {
    struct log_options chosen = options();
    open_log(&chosen);
    log_error("link_down", "lost %s after %d s", "redis", 5);
    cJSON *tree = read_only_line();
    ck_assert_str_eq(json_string(tree, "message"), "lost redis after 5 s");
    ck_assert_str_eq(json_string(tree, "level"), "error");
    cJSON_Delete(tree);
}
END_TEST

START_TEST(lines_below_the_level_are_dropped) {
    struct log_options chosen = options();
    chosen.level = LOG_WARN;
    open_log(&chosen);
    ck_assert_ptr_null(log_begin(LOG_INFO, "x"));
    log_int(NULL, "x", 1);
    log_bool(NULL, "x", true);
    log_str(NULL, "x", "y");
    log_end(NULL);
    log_debug("x", "no");
    log_info("x", "no");
    log_warn("x", "yes");
    log_error("x", "yes");
    ck_assert_uint_eq(check_json_lines(path), 2);
}
END_TEST

static const char forged[] = "x\"}\n{\"level\":\"error\",\"event\":\"forged\"}\r\n\x1b[31m\x7f\xff\xc3";

START_TEST(nothing_a_client_sends_can_forge_a_line) {
    for (int text = 0; text < 2; text++) {
        struct log_options chosen = options();
        chosen.text = text == 1;
        open_log(&chosen);
        struct log_line *line = log_begin(LOG_INFO, "request");
        log_str(line, "path", forged);
        log_strn(line, "nul", "a\0b", 3);
        log_end(line);
        log_info("x", "%s", forged);
    }
    char *text = read_file(path);
    ck_assert_uint_eq(count_lines(text), 4);
    ck_assert_ptr_null(strchr(text, '\x1b'));
    ck_assert_ptr_null(strchr(text, '\r'));
    free(text);
}
END_TEST

START_TEST(text_is_for_a_persons_eyes) {
    struct log_options chosen = options();
    chosen.text = true;
    open_log(&chosen);
    struct log_line *line = log_begin(LOG_INFO, "request");
    log_str(line, "method", "GET");
    log_str(line, "message", "two words");
    log_int(line, "status", -1);
    log_bool(line, "mock", false);
    log_end(line);
    char *text = read_file(path);
    ck_assert_str_eq(text + strlen("2024-11-01T14:00:00.000Z"),
                     " info  request method=GET message=\"two words\" status=-1 mock=false\n");
    free(text);
}
END_TEST

START_TEST(a_log_is_appended_to) {
    for (int i = 0; i < 3; i++) {
        struct log_options chosen = options();
        open_log(&chosen);
        log_info("x", "line %d", i);
    }
    ck_assert_uint_eq(check_json_lines(path), 3);
}
END_TEST

START_TEST(a_file_that_cannot_be_opened_is_reported) {
    struct log_options chosen = options();
    chosen.path = "/nonexistent/folder/x.log";
    ck_assert_int_eq(log_open(&chosen), -1);
}
END_TEST

static uint64_t size_of(const char *name) {
    struct stat status;
    ck_assert_int_eq(stat(name, &status), 0);
    return (uint64_t)status.st_size;
}

START_TEST(a_full_file_is_moved_aside) {
    struct log_options chosen = options();
    chosen.max_bytes = 10000;
    open_log(&chosen);
    for (int i = 0; i < 1000; i++) {
        log_info("x", "line %d", i);
    }
    ck_assert_uint_le(size_of(path), 10200);
    ck_assert_uint_le(size_of(aside), 10200);
    ck_assert_uint_gt(size_of(aside), 10000);
    ck_assert_uint_gt(check_json_lines(aside), 50);
    char *text = read_file(path);
    ck_assert_msg(strstr(text, "line 999\"") != NULL || *text == '\0', "%s", text);
    free(text);
}
END_TEST

START_TEST(what_was_there_before_counts_towards_the_size) {
    struct log_options chosen = options();
    open_log(&chosen);
    for (int i = 0; i < 100; i++) {
        log_info("x", "line %d", i);
    }
    chosen.max_bytes = 5000;
    open_log(&chosen);
    log_info("x", "one more");
    ck_assert_uint_eq(check_json_lines(aside), 101);
    ck_assert_uint_eq(size_of(path), 0);
}
END_TEST

static unsigned rights_of(const char *name) {
    struct stat status;
    ck_assert_int_eq(stat(name, &status), 0);
    return status.st_mode & 07777;
}

START_TEST(a_log_is_its_owners_alone_whatever_it_was_before) {
    struct log_options chosen = options();
    chosen.max_bytes = 5000;
    mode_t before = umask(0);
    open_log(&chosen);
    ck_assert_uint_eq(rights_of(path), 0600);
    log_close();
    ck_assert_int_eq(chmod(path, 0666), 0);
    fclose(fopen(aside, "w"));
    ck_assert_uint_eq(rights_of(aside), 0666);
    open_log(&chosen);
    ck_assert_uint_eq(rights_of(path), 0600);
    ck_assert_uint_eq(rights_of(aside), 0600);
    while (size_of(aside) == 0) {
        log_info("x", "fill");
    }
    ck_assert_uint_eq(rights_of(path), 0600);
    ck_assert_uint_eq(rights_of(aside), 0600);
    umask(before);
}
END_TEST

START_TEST(a_file_that_another_process_moved_aside_is_not_moved_again) {
    struct log_options chosen = options();
    chosen.max_bytes = 5000;
    open_log(&chosen);
    log_info("x", "first");
    ck_assert_int_eq(rename(path, aside), 0); // as the other process does when it rotates
    FILE *out = fopen(path, "w");
    fputs("{\"by\":\"the other\"}\n", out);
    fclose(out);
    while (size_of(aside) <= 5000) {
        log_info("x", "fill");
    }
    log_info("x", "joined");
    char *text = read_file(path);
    ck_assert_ptr_nonnull(strstr(text, "the other"));
    ck_assert_ptr_nonnull(strstr(text, "joined"));
    free(text);
}
END_TEST

START_TEST(after_a_rotation_from_outside_reopening_writes_to_the_new_file) {
    struct log_options chosen = options();
    open_log(&chosen);
    log_info("x", "before");
    ck_assert_int_eq(rename(path, aside), 0);
    log_info("x", "still the old one");
    log_reopen();
    log_info("x", "after");
    ck_assert_uint_eq(check_json_lines(aside), 2);
    ck_assert_uint_eq(check_json_lines(path), 1);
}
END_TEST

START_TEST(reopening_into_a_folder_that_is_gone_goes_on_with_the_old_file) {
    struct log_options chosen = options();
    open_log(&chosen);
    char *elsewhere = xasprintf("%s.moved", folder);
    ck_assert_int_eq(rename(folder, elsewhere), 0);
    log_reopen();
    log_info("x", "still written");
    ck_assert_int_eq(rename(elsewhere, folder), 0);
    ck_assert_uint_eq(check_json_lines(path), 1);
    free(elsewhere);
}
END_TEST

#define THREADS 4
#define LINES 2000

static void *write_lines(void *argument) {
    (void)argument;
    for (int i = 0; i < LINES; i++) {
        struct log_line *line = log_begin(LOG_INFO, "line");
        log_str(line, "text", "\"some\" text that is long enough to be torn if it could be torn at all");
        log_int(line, "number", i);
        log_end(line);
        if (i % 500 == 0) {
            log_reopen();
        }
    }
    return NULL;
}

static void write_from_threads(void) {
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, write_lines, NULL), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
}

START_TEST(lines_of_several_threads_do_not_mix) {
    struct log_options chosen = options();
    open_log(&chosen);
    write_from_threads();
    ck_assert_uint_eq(check_json_lines(path), (size_t)THREADS * LINES);
}
END_TEST

START_TEST(no_line_is_torn_while_files_are_moved_aside) {
    struct log_options chosen = options();
    chosen.max_bytes = 50000;
    open_log(&chosen);
    write_from_threads();
    ck_assert_uint_gt(check_json_lines(aside), 100);
    check_json_lines(path);
}
END_TEST

START_TEST(held_lines_are_written_together_when_they_are_released) {
    struct log_options chosen = options();
    open_log(&chosen);
    log_hold();
    for (int i = 0; i < 3; i++) {
        log_info("held", "line %d", i);
    }
    char *text = read_file(path);
    ck_assert_str_eq(text, "");
    free(text);
    log_release();
    log_info("after", "written at once");
    text = read_file(path);
    ck_assert_uint_eq(count_lines(text), 4);
    free(text);
}
END_TEST

// A terminal as standard error: what a person sees there.
static char *on_a_terminal(const struct log_options *chosen) {
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    ck_assert_int_ge(master, 0);
    ck_assert_int_eq(grantpt(master) | unlockpt(master), 0);
    int terminal = open(ptsname(master), O_RDWR | O_NOCTTY);
    int before = dup(STDERR_FILENO);
    ck_assert_int_eq(dup2(terminal, STDERR_FILENO), STDERR_FILENO);
    open_log(chosen);
    log_info("seen", "by a person");
    ck_assert_int_eq(dup2(before, STDERR_FILENO), STDERR_FILENO);
    char text[512];
    ssize_t length = read(master, text, sizeof text - 1);
    ck_assert_int_gt(length, 0);
    text[length] = '\0';
    close(before);
    close(terminal);
    close(master);
    return xstrdup(text);
}

START_TEST(text_is_coloured_on_a_terminal_unless_that_is_unwanted) {
    struct log_options chosen = options();
    chosen.path = NULL;
    chosen.text = true;
    unsetenv("NO_COLOR");
    char *text = on_a_terminal(&chosen);
    ck_assert_ptr_nonnull(strstr(text, "\x1b[32minfo"));
    free(text);
    setenv("NO_COLOR", "1", 1);
    text = on_a_terminal(&chosen);
    ck_assert_ptr_null(strchr(text, '\x1b'));
    free(text);
    unsetenv("NO_COLOR");
    chosen.text = false;
    text = on_a_terminal(&chosen);
    ck_assert_ptr_null(strchr(text, '\x1b'));
    free(text);
}
END_TEST

Suite *suite_base_log(void) {
    Suite *suite = suite_create("base_log");
    TCase *tests = tcase_create("log");
    tcase_add_checked_fixture(tests, create_folder, remove_folder);
    tcase_add_test(tests, a_line_says_when_what_and_by_whom);
    tcase_add_test(tests, a_sentence_stands_in_message);
    tcase_add_test(tests, lines_below_the_level_are_dropped);
    tcase_add_test(tests, nothing_a_client_sends_can_forge_a_line);
    tcase_add_test(tests, text_is_for_a_persons_eyes);
    tcase_add_test(tests, a_log_is_appended_to);
    tcase_add_test(tests, a_file_that_cannot_be_opened_is_reported);
    tcase_add_test(tests, a_full_file_is_moved_aside);
    tcase_add_test(tests, what_was_there_before_counts_towards_the_size);
    tcase_add_test(tests, a_file_that_another_process_moved_aside_is_not_moved_again);
    tcase_add_test(tests, a_log_is_its_owners_alone_whatever_it_was_before);
    tcase_add_test(tests, after_a_rotation_from_outside_reopening_writes_to_the_new_file);
    tcase_add_test(tests, reopening_into_a_folder_that_is_gone_goes_on_with_the_old_file);
    tcase_add_test(tests, lines_of_several_threads_do_not_mix);
    tcase_add_test(tests, no_line_is_torn_while_files_are_moved_aside);
    suite_add_tcase(suite, tests);
    tcase_add_test(tests, held_lines_are_written_together_when_they_are_released);
    tcase_add_test(tests, text_is_coloured_on_a_terminal_unless_that_is_unwanted);
    return suite;
}
