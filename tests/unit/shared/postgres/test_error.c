// SPDX-License-Identifier: MIT
#include "shared/postgres/error.h"

#include <check.h>
#include <stddef.h>

Suite *suite_postgres_error(void);

static void assert_all(const char *const *codes, enum pg_error expected) {
    for (; *codes != NULL; codes++) {
        ck_assert_msg(pg_error_of(*codes) == expected, "%s: %d instead of %d", *codes, (int)pg_error_of(*codes),
                      (int)expected);
    }
}

START_TEST(what_a_repeat_cannot_mend_is_the_contents) {
    // a number out of range, a byte that isn't UTF-8, JSON, a cast; null, unique, check; one row twice; an index row
    // too long, a stack too deep; a trigger's RAISE
    static const char *const codes[] = {"22003", "22021", "22P02", "22P05", "23502", "23505", "23514",
                                        "21000", "54000", "54001", "44000", "P0001", NULL};
    assert_all(codes, PG_ERROR_CONTENT);
}
END_TEST

START_TEST(what_another_session_can_do_costs_this_one_its_connection) {
    // the connection's; read-only, aborted; statements, temporary objects, schema, function gone; plan older than a
    // migration; shutting down, starting up, dropped, idle too long; rows in another session
    static const char *const codes[] = {"08006", "08P01", "25006", "25P02", "25P03", "26000", "42P01", "3F000",
                                        "42883", "42703", "0A000", "55000", "57P01", "57P03", "57P04", "57P05",
                                        "28P01", "3D000", "XX000", "MS002", "",      NULL};
    assert_all(codes, PG_ERROR_SESSION);
    ck_assert_int_eq(pg_error_of(NULL), PG_ERROR_SESSION);
}
END_TEST

START_TEST(what_passes_or_is_an_operators_to_mend_is_repeated) {
    // serialization, deadlock; lock; disk, connections; I/O; a broken page; rights; another persister was faster;
    // unknown
    static const char *const codes[] = {"40001", "40P01", "55P03", "53100", "53300", "58030",
                                        "XX001", "42501", "MS001", "72000", "ZZ999", NULL};
    static const char *const shorter[] = {"57014", "53200", NULL};
    assert_all(codes, PG_ERROR_REPEAT);
    assert_all(shorter, PG_ERROR_SHORTER);
}
END_TEST

Suite *suite_postgres_error(void) {
    Suite *suite = suite_create("postgres_error");
    TCase *tcase = tcase_create("sqlstate");
    tcase_add_test(tcase, what_a_repeat_cannot_mend_is_the_contents);
    tcase_add_test(tcase, what_another_session_can_do_costs_this_one_its_connection);
    tcase_add_test(tcase, what_passes_or_is_an_operators_to_mend_is_repeated);
    suite_add_tcase(suite, tcase);
    return suite;
}
